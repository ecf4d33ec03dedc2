"""Runs of an `IngestionPipeline` that fail: nothing that was stored is lost, nothing comes twice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, Document, TextNode, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.vector_stores.trivet import TrivetVectorStore

import trivet
from trivet.errors import EmbeddingError

OLD = "Kedges are light. " * 10
NEW = "This is broken."
B = "Leeway is sideways drift."


class OwnEmbedding(MockEmbedding):
    """A pipeline's own embedding, which fails at a word."""

    word: str | None = "broken"

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        if self.word is not None and any(self.word in text for text in texts):
            raise ConnectionError("the service is down")
        return super()._get_text_embeddings(texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._get_text_embeddings(texts)


class Step(TransformComponent):
    """A step before the embedding, which fails at a word."""

    word: str | None = "broken"

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        if self.word is not None and any(self.word in node.get_content() for node in nodes):
            raise ValueError("a step failed")
        return nodes


def failing_step(store: TrivetVectorStore, kind: str) -> list[Any]:
    if kind == "own embedding":
        dims = next(space.dims for space in store.client.spaces if space.dims)
        return [OwnEmbedding(embed_dim=dims)]
    return [Step(), store.embed_model]


def pipeline_for(store: TrivetVectorStore, steps: list[Any], strategy: str) -> IngestionPipeline:
    return IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=40, chunk_overlap=0), *steps],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy(strategy),
        disable_cache=True,
    )


def stored(store: TrivetVectorStore) -> list[tuple[str | None, str]]:
    return sorted((node.ref_doc_id, node.text) for node in store.get_nodes())


@pytest.mark.parametrize("kind", ["own embedding", "step"])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_whatever_fails_what_was_to_be_replaced_is_still_there(
    memory_store, kind, asynchronous
) -> None:
    steps = failing_step(memory_store, kind)
    pipeline = pipeline_for(memory_store, steps, "upserts_and_delete")

    async def run(*documents: Document) -> None:
        if asynchronous:
            await pipeline.arun(documents=list(documents))
        else:
            pipeline.run(documents=list(documents))

    await run(Document(text=OLD, id_="a"), Document(text=B, id_="b"), Document(text=B, id_="c"))
    held = [each for each in stored(memory_store) if each[0] != "c"]
    with pytest.raises((ConnectionError, ValueError)):
        await run(Document(text=NEW, id_="a"), Document(text=B, id_="b"))
    assert stored(memory_store) == held  # without c, which was to be deleted
    assert memory_store.client.verify().is_clean
    # The docstore may take the old text for done, so it has to be.
    await run(Document(text=OLD, id_="a"), Document(text=B, id_="b"))
    assert {text for source, text in stored(memory_store) if source == "a"} == {
        text for source, text in held if source == "a"
    }
    steps[0].word = None
    await run(Document(text=NEW, id_="a"), Document(text=B, id_="b"))
    assert stored(memory_store) == [("a", NEW), ("b", B)]


def test_a_run_that_fails_marks_nothing_as_done(tiny_embedder, monkeypatch) -> None:
    index = trivet.open(":memory:", model=tiny_embedder, settings=trivet.Settings(batch_chunks=1))
    store = TrivetVectorStore(index=index)
    embed = trivet.Embedder.embed_documents
    word: list[str] = ["broken"]

    def embed_or_fail(embedder, texts, **more):
        if any(word and word[0] in text for text in texts):
            raise EmbeddingError("expected a working model, got one that fails")
        return embed(embedder, texts, **more)

    monkeypatch.setattr(trivet.Embedder, "embed_documents", embed_or_fail)
    for strategy in DocstoreStrategy:
        store.clear()
        word[:] = ["broken"]
        pipeline = pipeline_for(store, [store.embed_model], strategy)
        documents = [Document(text=B, id_="b"), Document(text=NEW, id_="a")]
        with pytest.raises(EmbeddingError):
            pipeline.run(documents=documents)
        word.clear()
        pipeline.run(documents=documents)
        assert stored(store) == [("a", NEW), ("b", B)], strategy
    index.close()


def test_what_another_thread_stores_makes_nobody_forget(memory_store, monkeypatch) -> None:
    memory_store.add([TextNode(text="Kedges are light.", id_="a")])
    memory_store.delete("a")
    other = threading.Thread(target=memory_store.add, args=[[TextNode(text=B, id_="b")]])
    other.start()
    other.join()

    def fail(embedder, texts, **more):
        raise EmbeddingError("expected a working model, got one that fails")

    monkeypatch.setattr(trivet.Embedder, "embed_documents", fail)
    with pytest.raises(EmbeddingError):
        memory_store.add([TextNode(text=NEW, id_="a")])
    assert sorted(node.text for node in memory_store.get_nodes()) == ["Kedges are light.", B]
