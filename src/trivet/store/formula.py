"""The weighted sum of scores that a plan ranks by, as a formula of Qdrant."""

from __future__ import annotations

from collections.abc import Mapping

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
    """The weighted sum over the prefetches in the order of the legs; a missing score is 0."""
    parts: list[models.Expression] = []
    defaults: dict[str, float] = {}
    for position, mode in enumerate(plan.fused):
        leg = legs[mode]
        score = f"$score[{position}]"
        # The engine's score of nothing in common.
        defaults[score] = -leg.shift / leg.scale
        weight = plan.weights[mode]
        if mode == "dense":
            tie = tie_weight(plan)
            floored = _at_least(score, floor_of(plan))
            parts.append(models.MultExpression(mult=[weight - tie, floored]))
            parts.append(models.MultExpression(mult=[tie, score]))
        elif mode == "sparse":
            parts.append(models.MultExpression(mult=[weight, _saturated(score, plan.sparse_half)]))
        else:
            parts.append(models.MultExpression(mult=[weight * leg.scale, score]))
            if leg.shift:
                parts.append(weight * leg.shift)
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
