"""The searches of a LangChain vector store over an index."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStore

import trivet
from langchain_trivet.batching import model_name
from langchain_trivet.documents import from_trivet
from langchain_trivet.filters import AnyFilter, to_filter
from langchain_trivet.keywords import refuse
from langchain_trivet.plans import calibrated, require_search_type, spread
from langchain_trivet.vectors import dense_query

_TAKEN = "k, filter, modes, plan"


class SearchableStore(VectorStore):
    """What a vector store does to find documents.

    Args:
        index: that is searched.
    """

    def __init__(self, index: trivet.Index) -> None:
        self._index = index

    @cached_property
    def model_name(self) -> str:
        """The model that makes the vectors, or "bm25" where there is none."""
        return model_name(self._index)

    def search_many(
        self, queries: Sequence[str], k: int = 4, **kwargs: Any
    ) -> list[list[Document]]:
        """As `similarity_search` for each query, in one forward pass and one request.

        Args:
            queries: texts.
            k: documents wanted of each.
            kwargs: as in `similarity_search`.

        Raises:
            TrivetError: as `similarity_search`.
        """
        return [[found for found, _ in each] for each in self._scored(queries, k, **kwargs)]

    def search_many_by_type(
        self,
        search_type: str,
        queries: Sequence[str],
        k: int = 4,
        **kwargs: Any,
    ) -> list[list[Document]]:
        """As `search_many`, by one of LangChain's search types.

        Args:
            search_type: "similarity", "similarity_score_threshold" or "mmr".
            queries: texts.
            k: documents wanted of each.
            kwargs: as in `search_many`; `score_threshold`, or `fetch_k` and `lambda_mult`, by type.

        Raises:
            InvalidInputError: a search type that does not exist.
            UnknownKeywordError: a keyword that this type does not take.
        """
        require_search_type(search_type)
        keywords = kwargs
        if search_type == "similarity_score_threshold":
            threshold = kwargs.pop("score_threshold", None)
            keywords, _ = calibrated(self._index, k, threshold, kwargs)
        elif search_type == "mmr":
            fetch_k, mult = kwargs.pop("fetch_k", 20), kwargs.pop("lambda_mult", 0.5)
            keywords = spread(self._index, k, fetch_k, mult, kwargs)
        return self.search_many(queries, k, **keywords)

    def search(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """As `search_many_by_type`, for one query.

        Args:
            query: a text.
            search_type: as there.
            kwargs: as there; also `k`.

        Raises:
            TrivetError: as there.
        """
        return self.search_many_by_type(search_type, [query], **kwargs)[0]

    async def asearch(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """As `search`, in a thread."""
        return await run_in_executor(None, lambda: self.search(query, search_type, **kwargs))

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The k best documents.

        Args:
            query: a text.
            k: documents wanted.
            kwargs: `filter` (a mapping of metadata fields, a `qdrant_client.models.Filter`, or a
                filter of `langchain_core.structured_query`), `modes` and `plan`, as in
                `trivet.Index.search`.

        Raises:
            UnknownKeywordError: another keyword.
            TrivetError: as `trivet.Index.search`.
        """
        return self.search_many([query], k, **kwargs)[0]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As `similarity_search`, each document with the plan's score: the higher, the better."""
        return self._scored([query], k, **kwargs)[0]

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """As `similarity_search`."""
        return [found for found, _ in await self._ascored(query, k, **kwargs)]

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As `similarity_search_with_score`."""
        return await self._ascored(query, k, **kwargs)

    def similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, *, score_threshold: float | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As `similarity_search`, each document with its relevance from 0 to 1.

        Args:
            query: a text.
            k: documents wanted.
            score_threshold: the least relevance.
            kwargs: as in `similarity_search`.

        Raises:
            InvalidPlanError: a plan whose scores depend on what else was found (ranks, DBSF, BM25
                alone): such scores have no threshold.
        """
        keywords, scale = calibrated(self._index, k, score_threshold, kwargs)
        [found] = self._scored([query], k, **keywords)
        return [(document, _relevance(score / scale)) for document, score in found]

    async def asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, *, score_threshold: float | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As `similarity_search_with_relevance_scores`."""
        keywords, scale = calibrated(self._index, k, score_threshold, kwargs)
        found = await self._ascored(query, k, **keywords)
        return [(document, _relevance(score / scale)) for document, score in found]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Documents that are relevant and repeat each other little, by their dense vectors.

        Args:
            query: a text.
            k: documents wanted.
            fetch_k: candidates that each leg brings; the choice is among the best 12·k of them.
            lambda_mult: 1 asks for the most relevant alone, 0 for the most different alone.
            kwargs: as in `similarity_search`.
        """
        keywords = spread(self._index, k, fetch_k, lambda_mult, kwargs)
        return self.search_many([query], k, **keywords)[0]

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """As `max_marginal_relevance_search`."""
        keywords = spread(self._index, k, fetch_k, lambda_mult, kwargs)
        return [found for found, _ in await self._ascored(query, k, **keywords)]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """The k documents next to a dense vector of the store's own embeddings.

        Args:
            embedding: of a query; nothing tells vectors of another model of the same length.
            k: documents wanted.
            kwargs: `filter`, as in `similarity_search`.

        Raises:
            InvalidInputError: a vector of another length, of zeros, or not finite.
            UnknownModeError: an index without dense vectors.
        """
        return [found for found, _ in self._beside(embedding, k, None, **kwargs)]

    def similarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As `similarity_search_by_vector`, each document with its cosine."""
        return self._beside(embedding, k, None, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """As `max_marginal_relevance_search`, of a vector as in `similarity_search_by_vector`."""
        asked = spread(self._index, k, fetch_k, lambda_mult, {"modes": ["dense"]})
        return [found for found, _ in self._beside(embedding, k, asked["plan"], **kwargs)]

    def _beside(
        self,
        embedding: list[float],
        k: int,
        plan: trivet.Plan | None,
        *,
        filter: AnyFilter | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        refuse("the search by a vector", kwargs, "k, filter")
        queries = dense_query(self._index, embedding)
        [found] = self._whole(
            self._index.search_vectors(queries, k=k, plan=plan, filter=to_filter(filter))
        )
        return found

    def _scored(
        self,
        queries: Sequence[str],
        k: int,
        *,
        filter: AnyFilter | None = None,
        modes: Sequence[str] | None = None,
        plan: trivet.Plan | str | None = None,
        **kwargs: Any,
    ) -> list[list[tuple[Document, float]]]:
        refuse("the search", kwargs, _TAKEN)
        found = self._index.search_many(
            queries, k=k, filter=to_filter(filter), modes=modes, plan=plan
        )
        return self._whole(found)

    async def _ascored(
        self,
        query: str,
        k: int,
        *,
        filter: AnyFilter | None = None,
        modes: Sequence[str] | None = None,
        plan: trivet.Plan | str | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        refuse("the search", kwargs, _TAKEN)
        hits = await self._index.asearch(
            query, k=k, filter=to_filter(filter), modes=modes, plan=plan
        )
        [found] = await run_in_executor(None, self._whole, [hits])
        return found

    def _whole(self, found: list[list[trivet.Hit]]) -> list[list[tuple[Document, float]]]:
        """The documents of hits, as they were added; one that was deleted meanwhile is left out."""
        ids = dict.fromkeys(hit.id for hits in found for hit in hits)
        stored = {document.id: document for document in self._index.get(list(ids))}
        return [
            [(from_trivet(stored[hit.id]), hit.score) for hit in hits if hit.id in stored]
            for hits in found
        ]


def _relevance(score: float) -> float:
    return min(1.0, max(0.0, score))
