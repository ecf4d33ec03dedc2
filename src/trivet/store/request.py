"""Search requests: what is asked of an engine for one query, and how its answer is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qdrant_client import models

from trivet.store.points import PAYLOAD_METADATA, PAYLOAD_OWN, PAYLOAD_TEXT, FoundPoint, PointVector
from trivet.types import Mode, SparseVector

# hybrid2: 0.6·max(cos, 0.35) + 0.4·s/(s + 10) with s the BM25 score. The floor stops a failing
# dense leg from voting against lexical hits; s/(s + 10) needs no collection statistics.
# Measured over fifteen collections; benchmarks/quality.py prints what it gives on four.
# A hundredth of the cosine counts below the floor too, so that texts that no leg likes are still
# told apart: the dense part is (0.6 - 0.01)·max(cos, 0.35) + 0.01·cos.
DENSE_WEIGHT = 0.6
DENSE_TIE_WEIGHT = 0.01
DENSE_FLOOR = 0.35
SPARSE_WEIGHT = 0.4
SPARSE_HALF = 10.0

PAYLOAD_FIELDS = [PAYLOAD_TEXT, PAYLOAD_METADATA, PAYLOAD_OWN]


@dataclass(frozen=True)
class LegQuery:
    """One leg's part of a query: its mode, the vector name it searches, the query's vector."""

    mode: Mode
    vector_name: str
    vector: PointVector


@dataclass(frozen=True)
class RankedChunk:
    """A point with the plan's score and what each leg gave; legs that did not find it are out."""

    point: FoundPoint
    scores: dict[Mode, float]


def search_requests(
    legs: Sequence[LegQuery], *, limit: int, depth: int, filter: models.Filter | None
) -> list[models.QueryRequest]:
    """The requests of one query, to be sent together: the plan first, then each leg alone.

    One leg is ranked by its own score. Two are fused by the `hybrid2` formula over the union of
    their candidates, with both scores computed for every candidate.

    Args:
        legs: one or two legs, of modes dense and sparse.
        limit: chunks wanted.
        depth: candidates of each leg.
        filter: reaches every leg.
    """
    if len(legs) == 1:
        return [
            models.QueryRequest.model_construct(
                query=_vector(legs[0]), using=legs[0].vector_name, filter=filter, limit=limit,
                with_payload=PAYLOAD_FIELDS, with_vector=False,
            )
        ]  # fmt: skip
    alone = [_leg_prefetch(leg, depth, filter) for leg in legs]
    complete = [
        models.Prefetch.model_construct(
            prefetch=alone, query=_vector(leg), using=leg.vector_name, limit=len(legs) * depth
        )
        for leg in legs
    ]
    plan = models.QueryRequest.model_construct(
        prefetch=complete, query=_formula([leg.mode for leg in legs]), limit=limit,
        with_payload=PAYLOAD_FIELDS, with_vector=False,
    )  # fmt: skip
    return [plan, *(_leg_request(leg, depth, filter) for leg in legs)]


def read_answers(
    legs: Sequence[LegQuery], answers: Sequence[Sequence[FoundPoint]]
) -> list[RankedChunk]:
    """What the engine answered to `search_requests` of the same legs, best first."""
    if len(legs) == 1:
        return [RankedChunk(point, {legs[0].mode: point.score}) for point in answers[0]]
    found: Mapping[Mode, Mapping[str, float]] = {
        leg.mode: {point.id: point.score for point in answer}
        for leg, answer in zip(legs, answers[1:], strict=True)
    }
    return [
        RankedChunk(
            point, {mode: scores[point.id] for mode, scores in found.items() if point.id in scores}
        )
        for point in answers[0]
    ]


def _vector(leg: LegQuery) -> models.NearestQuery:
    vector = leg.vector
    nearest: object
    if isinstance(vector, SparseVector):
        nearest = models.SparseVector.model_construct(
            indices=vector.indices.tolist(), values=vector.values.tolist()
        )
    else:
        nearest = vector.tolist()
    return models.NearestQuery.model_construct(nearest=nearest)


def _leg_prefetch(leg: LegQuery, depth: int, filter: models.Filter | None) -> models.Prefetch:
    return models.Prefetch.model_construct(
        query=_vector(leg), using=leg.vector_name, filter=filter, limit=depth
    )


def _leg_request(leg: LegQuery, depth: int, filter: models.Filter | None) -> models.QueryRequest:
    return models.QueryRequest.model_construct(
        query=_vector(leg), using=leg.vector_name, filter=filter, limit=depth,
        with_payload=False, with_vector=False,
    )  # fmt: skip


def _formula(modes: Sequence[Mode]) -> models.FormulaQuery:
    """`hybrid2` over the prefetches in the order of `modes`; a missing score counts 0."""
    score = {mode: f"$score[{position}]" for position, mode in enumerate(modes)}
    saturated = models.DivExpression(
        div=models.DivParams(
            left=score["sparse"],
            right=models.SumExpression(sum=[score["sparse"], SPARSE_HALF]),
            by_zero_default=0.0,
        )
    )
    floored = models.MaxExpression(max=[score["dense"], DENSE_FLOOR])
    return models.FormulaQuery(
        formula=models.SumExpression(
            sum=[
                models.MultExpression(mult=[DENSE_WEIGHT - DENSE_TIE_WEIGHT, floored]),
                models.MultExpression(mult=[DENSE_TIE_WEIGHT, score["dense"]]),
                models.MultExpression(mult=[SPARSE_WEIGHT, saturated]),
            ]
        ),
        defaults=dict.fromkeys(score.values(), 0.0),
    )
