"""What `TrivetVectorStore.as_retriever` gives: LangChain's retriever, with batches in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from langchain_core.documents import Document
from langchain_core.retrievers import LangSmithRetrieverParams
from langchain_core.vectorstores import VectorStoreRetriever

from langchain_trivet.batching import BatchingRetriever, search_params

if TYPE_CHECKING:
    from langchain_trivet.vectorstore import TrivetVectorStore


class TrivetStoreRetriever(VectorStoreRetriever, BatchingRetriever):
    """LangChain's `VectorStoreRetriever` over a Trivet store."""

    def _search_many(self, queries: Sequence[str], **kwargs: Any) -> list[list[Document]]:
        store = cast("TrivetVectorStore", self.vectorstore)
        return store.search_many_by_type(
            self.search_type, queries, **{**self.search_kwargs, **kwargs}
        )

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        return search_params(cast("TrivetVectorStore", self.vectorstore).model_name)
