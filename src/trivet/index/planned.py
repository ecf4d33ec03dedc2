"""The part of an `Index` that decides how its searches go: the plan, and all that is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trivet.index.arguments import checked_k, checked_queries, chosen_plan, require_chunks
from trivet.index.keywords import checked_keywords
from trivet.index.stored import StoredDocuments
from trivet.index.undeclared import warn_of_undeclared
from trivet.plan import Plan
from trivet.query import Query
from trivet.store.filters import payload_filter

if TYPE_CHECKING:
    from qdrant_client import models

    from trivet.index.search import Asked, SearchOptions


class PlannedSearches(StoredDocuments):
    """The part of an `Index` that decides how its searches go."""

    @checked_keywords
    def planned(
        self,
        *,
        k: int = 10,
        plan: Plan | str | None = None,
        modes: Sequence[str] | None = None,
    ) -> Plan:
        """The plan that `search` follows with these arguments, to make another from.

        Args:
            k: documents wanted.
            plan: as in `search`.
            modes: as in `search`.

        Returns:
            The plan. Its legs bring k candidates or more, so that it can be asked for k hits
            itself; where the server does not run the default, it is what is asked instead.

        Raises:
            InvalidInputError, InvalidPlanError, UnknownModeError: as `search`.
        """
        depth, store = self._shared.settings.depth, self._store
        foreign = store.is_adopted
        chosen = chosen_plan(plan, modes, store.manifest, checked_k(k), depth, foreign=foreign)
        followed = self._shared.ladder.best(chosen) if plan is None else chosen
        deep = {mode: max(n, k + followed.offset) for mode, n in followed.depths.items()}
        return replace(followed, depths=deep)

    def _asked(
        self,
        queries: Sequence[str | Query],
        k: int,
        plan: Plan | str | None,
        filter: models.Filter | Mapping[str, Any] | None,
        modes: Sequence[str] | None,
        chunks: bool,
    ) -> list[Asked]:
        # The door to qdrant_client: half a second that count, get and add do without.
        from trivet.index.search import Asked

        asked = checked_queries(queries)
        options = self._options(k, plan, filter, modes, chunks)
        return [Asked(query, options) for query in asked]

    def _options(
        self,
        k: int,
        plan: Plan | str | None,
        filter: models.Filter | Mapping[str, Any] | None,
        modes: Sequence[str] | None,
        chunks: bool,
    ) -> SearchOptions:
        from trivet.index.search import SearchOptions  # the door to qdrant_client, as above

        self._scope.require_documents()
        hits = checked_k(k)
        asked = payload_filter(filter)
        warn_of_undeclared(self._store, asked, self._shared.warned)
        chosen = self.planned(k=hits, plan=plan, modes=modes)
        require_chunks(chosen, chunks)
        narrowed = self._scope.narrowed(asked)
        return SearchOptions(hits, chosen, narrowed, chunks, is_default=plan is None)
