"""A tool by which an agent searches: its passages are numbered, fenced and within a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore
from llama_index.core.tools import AsyncBaseTool, ToolMetadata, ToolOutput

import trivet
from trivet.errors import InvalidInputError, UnknownKeywordError
from trivet.search_tool import DESCRIPTION, NOTHING_FOUND, SearchInput
from trivet.token_counting import CountTokens, Encoding, token_counter


class SearchTool(AsyncBaseTool):
    """A search by an agent; made by `search_tool`.

    The retriever is asked for the model's query, word for word. (LlamaIndex's own `RetrieverTool`
    asks it for "input is …".)

    Args:
        retriever: finds nodes.
        metadata: what the model is told of the tool.
        postprocessors: of what is found, in this order.
        max_tokens: of the answer.
        counter: counts them.
    """

    def __init__(
        self,
        retriever: BaseRetriever,
        metadata: ToolMetadata,
        postprocessors: Sequence[BaseNodePostprocessor],
        max_tokens: int,
        counter: CountTokens,
    ) -> None:
        self._retriever = retriever
        self._metadata = metadata
        self._postprocessors = list(postprocessors)
        self._max_tokens = max_tokens
        self._counter = counter

    @property
    def metadata(self) -> ToolMetadata:
        """What the model is told of the tool."""
        return self._metadata

    def call(self, query: str, **unknown: object) -> ToolOutput:  # type: ignore[override]
        """Search.

        Args:
            query: what to look for.
            **unknown: none is known.

        Returns:
            The packed passages as text, and the nodes that they cite, in order, as raw output.

        Raises:
            UnknownKeywordError: another argument than the query.
            TrivetError: as the retriever.
        """
        self._require_query_alone(unknown)
        found = self._retriever.retrieve(query)
        for postprocessor in self._postprocessors:
            found = postprocessor.postprocess_nodes(found, query_str=query)
        return self._output(query, found)

    async def acall(self, query: str, **unknown: object) -> ToolOutput:  # type: ignore[override]
        """As `call`, beside the event loop."""
        self._require_query_alone(unknown)
        found = await self._retriever.aretrieve(query)
        for postprocessor in self._postprocessors:
            found = await postprocessor.apostprocess_nodes(found, query_str=query)
        # What counts tokens may be slow, or ask a server.
        return await asyncio.to_thread(self._output, query, found)

    def _require_query_alone(self, unknown: dict[str, object]) -> None:
        for name in unknown:
            raise UnknownKeywordError(f"{self.metadata.name} takes a query alone, got {name!r} too")

    def _output(self, query: str, found: Sequence[NodeWithScore]) -> ToolOutput:
        packed = trivet.pack([_hit(each) for each in found], self._max_tokens, self._counter)
        of_id = {each.node.node_id: each for each in found}
        cited = [of_id[citation.hits[0]] for citation in packed.citations]
        return ToolOutput(
            content=packed.text or NOTHING_FOUND,
            tool_name=self.metadata.get_name(),
            raw_input={"query": query},
            raw_output=cited,
        )


def search_tool(
    retriever: BaseRetriever,
    *,
    name: str = "search",
    description: str = DESCRIPTION,
    postprocessors: Sequence[BaseNodePostprocessor] = (),
    max_tokens: int = 4000,
    encoding: Encoding = "o200k_base",
) -> SearchTool:
    """A tool over a retriever, whose output cites nodes by number.

    The query is all that the model gives: the number of nodes, filters and tenant are the
    retriever's.

    Args:
        retriever: a `TrivetRetriever`, or any other.
        name: of the tool.
        description: what the model is told of it.
        postprocessors: what is found goes through them, one after the other.
        max_tokens: the most tokens of all passages, their fences included.
        encoding: by which they are counted, as in `trivet.pack`.

    Raises:
        InvalidInputError: no retriever, or an encoding or budget that cannot be.
        VocabularyError: the encoding's vocabulary cannot be had; the message names the ways out.
    """
    if not isinstance(retriever, BaseRetriever):
        raise InvalidInputError(f"expected a retriever, got {type(retriever).__name__}")
    counter = token_counter(encoding)
    trivet.pack([], max_tokens, counter)
    metadata = ToolMetadata(description=description, name=name, fn_schema=SearchInput)
    return SearchTool(retriever, metadata, postprocessors, max_tokens, counter)


def _hit(found: NodeWithScore) -> trivet.Hit:
    """A node as a passage of the document that it was cut from, if it tells where it stands."""
    node = found.node
    text = node.get_content(MetadataMode.NONE)
    start = getattr(node, "start_char_idx", None)
    end = getattr(node, "end_char_idx", None)
    document, span = node.node_id, (0, len(text))
    if isinstance(start, int) and isinstance(end, int) and end - start == len(text):
        document, span = node.ref_doc_id or node.node_id, (start, end)
    return trivet.Hit(
        node.node_id, found.score or 0.0, text, dict(node.metadata), {}, span, document=document
    )
