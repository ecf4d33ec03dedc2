"""The search tool: numbered, fenced passages within a budget."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import StructuredTool
from langchain_trivet import TrivetRetriever, TrivetVectorStore, create_search_tool
from loops import Gate
from pydantic import ValidationError

import trivet
from trivet.errors import InvalidInputError, VocabularyError


def utf8(text: str) -> int:
    return len(text.encode())


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
