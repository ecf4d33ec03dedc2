"""The ladder of plans: what is asked in place of a plan that a server does not run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from trivet.errors import PlanRefusedError, ServerRefusedError
from trivet.plan import PRESETS, Plan, checked_plan
from trivet.store.store import Store
from trivet.types import Mode, Space, SparseVector

if TYPE_CHECKING:
    from trivet.index.search import Asked
    from trivet.store.leg_query import LegQuery

logger = logging.getLogger(__name__)

R = TypeVar("R")
# What a server can run of one plan and not of another: its fusion and its nesting.
_Shape: TypeAlias = tuple[str, tuple[Mode, ...], tuple[Mode, ...], bool, bool]


class PlanLadder:
    """Goes down to simpler plans where a server refuses the formula or the nesting; thread-safe.

    Which plans a server runs is asked only after it has refused one: by the same plan in small,
    which tells a refusal of the plan from one of, say, so many hits. What was found holds until
    the index is closed.

    Args:
        store: of the index.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._refused: set[_Shape] = set()
        self._looking = threading.Lock()

    def answer(self, asked: Sequence[Asked], search: Callable[[Sequence[Asked]], R]) -> R:
        """What a search says, by plans that the server runs where the caller has named none.

        Raises:
            PlanRefusedError: the server does not run a plan that the caller has named.
            TrivetError: as `search`.
        """
        settled = [self.settled(each) for each in asked]
        try:
            return search(settled)
        except ServerRefusedError as error:
            self._step_down(settled, error)
            return search([self.settled(each) for each in asked])

    def settled(self, asked: Asked) -> Asked:
        """The same by a plan that the server runs, where the caller has named none."""
        if not self._refused or not asked.options.is_default:
            return asked
        plan = self.best(asked.options.plan)
        return replace(asked, options=replace(asked.options, plan=plan))

    def best(self, plan: Plan) -> Plan:
        """A plan, or the first below it on the ladder that was not refused."""
        steps = (plan, *steps_below(plan))
        return next((step for step in steps if _shape(step) not in self._refused), plan)

    def _step_down(self, asked: Sequence[Asked], error: ServerRefusedError) -> None:
        """Find out which of these plans are refused as such; raise if a search stays refused."""
        with self._looking:
            news = [each for each in asked if not self._is_run(each.options.plan)]
            if not news:
                raise error  # the plans are run: something else was wrong
            steps = [
                next((step for step in steps_below(each.options.plan) if self._is_run(step)), None)
                for each in news
            ]
            lower = [step for step in steps if step is not None]
            if len(lower) < len(news):
                raise error  # nothing that stands in is run either
            if not all(each.options.is_default for each in news):
                raise PlanRefusedError(
                    f"expected a server that runs the plan, got one that refuses it ({error}): "
                    f"leave plan out{self._preset()}"
                ) from error
            logger.warning(
                "the server refuses the plan that is best (%s): searches without a plan go by %s "
                "of %s instead", error, lower[0].fuse if len(lower[0].fused) > 1 else "the list",
                ", ".join(lower[0].fused),
            )  # fmt: skip

    def _preset(self) -> str:
        """A preset that the server runs, for a message."""
        held = tuple(self._store.manifest.spaces)
        for name in ("dbsf", "rrf"):
            if set(PRESETS[name].legs) <= set(held) and self._is_run(checked_plan(name, held)):
                return f' or search with plan="{name}"'
        return ""

    def _is_run(self, plan: Plan) -> bool:
        """Whether the server runs such a plan, asked in small."""
        if _shape(plan) in self._refused:
            return False
        # Loaded already: a search was refused.
        from trivet.store.request import PlannedQuery

        spaces = self._store.manifest.spaces
        legs = {mode: _any_leg(mode, spaces[mode]) for mode in plan.legs}
        small = replace(
            plan, depths=dict.fromkeys(plan.depths, 1), threshold=None, offset=0,
            per_document=None, rescore=None if plan.rescore is None else 1,
        )  # fmt: skip
        try:
            self._store.query(PlannedQuery(small, legs, 1, None).requests()[:1])
        except ServerRefusedError:
            self._refused.add(_shape(plan))
            return False
        return True


def steps_below(plan: Plan) -> tuple[Plan, ...]:
    """The plans to ask in place of one that fuses, the best first.

    DBSF of all its legs; of those alone that bring candidates, whose lists are nested in nothing;
    and the sum of their reciprocal ranks, by the paper the plainest.
    """
    if len(plan.fused) < 2:
        return ()
    every = Plan(plan.depths, dict.fromkeys(plan.fused, 1.0), fuse="dbsf")
    steps = [every, Plan(plan.depths, fuse="dbsf"), Plan(plan.depths, fuse="rrf")]
    return tuple(
        step for i, step in enumerate(steps)
        if _shape(step) not in {_shape(each) for each in (plan, *steps[:i])}
    )  # fmt: skip


def _shape(plan: Plan) -> _Shape:
    fuse = "" if len(plan.fused) == 1 else plan.fuse
    nested = plan.rescore is not None, plan.relevance is not None
    return fuse, plan.fused, tuple(plan.depths), *nested


def _any_leg(mode: Mode, space: Space) -> LegQuery:
    """A query's part for a leg: whatever it is near to."""
    from trivet.store.leg_query import LegQuery

    if mode == "sparse":
        one = SparseVector(np.array([1], np.uint32), np.array([1.0], np.float32))
        return LegQuery(mode, space.vector_name, one)
    vector = np.ones(space.dims or 1, np.float32)
    return LegQuery(mode, space.vector_name, vector[None] if mode == "multi" else vector)
