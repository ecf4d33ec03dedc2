"""An index as a LangChain retriever of passages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import LangSmithRetrieverParams
from pydantic import ConfigDict, Field

import trivet
from langchain_trivet.batching import BatchingRetriever, model_name, search_params
from langchain_trivet.documents import passage
from langchain_trivet.filters import to_filter
from langchain_trivet.keywords import refuse

# Where a passage's metadata hold how it was found, if that is asked for.
DETAILS = "_trivet"


class TrivetRetriever(BatchingRetriever):
    """The best passages of an index; every field may be made configurable, and is one of `invoke`.

    Attributes:
        index: an open `trivet.Index`.
        k: documents wanted.
        modes: the legs to search; None = all that the index has.
        filter: a mapping of metadata fields, a `qdrant_client.models.Filter`, or a filter of
            `langchain_core.structured_query`.
        task: what queries are for: chooses the model's wording.
        instruction: what to look for, where the model has a place for it.
        plan: how to rank; None = the plan that measured best.
        thinker: thinks about queries beside the search (`trivet.thinking`), or a
            `trivet.thinking.Thinking` that says more; None = nothing is thought.
        details: whether metadata tell, under "_trivet", document, tenant, span, score and scores
            of each passage. Otherwise they are the document's own and nothing else.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    index: trivet.Index = Field(repr=False)
    k: int = 4
    modes: list[str] | None = None
    filter: Any = None
    task: str | None = None
    instruction: str | None = None
    plan: trivet.Plan | str | None = None
    thinker: Any = Field(default=None, repr=False)
    details: bool = False

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return self._search_many([query], **kwargs)[0]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        asked = self._with(kwargs)
        return asked._passages(await self.index.asearch(asked._query(query), **asked._options()))

    def _search_many(self, queries: Sequence[str], **kwargs: Any) -> list[list[Document]]:
        asked = self._with(kwargs)
        wanted = [asked._query(query) for query in queries]
        return [
            asked._passages(hits) for hits in self.index.search_many(wanted, **asked._options())
        ]

    def _with(self, kwargs: dict[str, Any]) -> TrivetRetriever:
        """The retriever with what one call asks for."""
        taken = ("k", "modes", "filter", "task", "instruction", "plan", "thinker", "details")
        unknown = {name: value for name, value in kwargs.items() if name not in taken}
        refuse("the retriever", unknown, ", ".join(taken))
        return self.model_copy(update=kwargs) if kwargs else self

    def _query(self, text: str) -> trivet.Query:
        return trivet.Query(text, task=self.task, instruction=self.instruction)

    def _options(self) -> dict[str, Any]:
        return {
            "k": self.k,
            "plan": self.plan,
            "modes": self.modes,
            "filter": to_filter(self.filter),
            "think": self.thinker,
        }

    def _passages(self, hits: Sequence[trivet.Hit]) -> list[Document]:
        found = [passage(hit) for hit in hits]
        if self.details:
            for document, hit in zip(found, hits, strict=True):
                document.metadata[DETAILS] = {
                    "document": hit.document,
                    "tenant": hit.tenant,
                    "span": list(hit.span),
                    "score": hit.score,
                    "scores": dict(hit.scores),
                }
        return found

    @cached_property
    def _model_name(self) -> str:
        return model_name(self.index)

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        return search_params(self._model_name)
