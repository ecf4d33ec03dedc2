"""The searches of an index: search, search_many, asearch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from trivet import tracing
from trivet.index.arguments import checked_ids, checked_timeout, is_of_chunks
from trivet.index.keywords import checked_keywords
from trivet.index.loading import search_loaded
from trivet.index.planned import PlannedSearches
from trivet.plan import Plan
from trivet.query import Query
from trivet.types import DenseVectors, Hit

if TYPE_CHECKING:
    from qdrant_client import models

    from trivet.index.explanation import Explanation
    from trivet.index.search import Asked
    from trivet.thinking import Thinker, Thinking


class SearchedDocuments(PlannedSearches):
    """The part of an `Index` that finds documents."""

    @checked_keywords
    def search(
        self,
        query: str | Query,
        *,
        k: int = 10,
        plan: Plan | str | None = None,
        filter: models.Filter | Mapping[str, Any] | None = None,
        modes: Sequence[str] | None = None,
        chunks: bool = False,
        think: Thinker | Thinking | None = None,
    ) -> list[Hit]:
        """The k best documents for a query, best first.

        Args:
            query: a text or a `Query`.
            k: documents wanted (chunks, if `chunks`).
            plan: a `Plan`, or the name of a preset (`trivet.plan.PRESETS`); None = the one that
                measured best for the legs that are searched.
            filter: a `qdrant_client.models.Filter` (keys as stored: `metadata.year`), or a
                mapping of metadata fields, such as `{"year": {"gte": 1990}, "lang": "en"}`.
            modes: the legs to search; None = all that the index has. Not together with a plan.
            chunks: return chunks, with id `"<document>#<sequence>"`, several of a document.
            think: a thinker, or a `trivet.thinking.Thinking` that says more. It is asked while the
                plain search runs; what has come by its deadline and is about the query takes part,
                and where nothing has, the hits are those of the plain search.

        Raises:
            InvalidQueryError: no text, or a blank one.
            TextTooLongError: more tokens than the model reads.
            InvalidInputError: k below 1 or beyond 10,000; both a plan and modes.
            InvalidPlanError: no such preset, a leg that the index lacks, or a depth below k.
            UnknownModeError: a mode that does not exist or that the index lacks.
            InvalidFilterError: a filter that cannot be understood.
            PlanRefusedError: a server that does not run the named plan.
        """
        return self.search_many(
            [query], k=k, plan=plan, filter=filter, modes=modes, chunks=chunks, think=think
        )[0]

    @checked_keywords
    def search_many(
        self,
        queries: Sequence[str | Query],
        *,
        k: int = 10,
        plan: Plan | str | None = None,
        filter: models.Filter | Mapping[str, Any] | None = None,
        modes: Sequence[str] | None = None,
        chunks: bool = False,
        think: Thinker | Thinking | None = None,
    ) -> list[list[Hit]]:
        """As `search` for each query, in one forward pass and one request to the engine.

        Args:
            queries: n texts or `Query`s; none = nothing is done.
            k: documents wanted of each.
            plan: as in `search`, of all queries.
            filter: as in `search`, of all queries.
            modes: as in `search`, of all queries.
            chunks: as in `search`.
            think: as in `search`; thoughts about all queries are asked for at the same time.

        Returns:
            n lists of hits, in the order of the queries.

        Raises:
            InvalidQueryError: one query instead of a list, or as `search`.
            TrivetError: as `search`; if one query cannot be searched, no hits come of any.
        """
        asked = self._asked(queries, k, plan, filter, modes, chunks)
        with tracing.retrieval([each.query.text for each in asked], k) as record:
            if think is None:
                return record(self._shared.answer(asked))
            # Most searches never think.
            from trivet.index.thinking import search_thinking
            from trivet.thinking.report import checked_thinking

            thinking, shared = checked_thinking(think, self._scope.name), self._shared
            asked = [each.remembering() for each in asked]
            many = shared.worker.answer_many
            return record(
                search_thinking(many, asked, thinking, shared.thinking, shared.prepare_thinking)
            )

    @checked_keywords
    async def asearch(
        self,
        query: str | Query,
        *,
        k: int = 10,
        plan: Plan | str | None = None,
        filter: models.Filter | Mapping[str, Any] | None = None,
        modes: Sequence[str] | None = None,
        chunks: bool = False,
        timeout_s: float | None = None,
        think: Thinker | Thinking | None = None,
    ) -> list[Hit]:
        """As `search`, without ever blocking the event loop.

        Queries that wait at the same time are answered together, by one thread, in one forward
        pass and one request to the engine. A search that is cancelled before its turn is not done.

        Args:
            query: as in `search`, like all that follows.
            k: documents wanted.
            plan: or the name of a preset.
            filter: reaches every leg.
            modes: the legs to search.
            chunks: return chunks.
            timeout_s: seconds to wait for the answer; None = as long as it takes.
            think: as in `search`.

        Raises:
            SearchTimeoutError: there was no answer in time.
            IndexBusyError: more searches wait than may.
            InvalidInputError: `timeout_s` is no number above 0, or as `search`.
            TrivetError: as `search`.
        """
        seconds = await search_loaded(checked_timeout(timeout_s))
        [asked] = self._asked([query], k, plan, filter, modes, chunks)
        with tracing.retrieval([asked.query.text], k) as record:
            if think is None:
                return record([await self._shared.worker.answer(asked, seconds)])[0]
            from trivet.index.thinking import asearch_thinking
            from trivet.thinking.report import checked_thinking

            thinking, shared = checked_thinking(think, self._scope.name), self._shared
            hits = await asearch_thinking(
                shared.worker.answer, asked.remembering(), thinking, seconds,
                shared.prepare_thinking,
            )  # fmt: skip
            return record([hits])[0]

    @checked_keywords
    def search_vectors(
        self,
        queries: DenseVectors,
        *,
        k: int = 10,
        plan: Plan | None = None,
        filter: models.Filter | Mapping[str, Any] | None = None,
        chunks: bool = False,
    ) -> list[list[Hit]]:
        """As `search_many` by the dense leg alone, of queries whose vectors the caller brings.

        Args:
            queries: their vectors, in the space of the index's dense leg.
            k: documents wanted of each.
            plan: of the dense leg alone; None = the nearest.
            filter: as in `search`.
            chunks: as in `search`.

        Raises:
            SpaceMismatchError: vectors of another space.
            UnknownModeError: an index without a dense leg.
            InvalidPlanError: a plan of another leg.
            InvalidInputError: vectors of another size, or as `search`.
        """
        # The door to qdrant_client, as below.
        from trivet.index.by_vector import answer_vectors

        options = self._options(k, plan, filter, None if plan else ["dense"], chunks)
        return answer_vectors(self._store, queries, options)

    @checked_keywords
    def explain(
        self,
        query: str | Query,
        id: str,
        *,
        k: int = 10,
        plan: Plan | str | None = None,
        filter: models.Filter | Mapping[str, Any] | None = None,
        modes: Sequence[str] | None = None,
        think: Thinker | Thinking | None = None,
    ) -> Explanation:
        """Why a document has its score for a query: each leg's part, its terms, its token pairs.

        The parts add up to the score of `search`. `str()` of it is text; a notebook shows HTML.

        Args:
            query: as in `search`.
            id: of a stored document, such as the `document` of a hit.
            k: as in the search; of plans that fuse ranks or lists, more hits make longer lists.
            plan: as in `search`.
            modes: as in `search`.
            filter: as in `search`; a document that it leaves out has a score of 0.
            think: as in `search`; what is kept of the thoughts takes part in the score.

        Raises:
            InvalidInputError: no such document, or as `search`.
            TrivetError: as `search`.
        """
        from trivet.index.explain import explain  # the door to qdrant_client

        self._scope.require_one()
        [asked] = self._asked([query], k, plan, filter, modes, chunks=is_of_chunks(plan))
        [wanted] = checked_ids([id])
        key = self._scope.key(wanted)
        chunks = self._store.chunks([key]).get(key, [])
        shared = self._shared

        def why(asked: Asked) -> Explanation:
            one = partial(explain, shared.store, shared.model, id=wanted, chunks=chunks)
            return shared.ladder.answer([asked], lambda some: one(some[0]))

        if think is None:
            return why(asked)
        from trivet.index.thinking import search_thinking
        from trivet.thinking.report import checked_thinking

        explained: list[Explanation] = []

        def answer(some: Sequence[Asked]) -> list[list[Hit]]:
            explained.append(why(some[0]))  # plain first; it stands where thoughts fail
            return [[]]

        thinking = checked_thinking(think, self._scope.name)
        search_thinking(answer, [asked], thinking, shared.thinking, shared.prepare_thinking)
        return explained[-1]
