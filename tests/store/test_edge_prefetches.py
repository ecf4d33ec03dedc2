"""Candidates that a batch wants at several places are searched once, and the answers stay."""

from __future__ import annotations

import random
from collections.abc import Sequence
from copy import deepcopy

import pytest
import qdrant_edge
from qdrant_client import models

from trivet.store.bridge import query_requests
from trivet.store.edge_prefetches import answered

from .collection import DENSE, edge_shard, multi, numbers, sparse

Requests = Sequence[models.QueryRequest]


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    shard = edge_shard(tmp_path_factory.mktemp("edge") / "shard")
    yield shard
    shard.close()


class Asking:
    """Asks a shard, and keeps what was asked."""

    def __init__(self, shard: qdrant_edge.EdgeShard) -> None:
        self._shard = shard
        self.passes: list[Requests] = []

    def __call__(self, requests: Requests) -> list[list[qdrant_edge.ScoredPoint]]:
        self.passes.append(requests)
        batch = qdrant_edge.QueryBatchRequest(query_requests(requests))
        return self._shard.query_batch(batch)


LEGS = {"dense": lambda rng: numbers(rng, DENSE), "sparse": sparse, "multi": multi}
SUM = models.FormulaQuery(
    formula=models.SumExpression(sum=["$score[0]", "$score[1]", "$score[2]"]),
    defaults={f"$score[{i}]": 0.0 for i in range(3)},
)
RRF = models.FusionQuery(fusion=models.Fusion.RRF)


def query_of(rng: random.Random, end: models.Query, **leaf) -> Requests:
    """A query of three legs as plans ask it: the ranking, and one leg's scores told apart."""
    near = {name: models.NearestQuery(nearest=make(rng)) for name, make in LEGS.items()}
    brought = [
        models.Prefetch(query=near[name], using=name, limit=7, **leaf)
        for name in ("dense", "sparse")
    ]
    over = [
        models.Prefetch.model_construct(prefetch=brought, query=near[name], using=name, limit=14)
        for name in near
    ]
    listed = [*brought, over[2]] if end is RRF else over
    return [
        models.QueryRequest.model_construct(prefetch=listed, query=end, limit=5),
        models.QueryRequest.model_construct(
            prefetch=brought, query=near["sparse"], using="sparse", limit=14
        ),
    ]


def assert_same(came, expected) -> None:
    """The same scores, of the same points as far as no tie with the last one decides."""
    for here, there in zip(came, expected, strict=True):
        assert [p.score for p in here] == pytest.approx([p.score for p in there], abs=1e-5)
        least = there[-1].score + 1e-5 if there else 0.0
        assert {p.id for p in here if p.score > least} == {p.id for p in there if p.score > least}


FILTER = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(gte=4))])


@pytest.mark.parametrize("end", [SUM, RRF], ids=["formula", "rrf"])
@pytest.mark.parametrize("leaf", [{}, {"filter": FILTER}, {"score_threshold": 0.9}], ids=str)
def test_a_batch_is_answered_as_by_the_engine_alone(shard, end, leaf) -> None:
    rng = random.Random(3)
    for _ in range(5):
        batch = [request for _ in range(3) for request in query_of(rng, end, **leaf)]
        expected = Asking(shard)([deepcopy(request) for request in batch])
        assert_same(answered(batch, Asking(shard)), expected)
        assert any(expected)


def test_candidates_are_searched_once(shard) -> None:
    rng, asking = random.Random(5), Asking(shard)
    answered([*query_of(rng, SUM), *query_of(rng, SUM)], asking)
    first, second = asking.passes
    assert [request.using for request in first] == ["dense", "sparse"] * 2
    last = [each for request in second for each in (request.prefetch or [request])]
    assert [(each.using, each.prefetch) for each in last] == [
        (using, None) for using in ("dense", "sparse", "multi", "sparse") * 2
    ]
    known = {str(id) for points in asking(first)[:2] for id in [point.id for point in points]}
    assert {str(id) for id in last[0].filter.must[0].point_ids} == known


def test_a_filter_of_a_stage_still_reaches_its_prefetches(shard) -> None:
    batch = [
        request.model_copy(update={"filter": FILTER}) for request in query_of(random.Random(7), SUM)
    ]
    expected = Asking(shard)([deepcopy(request) for request in batch])
    assert all(expected)
    assert_same(answered(batch, Asking(shard)), expected)


def test_what_stands_once_is_asked_as_it_is(shard) -> None:
    asking, [request, _] = Asking(shard), query_of(random.Random(9), SUM)
    alone = request.prefetch[0]
    answered([models.QueryRequest.model_construct(prefetch=[alone], query=SUM, limit=3)], asking)
    assert len(asking.passes) == 1
