"""The vector store: documents come back whole, and searches are the index's."""

from __future__ import annotations

import copy

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager
from langchain_core.indexing import index as run_indexing
from langchain_trivet import TrivetVectorStore

import trivet


def test_documents_come_back_whole_and_equal(
    store: TrivetVectorStore, documents: list[Document]
) -> None:
    before = copy.deepcopy(documents)
    ids = store.add_documents(documents)
    assert documents == before
    assert ids[:2] == ["kedge", "a/b c"]
    assert store.index.count() == 4
    expected = {d.id or ids[2]: (d.page_content, d.metadata) for d in documents}
    found = store.similarity_search("a long story about ships", k=10)
    assert {d.id: (d.page_content, d.metadata) for d in found} == expected
    assert {d.id: (d.page_content, d.metadata) for d in store.get_by_ids(ids)} == expected


def test_the_core_reads_what_langchain_wrote_and_back(store: TrivetVectorStore) -> None:
    (document,) = store.index.get(["kedge"])
    assert document == trivet.Document(
        "A kedge is a light anchor.", "kedge", metadata={"part": "gear"}
    )
    store.index.add(["The bilge collects water."], ids=["bilge"], metadatas=[{"part": "hull"}])
    assert store.get_by_ids(["bilge"]) == [
        Document(id="bilge", page_content="The bilge collects water.", metadata={"part": "hull"})
    ]


def test_documents_without_ids_are_told_apart_by_their_metadata(index: trivet.Index) -> None:
    store = TrivetVectorStore(index=index)
    same = [Document(page_content="Copyright.", metadata={"page": page}) for page in (1, 2, 1)]
    ids = store.add_documents(same)
    assert ids[0] == ids[2] != ids[1]
    assert index.count() == 2
    assert store.add_texts(["Copyright."], [{"page": 1}]) == ids[:1]
    assert index.count() == 2


def test_ids_that_are_given_go_before_the_documents_own(
    index: trivet.Index, documents: list[Document]
) -> None:
    store = TrivetVectorStore(index=index)
    ids = store.add_documents(documents[:3], ids=["x", None, "y"])
    assert ids == ["x", "a/b c", "y"]
    assert [d.id for d in store.get_by_ids(ids)] == ids


@pytest.mark.parametrize("key_encoder", ["sha256", "blake2b"])
def test_langchains_indexing_adds_skips_and_cleans_up(
    index: trivet.Index, key_encoder: str
) -> None:
    store, records = TrivetVectorStore(index=index), InMemoryRecordManager(namespace="n")
    records.create_schema()

    def run(texts: list[str]) -> dict:
        documents = [Document(page_content=t, metadata={"source": t}) for t in texts]
        return run_indexing(
            documents, records, store, cleanup="full", source_id_key="source",
            key_encoder=key_encoder, batch_size=2,
        )  # fmt: skip

    assert run(["one", "two", "three"])["num_added"] == 3
    again = run(["one", "two", "four"])
    assert (again["num_added"], again["num_skipped"], again["num_deleted"]) == (1, 2, 1)
    assert index.count() == 3


def test_scores_and_filters_reach_the_search(store: TrivetVectorStore) -> None:
    expected = [(hit.id, hit.score) for hit in store.index.search("anchor", k=3)]
    found = store.similarity_search_with_score("anchor", k=3)
    assert [(d.id, score) for d, score in found] == expected
    only = store.similarity_search("anchor", k=10, filter={"part": "gear"})
    assert [d.id for d in only] == ["kedge"]
    dense = store.similarity_search_with_score("anchor", k=2, modes=["dense"])
    assert [score for _, score in dense] == [
        hit.score for hit in store.index.search("anchor", k=2, modes=["dense"])
    ]


async def test_asynchronous_searches_find_the_same(store: TrivetVectorStore) -> None:
    assert await store.asimilarity_search("anchor", k=3) == store.similarity_search("anchor", k=3)
    scored = store.similarity_search_with_score("anchor", k=3)
    assert await store.asimilarity_search_with_score("anchor", k=3) == scored
    relevant = store.similarity_search_with_relevance_scores("anchor", k=3, score_threshold=0.1)
    assert relevant == await store.asimilarity_search_with_relevance_scores(
        "anchor", k=3, score_threshold=0.1
    )
    diverse = store.max_marginal_relevance_search("anchor", k=2, lambda_mult=0.3)
    assert diverse == await store.amax_marginal_relevance_search("anchor", k=2, lambda_mult=0.3)
    assert await store.aadd_documents([Document(id="x", page_content="new")]) == ["x"]
    assert [d.id for d in await store.aget_by_ids(["x"])] == ["x"]
    assert await store.adelete(["x"])
    assert await store.aget_by_ids(["x"]) == []


def test_from_texts_and_from_documents_fill_a_store(documents: list[Document]) -> None:
    fake = DeterministicFakeEmbedding(size=6)
    store = TrivetVectorStore.from_texts(["a", "b"], fake, ids=["1", "2"], location=":memory:")
    assert store.index.count() == 2
    store.close()
    made = TrivetVectorStore.from_documents(documents, fake, location=":memory:")
    assert made.index.count() == 4
    made.close()


def test_a_search_does_not_count_the_index(store: TrivetVectorStore, monkeypatch) -> None:
    def counted(index: trivet.Index) -> None:
        raise AssertionError("a search reads sizes that nobody asked for")

    vector = store.index.vectors(["kedge"]).dense.values[0].tolist()
    monkeypatch.setattr(trivet.Index, "describe", counted)
    assert store.as_retriever().invoke("anchor")
    assert store.similarity_search_by_vector(vector, k=1)[0].id == "kedge"


def test_an_empty_store_finds_nothing(index: trivet.Index) -> None:
    store = TrivetVectorStore(index=index)
    assert store.similarity_search("anchor", k=50) == []
    assert store.add_texts([]) == []
    assert store.as_retriever().batch([]) == []


def test_repr_is_short(store: TrivetVectorStore) -> None:
    assert repr(store) == f"TrivetVectorStore({store.index!r})"
    assert "page_content" not in repr(store.as_retriever())
