"""The weighted sum of scores that a plan ranks by, as a formula of Qdrant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from qdrant_client import models

from trivet.plan import DENSE_FLOOR, LEAST, Plan
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


def stretch(plan: Plan, legs: Mapping[Mode, LegQuery]) -> float:
    """What the other legs' sum is multiplied with, for a chunk that may lack token vectors.

    It is judged by the legs that it has, and their weights are put to the sum that all have: so it
    stands among chunks of all legs. A missing score of 0 would put it below all of these.

    Returns:
        1 where none lacks them, or no other leg has a weight.
    """
    tokens = legs.get("multi") if plan.fuse == "scores" and "multi" in plan.weights else None
    if tokens is None or tokens.is_everywhere:
        return 1.0
    others = sum(weight for mode, weight in plan.weights.items() if mode != "multi")
    return sum(plan.weights.values()) / others if others >= LEAST else 1.0


def sum_of_scores(plan: Plan, legs: Mapping[Mode, LegQuery]) -> models.FormulaQuery:
    """The weighted sum over the prefetches in the order of the legs; a missing score is 0.

    But of a chunk without token vectors, the sum of the others is stretched. Queries of one plan
    and as many tokens share the formula: it is not to be changed.
    """
    terms = tuple(_Term(m, plan.weights[m], legs[m].scale, legs[m].shift) for m in plan.fused)
    factor = stretch(plan, legs)
    without = None if factor == 1.0 else (legs["multi"].vector_name, factor)
    return _summed(terms, tie_weight(plan), floor_of(plan), plan.sparse_half, without)


class _Term(NamedTuple):
    """A leg's weight, and how its score follows from the engine's."""

    mode: Mode
    weight: float
    scale: float
    shift: float


@lru_cache(maxsize=256)
def _summed(
    terms: tuple[_Term, ...], tie: float, floor: float, sparse_half: float,
    without: tuple[str, float] | None,
) -> models.FormulaQuery:  # fmt: skip
    """The formula; `without`: the vector that points may lack, and the others' factor then."""
    parts: list[models.Expression] = []
    tokens: list[models.Expression] = []
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
            tokens.append(models.MultExpression(mult=[weight * scale, score]))
            if shift:
                tokens.append(weight * shift)
    if without is not None:
        name, factor = without
        more = models.SumExpression(
            sum=[1.0, models.MultExpression(mult=[factor - 1.0, _lacks(name)])]
        )
        parts = [models.MultExpression(mult=[models.SumExpression(sum=parts), more])]
    formula = models.SumExpression(sum=[*parts, *tokens])
    return models.FormulaQuery(formula=formula, defaults=defaults)


def _lacks(name: str) -> models.Filter:
    """1 for a point without a vector of this name, else 0."""
    return models.Filter(must_not=[models.HasVectorCondition(has_vector=name)])


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
