"""Collections of langchain-qdrant and LlamaIndex's Qdrant store, opened as they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from stub_server import StubServer

import trivet
from trivet.errors import InvalidInputError, NotAnIndexError, ReadOnlyError, SpaceMismatchError

from .makers import BM25, QUERIES, TEXTS, lang_chain_store, llama_index_store, store_of


@pytest.fixture
def server() -> Iterator[StubServer]:
    with StubServer() as made:
        yield made


@pytest.fixture(autouse=True)
def no_payload_index_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Payload indexes have no effect")
        yield


@pytest.mark.parametrize("vector", ["", "my-vector"])
def test_a_dense_collection_of_langchain_answers_as_its_maker(tiny_embedder, vector) -> None:
    client = QdrantClient(":memory:")
    maker = lang_chain_store(client, tiny_embedder, "dense", vector)
    index = trivet.adopt(client, "notes", model=tiny_embedder)
    assert index.count() == 40
    for query in QUERIES:
        expected = maker.similarity_search_with_score(query, k=10)
        hits = index.search(query, k=10)
        assert [hit.id for hit in hits] == [str(d.metadata["_id"]) for d, _ in expected]
        assert [hit.text for hit in hits] == [d.page_content for d, _ in expected]
        np.testing.assert_allclose([h.score for h in hits], [s for _, s in expected], atol=1e-5)
    index.close()
    assert client.count("notes").count == 40  # the caller's client is still open


def test_a_hybrid_collection_of_langchain_gives_each_leg_as_its_maker(tiny_embedder) -> None:
    from langchain_qdrant import RetrievalMode

    client = QdrantClient(":memory:")
    maker = lang_chain_store(client, tiny_embedder, "hybrid")
    index = trivet.adopt(client, "notes", model=tiny_embedder, lexical=BM25)
    for query in QUERIES:
        for mode, modes in (("dense", ["dense"]), ("sparse", ["sparse"])):
            maker.retrieval_mode = RetrievalMode(mode)
            expected = maker.similarity_search_with_score(query, k=10)
            hits = index.search(query, k=10, modes=modes)
            scores = [s for _, s in expected]
            np.testing.assert_allclose([h.score for h in hits], scores, atol=1e-5)
            if len(set(np.round(scores, 5))) == len(scores):  # ties come in any order
                assert [h.id for h in hits] == [str(d.metadata["_id"]) for d, _ in expected]
        both = index.search(query, k=10)
        assert {mode for hit in both for mode in hit.scores} == {"dense", "sparse"}
        # Nobody knows the scale of words that were weighed elsewhere: lists are fused, not scores.
        by_lists = index.search(query, k=10, plan="dbsf")
        assert {h.id: h.score for h in both} == {h.id: h.score for h in by_lists}
    assert index.planned().fuse == "dbsf"
    assert index.planned(modes=["dense"]).fused == ("dense",)


@pytest.mark.loopback
@pytest.mark.parametrize("hybrid", [False, True])
def test_a_collection_of_llama_index_on_a_server(server, tiny_embedder, hybrid) -> None:
    from llama_index.core.vector_stores import VectorStoreQuery

    client = QdrantClient(url=server.url, check_compatibility=False)
    maker, nodes = llama_index_store(client, tiny_embedder, hybrid=hybrid)
    client.close()
    maker._client = server.local  # a single query is no route of the stub
    lexical = BM25 if hybrid else None
    by_id = {node.node_id: node for node in nodes}
    with trivet.adopt(server.url, "notes", model=tiny_embedder, lexical=lexical) as index:
        assert [space.mode for space in index.describe().spaces] == ["dense", "sparse"][
            : 1 + hybrid
        ]
        for query in QUERIES:
            vector = tiny_embedder.embed_queries([query]).dense.values[0].tolist()
            expected = maker.query(VectorStoreQuery(vector, similarity_top_k=10))
            hits = index.search(query, k=10, modes=["dense"])
            assert [hit.id for hit in hits] == expected.ids
            assert [hit.text for hit in hits] == [by_id[id].text for id in expected.ids]
            np.testing.assert_allclose([h.score for h in hits], expected.similarities, atol=1e-5)
        [found] = index.get([nodes[3].node_id])
        assert found.text == TEXTS[3]
        assert found.metadata["n"] == 3


@pytest.mark.parametrize("maker", ["langchain", "llama_index"])
def test_filters_reach_the_fields_of_either_layout(tiny_embedder, maker) -> None:
    client = QdrantClient(":memory:")
    store_of(maker, client, tiny_embedder)
    index = trivet.adopt(client, "notes", model=tiny_embedder)
    wanted = {"kind": "kedge", "n": {"gte": 10}}
    expected = [i for i in range(10, 40) if i % 5 == 0]
    hits = index.search("kedge", k=40, filter=wanted)
    assert sorted(hit.metadata["n"] for hit in hits) == expected
    assert sorted(d.metadata["n"] for d in index.documents(filter=wanted)) == expected
    assert len(list(index.documents())) == 40
    some = index.search("kedge", k=3)
    only = models.FieldCondition(
        key="_trivet.document", match=models.MatchAny(any=[hit.id for hit in some])
    )
    assert len(index.search("kedge", k=40, filter=models.Filter(must=[only]))) == 3
    missing = index.search("kedge", k=40, filter={"nothing": {"exists": True}})
    assert missing == []


async def test_searches_of_all_kinds_agree(tiny_embedder) -> None:
    client = QdrantClient(":memory:")
    lang_chain_store(client, tiny_embedder, "dense")
    with trivet.adopt(client, "notes", model=tiny_embedder) as index:
        one = [hit.id for hit in index.search("kedge", k=5)]
        assert [hit.id for hit in index.search_many(["kedge", "mud"], k=5)[0]] == one
        assert [hit.id for hit in await index.asearch("kedge", k=5)] == one


def everything(client: QdrantClient) -> dict[str, tuple[object, object]]:
    """Payloads and vectors; local mode gives vectors back with another last digit at times."""
    records, _ = client.scroll("notes", limit=100, with_vectors=True)
    return {str(r.id): (r.payload, pytest.approx(r.vector, abs=1e-6)) for r in records}


def test_nothing_is_written(tiny_embedder) -> None:
    client = QdrantClient(":memory:")
    lang_chain_store(client, tiny_embedder, "dense")
    before = everything(client)
    index = trivet.adopt(client, "notes", model=tiny_embedder)
    [first, *_] = index.search("kedge")
    for call in (
        lambda: index.add(["A new note."]),
        lambda: index.upsert(["A new note."], ids=[first.id]),
        lambda: index.delete([first.id]),
        lambda: index.delete(filter={"n": 3}),
        lambda: index.verify(),
    ):
        with pytest.raises(ReadOnlyError, match="read only"):
            call()
    index.close()
    after, _ = client.scroll("notes", limit=100, with_vectors=True)
    assert {str(r.id): (r.payload, r.vector) for r in after} == before


def test_a_model_that_did_not_make_the_vectors_is_refused(
    tiny_embedder, tiny_model_other, checkpoint
) -> None:
    client = QdrantClient(":memory:")
    lang_chain_store(client, tiny_embedder, "dense")
    with pytest.raises(SpaceMismatchError, match="did not make"):
        trivet.adopt(client, "notes", model=tiny_model_other)
    wider = trivet.Embedder.wrap(name="w", dims=8, documents=lambda t: [[1.0] * 8 for _ in t])
    with pytest.raises(SpaceMismatchError, match="32"):
        trivet.adopt(client, "notes", model=wider)


def test_collections_that_cannot_be_adopted_are_refused(tiny_embedder) -> None:
    client = QdrantClient(":memory:")
    params = models.VectorParams(size=32, distance=models.Distance.COSINE)
    point = models.PointStruct(id=1, vector=[1.0] * 32, payload={"body": "text"})

    def collection(name: str, vectors, points=()) -> str:
        client.create_collection(name, vectors_config=vectors)
        if points:
            client.upsert(name, points)
        return name

    def refused(name: str, error: type[Exception], words: str, **more: object) -> None:
        with pytest.raises(error, match=words):
            trivet.adopt(client, name, model=tiny_embedder, **more)

    refused("gone", NotAnIndexError, "found none")
    refused(collection("empty", params), NotAnIndexError, "empty")
    body = collection("body", params, [point])
    refused(body, NotAnIndexError, "content_key")
    ours = models.PointStruct(id=1, vector=[1.0] * 32, payload={"_trivet": {}})
    refused(collection("ours", params, [ours]), NotAnIndexError, "trivet.open")
    two = collection("two", {"a": params, "b": params}, [
        models.PointStruct(id=1, vector={"a": [1.0] * 32}, payload={"page_content": "x"})
    ])  # fmt: skip
    refused(two, InvalidInputError, "'a', 'b'")
    refused(two, InvalidInputError, "'c'", vector="c")
    euclid = models.VectorParams(size=32, distance=models.Distance.EUCLID)
    text = models.PointStruct(id=1, vector=[1.0] * 32, payload={"page_content": "x"})
    refused(collection("far", euclid, [text]), InvalidInputError, "cosine")
    plain = collection("plain", params, [text])
    refused(plain, InvalidInputError, "no sparse", lexical=BM25)
    refused(plain, InvalidInputError, "auto", lexical=trivet.Lexical())
    with pytest.raises(TypeError, match="modle"):
        trivet.adopt(client, "plain", modle="x")


def test_other_payload_keys_are_named(tiny_embedder) -> None:
    client = QdrantClient(":memory:")
    params = models.VectorParams(size=32, distance=models.Distance.COSINE)
    client.create_collection("body", vectors_config=params)
    vectors = tiny_embedder.embed_documents(TEXTS[:3]).dense.values.tolist()
    client.upsert(
        "body",
        [
            models.PointStruct(id=i, vector=v, payload={"body": TEXTS[i], "about": {"n": i}})
            for i, v in enumerate(vectors)
        ],
    )
    index = trivet.adopt(
        client, "body", model=tiny_embedder, content_key="body", metadata_key="about"
    )
    [hit] = index.search("note", filter={"n": 2})
    assert (hit.id, hit.text, hit.metadata) == ("2", TEXTS[2], {"n": 2})
    assert [d.id for d in index.get(["0", "7"])] == ["0"]


def strangers(client: QdrantClient, vector: object) -> None:
    """Points that a collection's maker did not write."""
    payloads = [{}, {"page": 1}, {"_node_content": "{"}]
    client.upsert(
        "notes",
        [
            models.PointStruct(id=at, vector=vector, payload=payload)
            for at, payload in enumerate(payloads)
        ],
    )


@pytest.mark.parametrize("maker", ["langchain", "llama_index"])
def test_points_that_the_maker_did_not_write_are_documents_without_text(
    tiny_embedder, maker
) -> None:
    client = QdrantClient(":memory:")
    store_of(maker, client, tiny_embedder)
    index = trivet.adopt(client, "notes", model=tiny_embedder)
    vector = tiny_embedder.embed_queries([QUERIES[0]]).dense.values[0].tolist()
    is_named = isinstance(client.get_collection("notes").config.params.vectors, dict)
    strangers(client, {"text-dense": vector} if is_named else vector)
    hits = index.search(QUERIES[0], k=5)
    assert {hit.id for hit in hits[:3]} == {"0", "1", "2"}
    assert {hit.text for hit in hits[:3]} == {""}
    assert len(list(index.documents())) == index.count() == 43
    assert [document.id for document in index.get(["0", "2"])] == ["0", "2"]
    assert client.count("notes").count == 43


def test_a_filter_on_items_of_a_list_reaches_the_makers_payload(tiny_embedder) -> None:
    client = QdrantClient(":memory:")
    _, nodes = llama_index_store(client, tiny_embedder, hybrid=False)
    index = trivet.adopt(client, "notes", model=tiny_embedder)
    client.set_payload("notes", {"parts": [{"n": 1}, {"n": 2}]}, points=[nodes[3].node_id])
    item = models.Filter(must=[models.FieldCondition(key="n", match=models.MatchValue(value=2))])
    where = models.Filter(
        must=[models.NestedCondition(nested=models.Nested(key="metadata.parts", filter=item))]
    )
    assert [document.id for document in index.documents(filter=where)] == [nodes[3].node_id]


def test_explanations_and_vectors_are_read_under_the_points_own_ids(tiny_embedder) -> None:
    client = QdrantClient(":memory:")
    lang_chain_store(client, tiny_embedder, "hybrid")
    with trivet.adopt(client, "notes", model=tiny_embedder, lexical=BM25) as index:
        hits = index.search("kedge in mud", k=3)
        explained = index.explain("kedge in mud", hits[0].id)
        assert sum(leg.contribution for leg in explained.legs) == pytest.approx(
            hits[0].score, abs=1e-5
        )
        read = index.vectors([hit.id for hit in hits]).dense.values
        own = tiny_embedder.embed_documents([hit.text for hit in hits]).dense.values
        np.testing.assert_allclose(read, own, atol=1e-5)
        with pytest.raises(ReadOnlyError, match="measure"):
            index.measure_recall()


@pytest.mark.loopback
def test_nobody_is_told_to_index_the_fields_of_a_collection_that_is_only_read(
    server, tiny_embedder, caplog
) -> None:
    client = QdrantClient(url=server.url, check_compatibility=False)
    lang_chain_store(client, tiny_embedder, "dense")
    client.close()
    with trivet.adopt(server.url, "notes", model=tiny_embedder) as index:
        assert index.search("kedge", k=2, filter={"kind": "kedge"})
    assert "has no index" not in caplog.text
