"""Reciprocal rank fusion, over lists in which equal scores have the same order every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trivet.plan import Plan
from trivet.store.points import FoundPoint, place
from trivet.types import Mode


def fuses_ranks(plan: Plan) -> bool:
    """Whether a plan's ranking is the sum of reciprocal ranks, with nothing done to it after."""
    plain = plan.rescore is None and plan.relevance is None
    return plan.fuse == "rrf" and not plan.is_single and plain


def ranks_in_lists(
    plan: Plan,
    candidates: Sequence[FoundPoint],
    scores: Mapping[Mode, Mapping[str, float]],
    lengths: Mapping[Mode, int],
) -> dict[str, dict[Mode, int]]:
    """Each candidate's ranks in the lists that hold it, from 1; equal scores by document.

    Engines give the equal scores of candidates that they were handed in another order each time:
    ranks counted by them would give every page of a search another ranking.

    Args:
        plan: that fuses ranks.
        candidates: with their payloads.
        scores: of every candidate that a leg finds, by id.
        lengths: of the lists of legs that bring candidates; others' hold all that they find.
    """
    places = {point.id: place(point.payload) for point in candidates}
    ranks: dict[str, dict[Mode, int]] = {id: {} for id in places}
    for mode in plan.fused:
        of = {id: score for id, score in scores[mode].items() if id in places}
        ordered = sorted(of, key=lambda id: (-of[id], places[id]))
        for rank, id in enumerate(ordered[: lengths.get(mode)], start=1):
            ranks[id][mode] = rank
    return ranks


def reciprocal_rank(plan: Plan, mode: Mode, rank: int) -> float:
    """What a place in a leg's list gives: a weight divides the rank, as Qdrant has it."""
    weight = plan.weights.get(mode, 1.0)
    return 1.0 / (plan.rrf_k + rank / weight) if weight else 0.0
