"""An `IngestionPipeline` over the store: what is written, skipped, replaced, deleted, and kept."""

from __future__ import annotations

import pytest
from llama_index.core.ingestion import DocstoreStrategy, IngestionCache, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.trivet import TrivetEmbedding
from llama_index.vector_stores.trivet import TrivetVectorStore

import trivet
from trivet.errors import EmbeddingError, InvalidInputError

A = "Kedges are light. " * 30
B = "Leeway is sideways drift."


def pipeline_for(store: TrivetVectorStore, strategy: str, **more) -> IngestionPipeline:
    return IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=40, chunk_overlap=0), store.embed_model],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy(strategy),
        **more,
    )


def texts_of(store: TrivetVectorStore, source: str) -> str:
    """All that is stored of a source, in order."""
    nodes = [node for node in store.get_nodes() if node.ref_doc_id == source]
    return " ".join(node.text for node in sorted(nodes, key=lambda n: n.start_char_idx))


def words(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize("strategy", list(DocstoreStrategy))
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_every_strategy_does_what_it_says(memory_store, strategy, asynchronous) -> None:
    store = memory_store
    pipeline = pipeline_for(store, strategy)

    async def run(*documents: Document) -> int:
        if asynchronous:
            return len(await pipeline.arun(documents=list(documents)))
        return len(pipeline.run(documents=list(documents)))

    first, second = Document(text=A, id_="a"), Document(text=B, id_="b")
    assert await run(first, second) == store.client.count() > 2
    assert words(texts_of(store, "a")) == words(A)
    before = store.client.count()
    assert await run(Document(text=A, id_="a"), Document(text=B, id_="b")) == 0
    assert store.client.count() == before
    if strategy == DocstoreStrategy.DUPLICATES_ONLY:
        return
    assert await run(Document(text="Short now.", id_="a"), second) == 1
    assert texts_of(store, "a") == "Short now."
    assert store.client.count() == 2
    await run(Document(text="Short now.", id_="a"))
    left = ["a"] if strategy == DocstoreStrategy.UPSERTS_AND_DELETE else ["a", "b"]
    assert sorted({node.ref_doc_id for node in store.get_nodes()}) == left


def test_documents_that_nobody_cuts_are_replaced_too(memory_store) -> None:
    pipeline = IngestionPipeline(
        transformations=[memory_store.embed_model],
        vector_store=memory_store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
    )
    pipeline.run(documents=[Document(text=A, id_="a"), Document(text=B, id_="b")])
    pipeline.run(documents=[Document(text="New.", id_="a")])
    assert [(n.node_id, n.text) for n in memory_store.get_nodes()] == [("a", "New.")]


class Failing:
    """Makes the embedder fail at a text, until it is told to work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
        embed = trivet.Embedder.embed_documents
        self.word: str | None = word

        def embed_or_fail(embedder, texts, **more):
            if self.word is not None and any(self.word in text for text in texts):
                raise EmbeddingError("expected a working model, got one that fails")
            return embed(embedder, texts, **more)

        monkeypatch.setattr(trivet.Embedder, "embed_documents", embed_or_fail)


@pytest.mark.parametrize("strategy", ["upserts", "upserts_and_delete"])
def test_an_embedder_that_fails_loses_nothing(store, monkeypatch, strategy) -> None:
    pipeline = pipeline_for(store, strategy)
    pipeline.run(documents=[Document(text=A, id_="a"), Document(text=B, id_="b")])
    held = {node.node_id: node for node in store.get_nodes()}
    found = store.client.search("kedges", k=5, modes=["dense"])
    failing = Failing(monkeypatch, "broken")
    changed = [Document(text="This is broken.", id_="a"), Document(text=B, id_="b")]
    with pytest.raises(EmbeddingError):
        pipeline.run(documents=changed)
    assert {node.node_id: node for node in store.get_nodes()} == held
    again = store.client.search("kedges", k=5, modes=["dense"])
    assert [hit.text for hit in again] == [hit.text for hit in found]  # two are alike
    assert [hit.score for hit in again] == pytest.approx([hit.score for hit in found], abs=1e-5)
    assert store.client.verify().is_clean
    failing.word = None
    pipeline.run(documents=changed)
    assert texts_of(store, "a") == "This is broken."
    assert texts_of(store, "b") == B


def test_an_embedder_that_fails_loses_no_node_of_several_chunks(store, monkeypatch) -> None:
    pipeline = IngestionPipeline(
        transformations=[store.embed_model],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS,
    )
    long = " ".join(f"{A} {B} {i}." for i in range(40))
    pipeline.run(documents=[Document(text=long, id_="a")])
    chunks = store.client.describe().chunks
    assert chunks > 1
    held = store.get_nodes()
    found = [(hit.span, hit.text) for hit in store.client.search("kedges", modes=["dense"])]
    failing = Failing(monkeypatch, "")  # whatever it is given
    with pytest.raises(EmbeddingError):
        pipeline.run(documents=[Document(text="New.", id_="a")])
    assert store.get_nodes() == held
    assert store.client.describe().chunks == chunks
    again = [(hit.span, hit.text) for hit in store.client.search("kedges", modes=["dense"])]
    assert again == found
    assert store.client.verify().is_clean
    failing.word = None
    pipeline.run(documents=[Document(text="New.", id_="a")])
    assert [node.text for node in store.get_nodes()] == ["New."]


def test_what_was_deleted_on_purpose_stays_deleted(store, monkeypatch) -> None:
    pipeline = pipeline_for(store, "upserts")
    pipeline.run(documents=[Document(text=A, id_="a"), Document(text=B, id_="b")])
    store.delete("a")
    Failing(monkeypatch, "broken")
    with pytest.raises(EmbeddingError):
        pipeline.run(documents=[Document(text="This is broken.", id_="c")])
    assert {node.ref_doc_id for node in store.get_nodes()} == {"b"}


def test_a_cache_forgets_its_nodes_when_the_model_changes(memory_store, tiny_model_other) -> None:
    other = TrivetVectorStore(location=":memory:", embedding=tiny_model_other)
    assert memory_store.embed_model.to_dict() != other.embed_model.to_dict()
    first = TrivetEmbedding(memory_store.client._model.found()).to_dict()
    second = TrivetEmbedding(tiny_model_other).to_dict()
    assert first["fingerprint"] != second["fingerprint"]
    other.close()


def test_a_cache_of_embeddings_is_refused(tiny_embedder: trivet.Embedder) -> None:
    cache = SimpleKVStore()
    with pytest.raises(InvalidInputError, match="document with the same text"):
        TrivetEmbedding(tiny_embedder, embeddings_cache=cache)
    later = TrivetEmbedding(tiny_embedder)
    later.embeddings_cache = cache
    for call in (
        lambda: later.get_query_embedding("x"),
        lambda: later.get_text_embedding("x"),
        lambda: later.get_text_embedding_batch(["x"]),
        lambda: TrivetVectorStore(location=":memory:", embedding=later),
    ):
        with pytest.raises(InvalidInputError, match="embeddings_cache"):
            call()


def test_a_foreign_embedding_is_wrapped_and_its_cache_refused() -> None:
    from llama_index.core.embeddings import MockEmbedding

    foreign = MockEmbedding(embed_dim=8)
    with pytest.raises(InvalidInputError, match="embeddings_cache"):
        TrivetVectorStore(
            location=":memory:",
            embedding=MockEmbedding(embed_dim=8, embeddings_cache=SimpleKVStore()),
        )
    store = TrivetVectorStore(location=":memory:", embedding=foreign)
    assert [space.dims for space in store.client.describe().spaces] == [8, None]
    store.close()


def test_nodes_are_cached_by_the_pipeline(memory_store, monkeypatch) -> None:
    pipeline = IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=40, chunk_overlap=0),
            memory_store.embed_model,
        ],
        vector_store=memory_store,
        cache=IngestionCache(),
    )
    pipeline.run(documents=[Document(text=A, id_="a")])
    count = memory_store.client.count()
    memory_store.clear()
    pipeline.run(documents=[Document(text=A, id_="a")])
    assert memory_store.client.count() == count
