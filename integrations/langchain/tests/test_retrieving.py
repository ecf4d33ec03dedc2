"""Retriever, document index, reranker, embeddings, filters and the search tool."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField
from langchain_core.structured_query import (
    Comparator,
    Comparison,
    FilterDirective,
    Operation,
    Operator,
    StructuredQuery,
)
from langchain_core.tools import StructuredTool
from langchain_qdrant import QdrantVectorStore, RetrievalMode
from langchain_trivet import (
    SparseVector,
    TrivetDocumentIndex,
    TrivetEmbeddings,
    TrivetReranker,
    TrivetRetriever,
    TrivetSparseEmbeddings,
    TrivetVectorStore,
    create_search_tool,
)
from langchain_trivet.filters import QdrantVisitor
from loops import Gate
from pydantic import ValidationError

import trivet
from trivet.embedding.lexical import Bm25
from trivet.errors import (
    InvalidFilterError,
    InvalidInputError,
    InvalidQueryError,
    MissingHeadError,
    UnknownKeywordError,
    UnknownModeError,
    UnknownTaskError,
    VocabularyError,
)

TEXTS = {
    "kedge": "A kedge is a light anchor.",
    "leeway": "Leeway is sideways drift.",
    "capstan": "The capstan heaves up the anchor cable.",
    "bilge": "The bilge collects water.",
}


def utf8(text: str) -> int:
    return len(text.encode())


@pytest.fixture
def filled(index: trivet.Index) -> trivet.Index:
    metadatas = [{"tenant": "a" if id != "bilge" else "b", "size": len(id)} for id in TEXTS]
    index.add(list(TEXTS.values()), ids=list(TEXTS), metadatas=metadatas)
    return index


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


def compared(comparator: Comparator, attribute: str, value: object) -> Comparison:
    return Comparison(comparator=comparator, attribute=attribute, value=value)


def both(operator: Operator, *parts: FilterDirective) -> Operation:
    return Operation(operator=operator, arguments=list(parts))


ROWS = {
    "a": {"lang": "en", "year": 1990, "tags": ["x", "y"], "day": "2020-05-01"},
    "b": {"lang": "de", "year": 2000, "tags": ["y"], "day": "2021-05-01"},
    "c": {"year": 2010, "tags": []},
}
FILTERS = [
    (compared(Comparator.EQ, "lang", "en"), "a"),
    (compared(Comparator.NE, "lang", "en"), "bc"),
    (compared(Comparator.GT, "year", 1990), "bc"),
    (compared(Comparator.GTE, "year", 2000), "bc"),
    (compared(Comparator.LT, "year", 2000), "a"),
    (compared(Comparator.LTE, "year", 2000), "ab"),
    (compared(Comparator.IN, "lang", ["en", "fr"]), "a"),
    (compared(Comparator.NIN, "lang", ["en", "fr"]), "bc"),
    (compared(Comparator.CONTAIN, "tags", "x"), "a"),
    (compared(Comparator.LIKE, "lang", "de"), "b"),
    (compared(Comparator.GTE, "day", {"date": "2021-01-01", "type": "date"}), "b"),
    (
        both(
            Operator.AND,
            compared(Comparator.CONTAIN, "tags", "y"),
            compared(Comparator.GT, "year", 1995),
        ),
        "b",
    ),
    (
        both(
            Operator.OR,
            compared(Comparator.EQ, "lang", "en"),
            compared(Comparator.EQ, "year", 2010),
        ),
        "ac",
    ),
    (both(Operator.NOT, compared(Comparator.EQ, "lang", "en")), "bc"),
    (
        both(
            Operator.NOT,
            both(
                Operator.OR,
                compared(Comparator.EQ, "lang", "en"),
                both(Operator.NOT, compared(Comparator.EQ, "lang", "de")),
            ),
        ),
        "b",
    ),
]


def test_structured_filters_choose_the_documents_that_they_say(index: trivet.Index) -> None:
    index.add(["one", "two", "three"], ids=list(ROWS), metadatas=list(ROWS.values()))
    retriever = TrivetRetriever(index=index)
    for filter, expected in FILTERS:
        found = {document.id for document in retriever.invoke("one", filter=filter)}
        assert found == set(expected), filter
    asked = StructuredQuery(query="one", filter=FILTERS[0][0])
    query, keywords = QdrantVisitor().visit_structured_query(asked)
    assert {d.id for d in retriever.invoke(query, **keywords)} == {"a"}


@pytest.mark.parametrize(
    "filter",
    [
        compared(Comparator.EQ, "lang", None),
        compared(Comparator.GT, "lang", "en"),
        compared(Comparator.LIKE, "lang", 7),
        compared(Comparator.IN, "lang", []),
        compared(Comparator.EQ, 'a"b', "en"),
        Operation(operator=Operator.AND, arguments=[]),
    ],
)
def test_structured_filters_that_cannot_be_evaluated_are_refused(
    filled: trivet.Index, filter: FilterDirective
) -> None:
    with pytest.raises(InvalidFilterError):
        TrivetRetriever(index=filled).invoke("anchor", filter=filter)


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


def test_the_reranker_puts_documents_in_the_order_of_their_scores(
    tiny_model: Path, tiny_embedder: trivet.Embedder
) -> None:
    embedder = trivet.Embedder.load(tiny_model, modes=["multi"])
    documents = [Document(id=id, page_content=text, metadata={}) for id, text in TEXTS.items()]
    before = copy.deepcopy(documents)
    reranker = TrivetReranker(model=embedder, top_n=3, score_key="relevance_score")
    found = reranker.compress_documents(documents, "light anchor")
    assert documents == before
    scores = trivet.Reranker(embedder).score("light anchor", list(TEXTS.values()))
    order = sorted(zip(scores, TEXTS, strict=True), reverse=True)[:3]
    assert [(d.metadata["relevance_score"], d.id) for d in found] == order
    plain = TrivetReranker(model=str(tiny_model), top_n=1).compress_documents(documents, "anchor")
    assert plain[0].metadata == {}
    plain[0].metadata["changed"] = True
    assert documents == before
    assert reranker.compress_documents([], "anchor") == []
    with pytest.raises(MissingHeadError):
        TrivetReranker(model=tiny_embedder.only(["dense"])).compress_documents(documents, "a")


async def test_the_reranker_works_in_event_loops(tiny_model: Path) -> None:
    reranker = TrivetReranker(model=trivet.Embedder.load(tiny_model, modes=["multi"]), top_n=2)
    documents = [Document(page_content=text) for text in TEXTS.values()]
    assert await reranker.acompress_documents(documents, "anchor") == reranker.compress_documents(
        documents, "anchor"
    )


def test_embeddings_are_the_embedders_dense_leg(tiny_embedder: trivet.Embedder) -> None:
    embeddings = TrivetEmbeddings(model=tiny_embedder)
    texts = list(TEXTS.values())
    documents = tiny_embedder.embed_documents(texts).dense.values
    queries = tiny_embedder.embed_queries(texts).dense.values
    np.testing.assert_allclose(embeddings.embed_documents(texts), documents, atol=1e-6)
    np.testing.assert_allclose(embeddings.embed_queries(texts), queries, atol=1e-6)
    assert embeddings.embed_documents([]) == embeddings.embed_queries([]) == []
    with pytest.raises(InvalidInputError):
        embeddings.embed_documents(["a", ""])


def test_sparse_embeddings_have_langchain_qdrants_interface(tiny_embedder: trivet.Embedder) -> None:
    sparse = TrivetSparseEmbeddings()
    texts = list(TEXTS.values())
    bm25 = Bm25(256.0).embed_documents(texts)
    assert sparse.embed_documents(texts) == [
        SparseVector(indices=v.indices.tolist(), values=v.values.tolist()) for v in bm25.values
    ]
    store = QdrantVectorStore.from_texts(
        texts, sparse_embedding=sparse, retrieval_mode=RetrievalMode.SPARSE, location=":memory:"
    )
    assert [d.page_content for d in store.similarity_search("drift", k=1)] == [TEXTS["leeway"]]
    store.client.close()
    with pytest.raises(MissingHeadError):
        TrivetSparseEmbeddings(model=tiny_embedder)


def numbered(index: trivet.Index, **options: Any) -> StructuredTool:
    retriever = TrivetRetriever(index=index, k=2, filter={"tenant": "a"})
    return create_search_tool(retriever, **{"encoding": utf8, **options})


def call(tool: StructuredTool, query: str) -> Any:
    return tool.invoke(
        {"type": "tool_call", "id": "1", "name": tool.name, "args": {"query": query}}
    )


async def test_the_search_tool_numbers_and_fences_what_it_cites(filled: trivet.Index) -> None:
    tool = numbered(filled)
    message = call(tool, "anchor")
    packed = trivet.pack(filled.search("anchor", k=2, filter={"tenant": "a"}), 4000, utf8)
    assert message.content == packed.text
    assert [(d.id, d.page_content, d.metadata) for d in message.artifact] == [
        (c.id, c.text, c.metadata) for c in packed.citations
    ]
    assert all("_trivet" not in d.metadata for d in message.artifact)
    assert await tool.ainvoke({"query": "anchor"}) == message.content


def test_the_model_cannot_ask_for_more_than_the_query(filled: trivet.Index) -> None:
    tool = numbered(filled)
    assert set(tool.args) == {"query"}
    for more in ({"k": 100}, {"filter": {"tenant": "b"}}, {"tenant": "b"}):
        with pytest.raises(ValidationError):
            tool.invoke({"query": "water", **more})
    assert "bilge" not in {d.id for d in call(tool, "the bilge collects water").artifact}


def test_the_budget_of_the_tool_holds(filled: trivet.Index) -> None:
    whole = utf8(call(numbered(filled), "anchor").content)
    message = call(numbered(filled, max_tokens=whole - 1), "anchor")
    assert len(message.artifact) == 1
    assert utf8(message.content) < whole
    assert call(numbered(filled, max_tokens=5), "anchor").content.startswith("No passages")


def test_search_results_are_blocks_that_providers_cite(filled: trivet.Index) -> None:
    message = call(numbered(filled, citations="search_result"), "anchor")
    assert [block["type"] for block in message.content] == ["search_result"] * 2
    assert [block["source"] for block in message.content] == [d.id for d in message.artifact]
    assert [block["content"][0]["text"] for block in message.content] == [
        d.page_content for d in message.artifact
    ]


def test_any_retriever_makes_a_tool(filled: trivet.Index) -> None:
    plain = TrivetVectorStore(index=filled).as_retriever(search_kwargs={"k": 2})
    tool = create_search_tool(plain, encoding=utf8, name="library")
    message = call(tool, "anchor")
    assert [d.id for d in message.artifact] == [d.id for d in plain.invoke("anchor")]


class Canned(BaseRetriever):
    """Finds what it was given."""

    found: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return self.found


def test_passages_that_do_not_tell_their_place_are_never_joined() -> None:
    texts = ["A kedge is a light anchor, and no more.", "The bower is heavy."]
    tool = create_search_tool(
        Canned(found=[Document(id="gear", page_content=text) for text in texts]), encoding=utf8
    )
    assert [(d.id, d.page_content) for d in call(tool, "a").artifact] == [
        ("gear", text) for text in texts
    ]


def test_passages_that_were_cut_since_they_were_found_are_cited_as_they_are(
    filled: trivet.Index,
) -> None:
    (found,) = TrivetRetriever(index=filled, k=1, details=True).invoke("kedge")
    shorter = found.model_copy(update={"page_content": found.page_content[:9]})
    odd = Document(id="odd", page_content="Of somebody else.", metadata={"_trivet": "theirs"})
    tool = create_search_tool(Canned(found=[shorter, odd]), encoding=utf8)
    assert [d.page_content for d in call(tool, "a").artifact] == [
        found.page_content[:9],
        "Of somebody else.",
    ]


async def test_counting_tokens_leaves_the_event_loop_ticking(filled: trivet.Index) -> None:
    gate = Gate()

    def slow(text: str) -> int:
        gate()
        return len(text)

    tool = create_search_tool(TrivetRetriever(index=filled, k=2), encoding=slow)
    found = await gate.passed_by(tool.ainvoke({"query": "anchor"}))
    assert found.startswith("Search results")


def test_a_tool_that_cannot_count_is_refused_when_it_is_made(
    filled: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiktoken

    def offline(name: str) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(tiktoken, "get_encoding", offline)
    with pytest.raises(VocabularyError):
        create_search_tool(TrivetRetriever(index=filled))
    with pytest.raises(InvalidInputError, match="citations"):
        numbered(filled, citations="footnotes")
    with pytest.raises(InvalidInputError, match="max_tokens"):
        numbered(filled, max_tokens=0)
