"""A tool by which an agent searches: its passages are numbered, fenced and within a budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.config import run_in_executor
from langchain_core.tools import StructuredTool

import trivet
from langchain_trivet.retriever import DETAILS, TrivetRetriever
from trivet.errors import InvalidInputError
from trivet.search_tool import DESCRIPTION, NOTHING_FOUND, SearchInput
from trivet.token_counting import CountTokens, Encoding, token_counter


def create_search_tool(
    retriever: BaseRetriever,
    *,
    citations: Literal["numbered", "search_result"] = "numbered",
    name: str = "search",
    description: str = DESCRIPTION,
    max_tokens: int = 4000,
    encoding: Encoding = "o200k_base",
) -> StructuredTool:
    """A tool over a retriever; the message's artifact holds what is cited, as documents, in order.

    The query is all that the model gives: k, filter and tenant are the retriever's.

    Args:
        retriever: a `TrivetRetriever`, or any other.
        citations: "numbered" for one text of numbered passages, each fenced as data;
            "search_result" for a block of that type for each passage, which providers that cite
            by themselves read.
        name: of the tool.
        description: what the model is told of it.
        max_tokens: the most tokens of all passages, their fences included.
        encoding: by which they are counted, as in `trivet.pack`.

    Raises:
        InvalidInputError: citations of another kind, or an encoding or budget that cannot be.
        VocabularyError: the encoding's vocabulary cannot be had; the message names the ways out.
    """
    if citations not in ("numbered", "search_result"):
        raise InvalidInputError(
            f'expected citations to be "numbered" or "search_result", got {citations!r}'
        )
    counter = token_counter(encoding)
    trivet.pack([], max_tokens, counter)
    detailed = _detailed(retriever)

    def answer(documents: Sequence[Document]) -> tuple[str | list[dict[str, Any]], list[Document]]:
        return _answer(documents, citations, max_tokens, counter)

    def search(
        query: str, callbacks: Callbacks = None
    ) -> tuple[str | list[dict[str, Any]], list[Document]]:
        return answer(detailed.invoke(query, config={"callbacks": callbacks}))

    async def asearch(
        query: str, callbacks: Callbacks = None
    ) -> tuple[str | list[dict[str, Any]], list[Document]]:
        found = await detailed.ainvoke(query, config={"callbacks": callbacks})
        # What counts tokens may be slow, or ask a server.
        return await run_in_executor(None, answer, found)

    return StructuredTool(
        name=name,
        description=description,
        func=search,
        coroutine=asearch,
        args_schema=SearchInput,
        response_format="content_and_artifact",
    )


def _detailed(retriever: BaseRetriever) -> BaseRetriever:
    """The retriever, which tells spans and scores if it can."""
    if isinstance(retriever, TrivetRetriever):
        return retriever.model_copy(update={"details": True})
    return retriever


def _answer(
    documents: Sequence[Document], citations: str, max_tokens: int, counter: CountTokens
) -> tuple[str | list[dict[str, Any]], list[Document]]:
    packed = trivet.pack(_hits(documents), max_tokens, counter)
    cited = [
        Document(id=citation.id, page_content=citation.text, metadata=dict(citation.metadata))
        for citation in packed.citations
    ]
    if not cited:
        return NOTHING_FOUND, []
    if citations == "numbered":
        return packed.text, cited
    return [_block(citation) for citation in packed.citations], cited


def _hits(documents: Sequence[Document]) -> list[trivet.Hit]:
    """Documents as hits; of those that do not tell where they stand, none touches another."""
    places = [_place(document) for document in documents]
    start = 1 + max((place["span"][1] for place in places if place), default=0)
    hits = []
    for position, (document, place) in enumerate(zip(documents, places, strict=True)):
        text, metadata = document.page_content, dict(document.metadata)
        if place is not None:
            del metadata[DETAILS]
        if place is None or place["span"][1] - place["span"][0] != len(text):  # cut since
            id = document.id if document.id is not None else f"result {position + 1}"
            span = (start, start + len(text))
            hits.append(trivet.Hit(id, 0.0, text, metadata, {}, span))
            start = span[1] + 1
            continue
        hits.append(_placed(document, metadata, place))
    return hits


def _place(document: Document) -> dict[str, Any] | None:
    """What a `TrivetRetriever` tells of a passage; None of what another retriever found."""
    details = document.metadata.get(DETAILS)
    told = {"document", "tenant", "span", "score", "scores"}
    return details if isinstance(details, dict) and set(details) == told else None


def _placed(document: Document, metadata: dict[str, Any], place: dict[str, Any]) -> trivet.Hit:
    start, end = place["span"]
    return trivet.Hit(
        document.id or place["document"],
        place["score"],
        document.page_content,
        metadata,
        place["scores"],
        (start, end),
        place["tenant"],
        place["document"],
    )


def _block(citation: trivet.Citation) -> dict[str, Any]:
    title = citation.metadata.get("title", citation.id)
    return {
        "type": "search_result",
        "source": citation.id,
        "title": title if isinstance(title, str) else json.dumps(title),
        "content": [{"type": "text", "text": citation.text}],
        "citations": {"enabled": True},
    }
