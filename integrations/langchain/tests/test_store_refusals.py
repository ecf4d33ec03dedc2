"""What the vector store refuses, by its name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from langchain_core.documents import Document
from langchain_trivet import TrivetVectorStore

import trivet
from trivet.errors import (
    InvalidDocumentError,
    InvalidFilterError,
    InvalidInputError,
    InvalidPlanError,
    UnknownKeywordError,
    UnknownModeError,
)


def test_scores_that_are_not_calibrated_have_no_threshold(store: TrivetVectorStore) -> None:
    for keywords in ({"plan": "rrf"}, {"plan": "dbsf"}, {"modes": ["sparse"]}):
        with pytest.raises(InvalidPlanError, match="whatever else is found"):
            store.similarity_search_with_relevance_scores("anchor", **keywords)
    found = store.similarity_search_with_relevance_scores("anchor", k=4)
    assert all(0 <= score <= 1 for _, score in found)


def test_unknown_keywords_are_refused(store: TrivetVectorStore) -> None:
    calls: list[Callable[..., object]] = [
        lambda **k: store.add_documents([], **k),
        lambda **k: store.add_texts([], **k),
        lambda **k: store.delete([], **k),
        lambda **k: store.similarity_search("a", **k),
        lambda **k: store.similarity_search_with_score("a", **k),
        lambda **k: store.similarity_search_with_relevance_scores("a", **k),
        lambda **k: store.max_marginal_relevance_search("a", **k),
        lambda **k: store.as_retriever().invoke("a", **k),
        lambda **k: store.as_retriever().batch(["a"], **k),
    ]
    for call in calls:
        with pytest.raises(UnknownKeywordError, match="filer"):
            call(filer={"part": "gear"})


@pytest.mark.parametrize(
    ("search_type", "unknown"),
    [
        ("similarity", "score_threshold"),
        ("similarity", "lambda_mult"),
        ("mmr", "score_threshold"),
        ("similarity_score_threshold", "fetch_k"),
    ],
)
def test_a_keyword_of_another_search_type_is_refused(store, search_type, unknown) -> None:
    wanted = {"score_threshold": 0.1} if search_type == "similarity_score_threshold" else {}
    retriever = store.as_retriever(
        search_type=search_type,
        search_kwargs={**wanted, unknown: 9 if unknown == "fetch_k" else 0.9},
    )
    for ask in (retriever.invoke, lambda query: retriever.batch([query])):
        with pytest.raises(UnknownKeywordError, match=unknown):
            ask("anchor")


async def test_a_search_type_that_does_not_exist_is_refused(store: TrivetVectorStore) -> None:
    assert store.search("anchor", "similarity") == await store.asearch("anchor", "similarity")
    for ask in (store.search, store.search_many_by_type):
        with pytest.raises(InvalidInputError, match="search_type"):
            ask("anchor", "hybrid")
    with pytest.raises(InvalidInputError, match="search_type"):
        await store.asearch("anchor", "hybrid")


def test_values_of_another_kind_are_refused_by_what_was_expected(store: TrivetVectorStore) -> None:
    circular: dict[str, object] = {}
    circular["itself"] = circular
    calls: list[Callable[[], object]] = [
        lambda: store.add_texts("anchor"),
        lambda: store.add_texts(["a", None]),
        lambda: store.add_texts(["a"], [None]),
        lambda: store.add_texts(["a"], [{1: 2, "b": 3}]),
        lambda: store.add_texts(["a"], [circular]),
        lambda: store.similarity_search_by_vector("anchor"),
        lambda: store.similarity_search_by_vector(["a", "b"]),
        lambda: store.similarity_search_by_vector([[1.0, 2.0], [3.0]]),
        lambda: store.similarity_search_with_relevance_scores("a", score_threshold="0.5"),
        lambda: store.similarity_search_with_relevance_scores("a", score_threshold=2),
        lambda: store.max_marginal_relevance_search("a", fetch_k=0),
        lambda: store.max_marginal_relevance_search("a", fetch_k="20"),
    ]
    before = store.index.count()
    for call in calls:
        with pytest.raises(InvalidInputError, match="expected"):
            call()
    assert store.index.count() == before


def test_what_cannot_mean_anything_is_refused(store: TrivetVectorStore) -> None:
    before = store.index.count()
    twice = [Document(id="x", page_content=text) for text in "ab"]
    with pytest.raises(InvalidInputError, match="distinct"):
        store.add_documents(twice, batch_size=1)
    with pytest.raises(InvalidInputError, match="as many ids"):
        store.add_texts(["a", "b"], ids=["1"])
    with pytest.raises(InvalidInputError, match="as many metadatas"):
        store.add_texts(["a", "b"], [{}])
    with pytest.raises(InvalidInputError, match="batch_size"):
        store.add_texts(["a"], batch_size=0)
    with pytest.raises(InvalidDocumentError):
        store.add_texts(["a"], [{"when": object()}])
    with pytest.raises(InvalidInputError, match="name them"):
        store.delete()
    assert store.index.count() == before
    with pytest.raises(UnknownModeError):
        store.similarity_search("a", modes=["hybrid"])
    with pytest.raises(UnknownModeError):
        store.similarity_search("a", modes=["multi"])
    with pytest.raises(InvalidFilterError):
        store.similarity_search("a", filter="part = gear")
    with pytest.raises(ValueError, match="search_type"):
        store.as_retriever(search_type="hybrid")
    assert store.similarity_search("anchor", k=3, filter={"no such field": 1}) == []


def test_one_of_location_and_index_is_given(index: trivet.Index) -> None:
    with pytest.raises(InvalidInputError, match="neither"):
        TrivetVectorStore()
    with pytest.raises(InvalidInputError, match="both"):
        TrivetVectorStore(location=":memory:", index=index)
    with pytest.raises(InvalidInputError, match="beside an index"):
        TrivetVectorStore(index=index, modes=["dense"])
    with pytest.raises(InvalidInputError, match="LangChain Embeddings"):
        TrivetVectorStore(location=":memory:", embedding="model")
