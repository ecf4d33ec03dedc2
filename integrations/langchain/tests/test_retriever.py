"""The retriever and the document index: the index's hits as documents, each query its own run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.runnables import ConfigurableField
from langchain_trivet import TrivetDocumentIndex, TrivetRetriever, TrivetVectorStore
from pydantic import ValidationError

import trivet
from trivet.errors import InvalidQueryError, UnknownKeywordError, UnknownModeError, UnknownTaskError


class Runs(BaseCallbackHandler):
    """Keeps what retriever runs were begun and ended with."""

    def __init__(self) -> None:
        self.begun: dict[UUID, tuple[str, dict]] = {}
        self.ended: dict[UUID, Sequence[Document]] = {}
        self.failed: list[UUID] = []

    def on_retriever_start(
        self, serialized: Any, query: str, *, run_id: UUID, metadata: Any = None, **kwargs: Any
    ) -> None:
        self.begun[run_id] = (query, metadata)

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.ended[run_id] = documents

    def on_retriever_error(self, error: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.failed.append(run_id)


def test_the_retriever_gives_the_indexs_hits_with_their_own_metadata(filled: trivet.Index) -> None:
    hits = filled.search("anchor", k=2)
    found = TrivetRetriever(index=filled, k=2).invoke("anchor")
    assert [(d.id, d.page_content, d.metadata) for d in found] == [
        (hit.id, hit.text, hit.metadata) for hit in hits
    ]
    detailed = TrivetRetriever(index=filled, k=2).invoke("anchor", details=True)
    assert [d.metadata["_trivet"]["score"] for d in detailed] == [hit.score for hit in hits]
    assert [d.metadata["_trivet"]["span"] for d in detailed] == [list(hit.span) for hit in hits]
    json.dumps([d.metadata for d in detailed])


def test_every_field_is_configurable_and_a_keyword_of_the_call(filled: trivet.Index) -> None:
    retriever = TrivetRetriever(index=filled)
    by_config = retriever.configurable_fields(
        k=ConfigurableField(id="k"), filter=ConfigurableField(id="filter")
    )
    config = {"configurable": {"k": 1, "filter": {"tenant": "b"}}}
    found = by_config.invoke("anchor", config=config)
    assert [d.id for d in found] == ["bilge"]
    assert retriever.invoke("anchor", k=1, filter={"tenant": "b"}) == found
    assert retriever.k == 4
    assert by_config.batch(["anchor", "drift"], config=config) == [found, found]
    with pytest.raises(UnknownTaskError):
        retriever.invoke("anchor", task="no such task")
    with pytest.raises(UnknownModeError):
        retriever.invoke("anchor", modes=["hybrid"])
    with pytest.raises(UnknownKeywordError, match="top_k"):
        retriever.invoke("anchor", top_k=3)
    with pytest.raises(ValidationError, match="top_k"):
        TrivetRetriever(index=filled, top_k=3)


async def test_batches_are_one_pass_in_which_each_query_has_its_run(
    filled: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever = TrivetRetriever(index=filled, k=2)
    queries = ["anchor", "drift", "water"]
    expected = [retriever.invoke(query) for query in queries]
    passes = []
    search_many = filled.search_many

    def counted(asked: Sequence[Any], **options: Any) -> Any:
        passes.append(len(asked))
        return search_many(asked, **options)

    monkeypatch.setattr(filled, "search_many", counted)
    runs = Runs()
    assert retriever.batch(queries, config={"callbacks": [runs]}) == expected
    assert await retriever.abatch(queries, config={"callbacks": [runs]}) == expected
    assert passes == [3, 3]
    assert [query for query, _ in runs.begun.values()] == queries * 2
    assert [runs.ended[run] for run in runs.begun] == expected * 2


def test_a_query_of_a_batch_that_fails_costs_the_others_nothing(filled: trivet.Index) -> None:
    retriever, runs = TrivetRetriever(index=filled, k=1), Runs()
    with pytest.raises(InvalidQueryError):
        retriever.batch(["anchor", " "], config={"callbacks": [runs]})
    assert len(runs.failed) == 2
    found, error = retriever.batch(["anchor", " "], return_exceptions=True)
    assert found == retriever.invoke("anchor")
    assert isinstance(error, InvalidQueryError)


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_runs_name_the_model(filled: trivet.Index, tiny_model: Path) -> None:
    retrievers = [
        TrivetRetriever(index=filled),
        TrivetDocumentIndex(index=filled),
        TrivetVectorStore(index=filled).as_retriever(),
    ]
    for retriever in retrievers:
        runs = Runs()
        retriever.invoke("anchor", config={"callbacks": [runs]})
        ((_, metadata),) = runs.begun.values()
        assert metadata["ls_retriever_name"] == "trivet"
        assert metadata["ls_embedding_model"] == str(tiny_model)
        assert metadata["ls_vector_store_provider"] == "trivet"


def test_repr_shows_no_index(filled: trivet.Index) -> None:
    assert "Index(" not in repr(TrivetRetriever(index=filled))


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_a_document_index_reports_what_it_could_not_store(index: trivet.Index) -> None:
    documents = TrivetDocumentIndex(index=index, k=1)
    items = [Document(id="a", page_content="light anchor"), Document(id="b", page_content=" ")]
    assert documents.upsert(items) == {"succeeded": ["a"], "failed": ["b"]}
    assert documents.invoke("anchor") == items[:1]
    assert documents.invoke("anchor", k=3, filter={"x": 1}) == []
    assert documents.batch(["anchor", "light"]) == [items[:1], items[:1]]
    for call in (documents.upsert, documents.delete, documents.get):
        with pytest.raises(UnknownKeywordError):
            call([], force=True)
