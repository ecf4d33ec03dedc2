"""The weighted sum of scores that a plan ranks by, as a formula of Qdrant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from qdrant_client import models

from trivet.plan import DENSE_FLOOR, Plan
from trivet.store.leg_query import LegQuery
from trivet.types import Mode

# A hundredth of the cosine counts below the floor too, so that texts that no leg likes are still
# told apart: a dense weight w is (w - 0.01)·max(cos, floor) + 0.01·cos.
DENSE_TIE_WEIGHT = 0.01


def tie_weight(plan: Plan) -> float:
    """What a cosine below the floor is multiplied with."""
    return min(DENSE_TIE_WEIGHT, plan.weights.get("dense", 0.0))


def floor_of(plan: Plan) -> float:
    """The cosine below which a dense score says nothing."""
    return DENSE_FLOOR if plan.dense_floor is None else plan.dense_floor


def sum_of_scores(plan: Plan, legs: Mapping[Mode, LegQuery]) -> models.FormulaQuery:
    """The weighted sum over the prefetches in the order of the legs; a missing score is 0.

    Queries of one plan and as many tokens share it: it is not to be changed.
    """
    terms = tuple(_Term(m, plan.weights[m], legs[m].scale, legs[m].shift) for m in plan.fused)
    return _summed(terms, tie_weight(plan), floor_of(plan), plan.sparse_half)


class _Term(NamedTuple):
    """A leg's weight, and how its score follows from the engine's."""

    mode: Mode
    weight: float
    scale: float
    shift: float


@lru_cache(maxsize=256)
def _summed(
    terms: tuple[_Term, ...], tie: float, floor: float, sparse_half: float
) -> models.FormulaQuery:
    parts: list[models.Expression] = []
    defaults: dict[str, float] = {}
    for position, (mode, weight, scale, shift) in enumerate(terms):
        score = f"$score[{position}]"
        # The engine's score of nothing in common.
        defaults[score] = -shift / scale
        if mode == "dense":
            parts.append(models.MultExpression(mult=[weight - tie, _at_least(score, floor)]))
            parts.append(models.MultExpression(mult=[tie, score]))
        elif mode == "sparse":
            parts.append(models.MultExpression(mult=[weight, _saturated(score, sparse_half)]))
        else:
            parts.append(models.MultExpression(mult=[weight * scale, score]))
            if shift:
                parts.append(weight * shift)
    return models.FormulaQuery(formula=models.SumExpression(sum=parts), defaults=defaults)


def _at_least(score: str, floor: float) -> models.SumExpression:
    """The larger of the two, floor + (d + |d|) / 2 with d = score - floor.

    Servers know `max` from 1.20 on. Below the floor, d and |d| cancel to the last bit.
    """
    above = models.SumExpression(sum=[score, -floor])
    twice = models.SumExpression(sum=[above, models.AbsExpression(abs=above)])
    return models.SumExpression(sum=[floor, models.MultExpression(mult=[0.5, twice])])


def _saturated(score: str, half: float) -> models.DivExpression:
    return models.DivExpression(
        div=models.DivParams(
            left=score, right=models.SumExpression(sum=[score, half]), by_zero_default=0.0
        )
    )
