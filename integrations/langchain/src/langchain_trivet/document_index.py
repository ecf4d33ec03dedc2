"""An index as LangChain's document index: written, read and searched by one object."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.indexing import DeleteResponse, UpsertResponse
from langchain_core.indexing.base import DocumentIndex
from langchain_core.retrievers import LangSmithRetrieverParams
from pydantic import ConfigDict, Field

import trivet
from langchain_trivet.batching import BatchingRetriever, search_params
from langchain_trivet.documents import to_trivet, with_ids
from langchain_trivet.keywords import refuse
from langchain_trivet.vectorstore import TrivetVectorStore
from trivet.errors import InvalidInputError


class TrivetDocumentIndex(BatchingRetriever, DocumentIndex):
    """Documents in a Trivet index, searched by all its legs and given back whole.

    Attributes:
        index: an open `trivet.Index`.
        k: documents wanted of a search.
        modes: the legs to search; None = all that the index has.
        filter: as in `TrivetRetriever`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    index: trivet.Index = Field(repr=False)
    k: int = 4
    modes: list[str] | None = None
    filter: Any = None

    def upsert(self, items: Sequence[Document], /, **kwargs: Any) -> UpsertResponse:
        """Store documents by their ids, or by ids made of their content; those there are replaced.

        Args:
            items: documents; none of them is changed.
            kwargs: none are known.

        Returns:
            Ids of what is stored, and of what could not be; a document without an id of its own
            that could not be stored is named by the id that it would have had.

        Raises:
            InvalidInputError: doubled ids; nothing was written.
            UnknownKeywordError: a keyword argument.
            ModelError, StoreError: as `trivet.Index.upsert`.
        """
        refuse("upsert", kwargs, "items")
        ids = with_ids(items, None)
        report = self.index.upsert(to_trivet(items, ids))
        failed = {document.id for document in report.failed}
        return UpsertResponse(
            succeeded=[id for id in ids if id not in failed],
            failed=[id for id in ids if id in failed],
        )

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> DeleteResponse:
        """Delete documents; ids that are not there are ignored.

        Args:
            ids: of documents.
            kwargs: none are known.

        Raises:
            InvalidInputError: no ids.
            UnknownKeywordError: a keyword argument.
        """
        refuse("delete", kwargs, "ids")
        if ids is None:
            raise InvalidInputError("expected the ids of documents to delete, got none: name them")
        return DeleteResponse(num_deleted=self.index.delete(ids))

    def get(self, ids: Sequence[str], /, **kwargs: Any) -> list[Document]:
        """The documents of these ids; those that are not there are left out.

        Args:
            ids: of documents.
            kwargs: none are known.

        Raises:
            UnknownKeywordError: a keyword argument.
        """
        refuse("get", kwargs, "ids")
        return self._store.get_by_ids(ids)

    @cached_property
    def _store(self) -> TrivetVectorStore:
        return TrivetVectorStore(index=self.index)

    def _keywords(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {"k": self.k, "modes": self.modes, "filter": self.filter, **kwargs}

    def _search_many(self, queries: Sequence[str], **kwargs: Any) -> list[list[Document]]:
        return self._store.search_many(queries, **self._keywords(kwargs))

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return self._search_many([query], **kwargs)[0]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return await self._store.asimilarity_search(query, **self._keywords(kwargs))

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        return search_params(self._store.model_name)
