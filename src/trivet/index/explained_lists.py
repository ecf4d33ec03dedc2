"""Each leg's part of a score that is made of ranks, or of scores put to the scale of their list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trivet.index.explanation import LegShare
from trivet.store.points import FoundPoint
from trivet.store.rank_fusion import reciprocal_rank
from trivet.store.request import PlannedQuery, RankedChunk
from trivet.store.store import Store
from trivet.types import Mode, Vectors

# Of a list whose scores are all alike, or that has one alone, as Qdrant has it.
ALIKE = 0.5
DEVIATIONS = 3.0
# More than the engine's float32 makes of a sum.
ROUNDING = 1e-3


def shares_of_lists(
    store: Store, planned: PlannedQuery, ids: Sequence[str], ranked: Sequence[RankedChunk]
) -> dict[str, list[LegShare]]:
    """Each chunk's parts of a score that is made of ranks or of lists.

    Args:
        store: of the index.
        planned: the query as it is asked in the end.
        ids: of the chunks; those that are in no list are left out.
        ranked: what it finds.
    """
    if planned.plan.fuse == "rrf":
        by_id = {each.point.id: each for each in ranked}
        return {id: _of_ranks(planned, by_id[id]) for id in ids if id in by_id}
    scores = {each.point.id: each.point.score for each in ranked}
    requests = planned.list_requests()
    answers = dict(zip(requests, store.query(list(requests.values())), strict=True))
    shares: dict[str, list[LegShare]] = {}
    for id in ids:
        parts = [_in_list(planned, mode, answer, id) for mode, answer in answers.items()]
        if any(part.rank is not None for part in parts):
            shares[id] = _put_to(parts, scores.get(id, total(parts)))
    return shares


def total(shares: Sequence[LegShare]) -> float:
    """The score that the parts add up to."""
    return sum(share.contribution for share in shares)


def _put_to(parts: list[LegShare], score: float) -> list[LegShare]:
    """The parts with what single precision makes of their sum: up to 1e-4 of means and deviations.

    The largest part takes it. Another difference than that is left to be seen.
    """
    rest = score - total(parts)
    if not 0 < abs(rest) < ROUNDING:
        return parts
    largest = max(parts, key=lambda part: abs(part.contribution))
    exact = replace(largest, contribution=largest.contribution + rest)
    return [exact if part is largest else part for part in parts]


def _of_ranks(planned: PlannedQuery, chunk: RankedChunk) -> list[LegShare]:
    """Of each leg, what its rank gives; a chunk behind the leg's list has a score of it alone."""
    plan = planned.plan
    return [
        LegShare(
            mode,
            chunk.scores.get(mode),
            reciprocal_rank(plan, mode, chunk.ranks[mode]) if mode in chunk.ranks else 0.0,
            rank=chunk.ranks.get(mode),
        )
        for mode in plan.fused
    ]


def _in_list(planned: PlannedQuery, mode: Mode, answer: Sequence[FoundPoint], id: str) -> LegShare:
    at = next((i for i, point in enumerate(answer) if point.id == id), None)
    if at is None:
        return LegShare(mode, None, 0.0)
    part = _normalised(np.array([point.score for point in answer]), at)
    return LegShare(mode, planned.legs[mode].score(answer[at].score), part, rank=at + 1)


def _normalised(scores: Vectors, at: int) -> float:
    """A score as a place between three deviations below the mean of its list and three above."""
    deviation = float(scores.std(ddof=1)) if len(scores) > 1 else 0.0
    if not deviation:
        return ALIKE
    width = 2 * DEVIATIONS * deviation
    return float((scores[at] - scores.mean()) / width + 0.5)
