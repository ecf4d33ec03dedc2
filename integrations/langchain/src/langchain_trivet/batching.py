"""Retrievers that answer a batch in one forward pass and one request to the engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManager, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import get_config_list, run_in_executor

import trivet
from trivet.errors import TrivetError


def search_params(model: str) -> LangSmithRetrieverParams:
    """What a run tells of where it searches.

    Args:
        model: that makes the vectors.
    """
    return LangSmithRetrieverParams(
        ls_retriever_name="trivet",
        ls_vector_store_provider="trivet",
        ls_embedding_provider="trivet",
        ls_embedding_model=model,
    )


def model_name(index: trivet.Index) -> str:
    """The model of an index, or "bm25" where there is none."""
    return next((space.model for space in index.spaces if not space.is_lexical), "bm25")


class BatchingRetriever(BaseRetriever):
    """A retriever whose `batch` and `abatch` are one search for many; each query has its run."""

    @abstractmethod
    def _search_many(self, queries: Sequence[str], **kwargs: Any) -> list[list[Document]]:
        """What is found for each query, in one pass; keywords as in `invoke`."""

    def batch(
        self,
        inputs: list[str],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[list[Document]]:
        """What is found for each query, in one forward pass and one request to the engine.

        Args:
            inputs: queries.
            config: for all of them, or one for each.
            return_exceptions: whether a query that fails gives its error, and the others what
                was found for them.
            kwargs: as in `invoke`.
        """
        if not inputs:
            return []
        configs = get_config_list(config, len(inputs))
        runs = [self._begun(*pair, kwargs) for pair in zip(inputs, configs, strict=True)]
        try:
            found: list[Any] = [*self._search_many(inputs, **kwargs)]
        except Exception as error:
            if not return_exceptions:
                for run in runs:
                    run.on_retriever_error(error)
                raise
            found = [self._one(query, kwargs) for query in inputs]
        for run, documents in zip(runs, found, strict=True):
            if isinstance(documents, BaseException):
                run.on_retriever_error(documents)
            else:
                run.on_retriever_end(documents)
        return found

    async def abatch(
        self,
        inputs: list[str],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[list[Document]]:
        """As `batch`, in a thread."""

        def answer() -> list[list[Document]]:
            return self.batch(inputs, config, return_exceptions=return_exceptions, **kwargs)

        return await run_in_executor(None, answer)

    def _one(self, query: str, kwargs: dict[str, Any]) -> list[Document] | Exception:
        try:
            return self._search_many([query], **kwargs)[0]
        except TrivetError as error:
            return error

    def _begun(
        self, query: str, config: RunnableConfig, kwargs: dict[str, Any]
    ) -> CallbackManagerForRetrieverRun:
        """The run of one query, as `invoke` begins it."""
        manager = CallbackManager.configure(
            config.get("callbacks"),
            None,
            inheritable_tags=config.get("tags"),
            local_tags=self.tags,
            inheritable_metadata={
                **(config.get("metadata") or {}),
                **self._get_ls_params(**kwargs),
            },
            local_metadata=self.metadata,
        )
        return manager.on_retriever_start(
            None, query, name=config.get("run_name") or self.get_name(), run_id=config.get("run_id")
        )
