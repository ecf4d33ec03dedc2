"""The retriever: queries in words, none of them changed, never a blocked event loop."""

from __future__ import annotations

import asyncio
import copy

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import IndexNode, QueryBundle, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.embeddings.trivet import TrivetEmbedding, TrivetSparseEmbedding
from llama_index.retrievers.trivet import TrivetRetriever
from llama_index.vector_stores.trivet import TrivetVectorStore
from loops import Gate

import trivet
from trivet.errors import (
    InstructionError,
    InvalidInputError,
    InvalidQueryError,
    UnknownModeError,
    UnknownTaskError,
)

TEXTS = {
    "kedge": "A kedge is a light anchor.",
    "bower": "A bower is the main anchor of a ship.",
    "leeway": "Leeway is sideways drift.",
}


@pytest.fixture
def filled(memory_store: TrivetVectorStore) -> TrivetVectorStore:
    memory_store.add(
        [TextNode(id_=id, text=text, metadata={"n": len(text)}) for id, text in TEXTS.items()]
    )
    return memory_store


def of(found) -> list[tuple[str, float]]:
    return [(each.node.node_id, each.score) for each in found]


async def test_the_same_nodes_come_sync_async_and_in_batches(filled: TrivetVectorStore) -> None:
    retriever = TrivetRetriever(filled, similarity_top_k=3)
    queries = ["light anchor", "drift", "main anchor of a ship"]
    one_by_one = [of(retriever.retrieve(query)) for query in queries]
    for query, found in zip(queries, one_by_one, strict=True):
        assert found == [(hit.id, hit.score) for hit in filled.client.search(query, k=3)]
    for again in (
        [of(found) for found in retriever.batch(queries)],
        [of(found) for found in await retriever.abatch(queries)],
        [of(found) for found in await asyncio.gather(*map(retriever.aretrieve, queries))],
    ):
        assert [[id for id, _ in found] for found in again] == [
            [id for id, _ in found] for found in one_by_one
        ]
        for found, expected in zip(again, one_by_one, strict=True):
            assert [score for _, score in found] == pytest.approx(
                [score for _, score in expected], abs=1e-5
            )


def test_a_batch_is_one_pass_and_one_request(
    filled: TrivetVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trivet.store.memory import MemoryEngine

    filled.client.search("anchor")  # the first finds the embedder's dense floor
    passes, requests = [], []
    embed, ask = trivet.Embedder.embed_queries, MemoryEngine.query
    monkeypatch.setattr(
        trivet.Embedder,
        "embed_queries",
        lambda self, texts, **more: passes.append(len(texts)) or embed(self, texts, **more),
    )
    monkeypatch.setattr(
        MemoryEngine, "query", lambda self, asked: requests.append(1) or ask(self, asked)
    )
    TrivetRetriever(filled).batch([f"anchor {i}" for i in range(20)])
    assert passes[-1] == 20
    assert requests == [1]


async def test_a_bundle_is_left_as_it_was(filled: TrivetVectorStore) -> None:
    retriever = TrivetRetriever(filled)
    expected = [hit.id for hit in filled.client.search("light anchor", k=2)]
    for vector in (None, [0.5] * 32, [0.5] * 7):
        bundle = QueryBundle("light anchor", embedding=vector)
        before = copy.deepcopy(bundle)
        assert [id for id, _ in of(retriever.retrieve(bundle))] == expected
        assert [id for id, _ in of(await retriever.aretrieve(bundle))] == expected
        assert bundle == before
    index = VectorStoreIndex.from_vector_store(filled, embed_model=filled.embed_model)
    bundle = QueryBundle("light anchor")
    index.as_retriever().retrieve(bundle)
    assert bundle == QueryBundle("light anchor")


async def test_a_slow_search_leaves_the_event_loop_ticking(
    filled: TrivetVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trivet.store.memory import MemoryEngine

    ask, gate = MemoryEngine.query, Gate()

    def slowly(self, requests):
        gate()
        return ask(self, requests)

    monkeypatch.setattr(MemoryEngine, "query", slowly)

    index = VectorStoreIndex.from_vector_store(filled, embed_model=filled.embed_model)
    retriever = TrivetRetriever(filled)
    for work in (
        retriever.aretrieve("anchor"),
        retriever.abatch(["anchor"]),
        index.as_retriever().aretrieve("anchor"),
    ):
        assert await gate.passed_by(work)


async def test_writing_and_embedding_leave_the_event_loop_ticking(
    memory_store: TrivetVectorStore, tiny_embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed, ask = trivet.Embedder.embed_documents, trivet.Embedder.embed_queries
    gate = Gate()
    monkeypatch.setattr(
        trivet.Embedder,
        "embed_documents",
        lambda self, texts, **more: gate() or embed(self, texts, **more),
    )
    monkeypatch.setattr(
        trivet.Embedder,
        "embed_queries",
        lambda self, texts, **more: gate() or ask(self, texts, **more),
    )
    dense = TrivetEmbedding(tiny_embedder)
    for work in (
        memory_store.async_add([TextNode(id_="a", text="one")]),
        dense.aget_query_embedding("one"),
        dense.aget_text_embedding("one"),
        dense.aget_text_embedding_batch(["one", "two"]),
    ):
        assert await gate.passed_by(work)


def test_fields_of_the_retriever_reach_the_search(filled: TrivetVectorStore) -> None:
    short = MetadataFilters(filters=[MetadataFilter(key="n", value=27, operator="<")])
    assert {id for id, _ in of(TrivetRetriever(filled, filters=short).retrieve("anchor"))} == {
        "kedge",
        "leeway",
    }
    words = TrivetRetriever(filled, modes=["sparse"])
    assert {id for id, _ in of(words.retrieve("anchor"))} == {"kedge", "bower"}
    ranks = TrivetRetriever(filled, plan="rrf", similarity_top_k=3)
    assert of(ranks.retrieve("anchor")) == [
        (hit.id, hit.score) for hit in filled.client.search("anchor", k=3, plan="rrf")
    ]
    with pytest.raises(UnknownTaskError):
        TrivetRetriever(filled, task="cooking").retrieve("anchor")
    with pytest.raises(InstructionError):
        TrivetRetriever(filled, instruction="find anchors").retrieve("anchor")


def test_objects_behind_index_nodes_are_followed(memory_store: TrivetVectorStore) -> None:
    memory_store.add([IndexNode(id_="i", text="About anchors.", index_id="table")])
    target = TextNode(id_="t", text="The table of anchors.")
    leads = IndexNode(text="About anchors.", index_id="table", obj=target)
    [found] = TrivetRetriever(memory_store, objects=[leads]).retrieve("anchors")
    assert found.node == target


def test_a_query_that_means_nothing_is_refused(filled: TrivetVectorStore) -> None:
    retriever = TrivetRetriever(filled)
    for query in (
        " ",
        QueryBundle("x", image_path="a.png"),
    ):
        with pytest.raises(InvalidQueryError):
            retriever.retrieve(query)
    assert retriever.retrieve(QueryBundle("anchor", custom_embedding_strs=["anchor"]))
    with pytest.raises(InvalidInputError, match="TrivetVectorStore"):
        TrivetRetriever(filled.client)
    with pytest.raises(InvalidInputError, match="both"):
        TrivetRetriever(filled, plan="rrf", modes=["dense"])
    with pytest.raises(UnknownModeError):
        TrivetRetriever(filled, modes=["multi"]).retrieve("anchor")


def test_the_sparse_embedding_is_the_stores_own(tiny_embedder: trivet.Embedder) -> None:
    sparse = TrivetSparseEmbedding()
    document = sparse.get_text_embedding("an anchor holds an anchor")
    query = sparse.get_query_embedding("anchor")
    assert set(query) <= set(document)
    assert list(query.values()) == [1.0]
    # BM25 with k = 1.2, b = 0.75 and an average of 256 terms: a word that is there twice among 3.
    norm = 1.2 * (1 - 0.75 + 0.75 * 3 / 256)
    assert document[next(iter(query))] == pytest.approx(2 * 2.2 / (2 + norm), abs=1e-5)
