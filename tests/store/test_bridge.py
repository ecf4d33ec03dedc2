"""A request in the words of Qdrant's models answers the same in a folder as in the reference."""

import random
import uuid
from datetime import date, datetime, timezone
from itertools import pairwise

import numpy as np
import pytest
import qdrant_edge
from qdrant_client import models

from trivet.store.bridge import query_requests
from trivet.store.bridge_filters import edge_filter

from .collection import (
    NAME,
    N,
    edge_shard,
    point_id,
    points,
    reference_engine,
)
from .parity import random_filter, random_stage


@pytest.fixture(scope="module")
def reference():
    client = reference_engine()
    yield client
    client.close()


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    shard = edge_shard(tmp_path_factory.mktemp("edge") / "shard")
    yield shard
    shard.close()


def test_filters_find_the_same_points(reference, shard):
    rng, sizes = random.Random(1), []
    for _ in range(320):
        asked = random_filter(rng)
        expected = {str(r.id) for r in reference.scroll(NAME, scroll_filter=asked, limit=N)[0]}
        scroll = qdrant_edge.ScrollRequest(limit=N, filter=edge_filter(asked))
        assert {str(r.id) for r in shard.scroll(scroll)[0]} == expected, asked
        sizes.append(len(expected))
    assert sum(0 < size < N for size in sizes) > 200  # most of them do filter


def ask_reference(client, request):
    return client.query_points(
        NAME,
        query=request.query,
        using=request.using,
        prefetch=request.prefetch,
        query_filter=request.filter,
        limit=request.limit,
        offset=request.offset,
        score_threshold=request.score_threshold,
        with_payload=False,
    ).points


def ties_matter(client, stage, filters=()):
    """Whether a tie, or nearly one, decides what a prefetch gives or in which order."""
    filters = [*filters, stage.filter] if stage.filter else list(filters)
    prefetches = stage.prefetch or []
    for prefetch in prefetches if isinstance(prefetches, list) else [prefetches]:
        if ties_matter(client, prefetch, filters):
            return True
        own = [*filters, prefetch.filter] if prefetch.filter else filters
        one_more = prefetch.model_copy(
            update={"limit": prefetch.limit + 1, "filter": models.Filter(must=own)}
        )
        fields = {name: getattr(one_more, name) for name in one_more.model_fields_set}
        found = ask_reference(client, models.QueryRequest(**fields))
        scores = sorted((point.score for point in found), reverse=True)
        if any(abs(a - b) < 1e-5 for a, b in pairwise(scores)):
            return True
    return False


def assert_same_answer(came, expected, request):
    scores = np.array([point.score for point in expected])
    np.testing.assert_allclose(
        [point.score for point in came], scores, rtol=1e-4, atol=1e-4, err_msg=repr(request)
    )
    first, last = bool(request.offset), len(expected) - (len(expected) == request.limit)
    for position in range(first, last):  # the cut-off ones may tie with what is not seen
        if (np.abs(scores - scores[position]) < 2e-4).sum() == 1:
            assert str(came[position].id) == str(expected[position].id), request


@pytest.mark.parametrize("depth", [0, 1, 2])  # of prefetches
def test_queries_give_the_same_answer(reference, shard, depth):
    rng, excluded, empty, asked = random.Random(depth), 0, 0, 110
    for _ in range(asked):
        stage = random_stage(rng, depth, inner=False)
        request = models.QueryRequest(**stage, offset=rng.choice([None, 0, 3]))
        expected = ask_reference(reference, request)
        came = shard.query(*query_requests([request]))
        try:
            assert_same_answer(came, expected, request)
        except AssertionError:
            if not ties_matter(reference, request):
                raise
            excluded += 1  # which of them comes first is each engine's own affair
        empty += not expected
    assert excluded <= asked * 0.05
    assert empty <= asked * 0.3


DIRECTION = [1.0, -2.0, 0.5, 0.0, 1.0, 3.0, -1.0, 0.25]
ROWS = [[1.0, 0.0, -1.0, 2.0], [0.5, 1.0, 0.0, 0.0]]


def nearest(**fields):
    return models.QueryRequest(**({"query": DIRECTION, "using": "dense", "limit": 5} | fields))


def ids(shard, request):
    return [str(point.id) for point in shard.query(*query_requests([request]))]


def matching(shard, *conditions):
    scroll = qdrant_edge.ScrollRequest(
        limit=N, filter=edge_filter(models.Filter(must=list(conditions)))
    )
    return {str(point.id) for point in shard.scroll(scroll)[0]}


@pytest.mark.parametrize("flag", [True, False])
def test_booleans_match_booleans(shard, flag):
    expected = {str(i) for i, _, content in points() if content.get("flag") is flag}
    asked = models.FieldCondition(key="flag", match=models.MatchValue(value=flag))
    assert matching(shard, asked) == expected != set()


def test_ids_may_be_numbers_texts_and_uuids(shard):
    asked = models.HasIdCondition(has_id=[1, point_id(0), uuid.UUID(point_id(3)), 10**6])
    assert matching(shard, asked) == {"1", point_id(0), point_id(3)}


@pytest.mark.parametrize(("using", "vector"), [("dense", DIRECTION), ("multi", ROWS)])
def test_arrays_ask_like_lists(shard, using, vector):
    expected = ids(shard, nearest(query=vector, using=using))
    for kind in (np.float32, np.float64):
        array = np.array(vector, kind)
        request = models.QueryRequest.model_construct(query=array, using=using, limit=5)
        assert ids(shard, request) == expected


def test_sparse_vectors_may_hold_arrays_and_any_order(shard):
    sorted_ = models.SparseVector(indices=[2, 5, 9], values=[1.0, 2.0, 3.0])
    arrays = models.SparseVector.model_construct(
        indices=np.array([9, 2, 5]), values=np.array([3.0, 1.0, 2.0], np.float32)
    )
    expected = ids(shard, nearest(query=sorted_, using="sparse"))
    request = models.QueryRequest.model_construct(query=arrays, using="sparse", limit=5)
    assert ids(shard, request) == expected


def test_a_request_without_limit_asks_for_ten(shard):
    source = models.Prefetch(query=DIRECTION, using="dense")
    fused = models.QueryRequest(prefetch=source, query=models.RrfQuery(rrf=models.Rrf()), limit=50)
    assert len(ids(shard, fused)) == len(ids(shard, nearest(limit=None))) == 10


def test_a_request_without_query_lists_points(shard):
    assert len(ids(shard, models.QueryRequest(limit=7, offset=2))) == 7


def test_answers_hold_what_was_asked_for(shard):
    def first(**fields):
        return shard.query(*query_requests([nearest(limit=1, **fields)]))[0]

    assert first().payload is None
    assert first().vector is None
    assert {"f", "at", "here"} <= first(with_payload=True).payload.keys()
    assert first(with_payload=["f", "at"]).payload.keys() == {"f", "at"}
    include = models.PayloadSelectorInclude(include=["f"])
    assert first(with_payload=include).payload.keys() == {"f"}
    assert "f" not in first(with_payload=models.PayloadSelectorExclude(exclude=["f"])).payload
    assert "dense" in first(with_vector=True).vector
    assert first(with_vector=["dense"]).vector.keys() == {"dense"}


def test_a_request_and_its_prefetch_are_filtered_by_both(shard):
    def either(key, *values):
        options = [models.FieldCondition(key=key, match=models.MatchValue(value=v)) for v in values]
        return models.Filter(should=options)

    low, drama = either("n", 0, 1, 2, 3, 4), either("genre", "drama", "war")
    source = models.Prefetch(query=DIRECTION, using="dense", filter=drama, limit=N)
    request = nearest(prefetch=source, filter=low, limit=N)
    both = matching(shard, low) & matching(shard, drama)
    assert set(ids(shard, request)) == both != matching(shard, low)


def test_search_parameters_are_passed_on():
    corpus = models.Filter(must=models.FieldCondition(key="n", match=models.MatchValue(value=1)))
    asked = models.SearchParams(
        hnsw_ef=64,
        exact=True,
        indexed_only=True,
        quantization=models.QuantizationSearchParams(ignore=True, rescore=False, oversampling=2.0),
        acorn=models.AcornSearchParams(enable=True, max_selectivity=0.4),
        idf=models.IdfCorpusParams(corpus=corpus),
    )
    params = query_requests([nearest(params=asked)])[0].params
    assert (params.hnsw_ef, params.exact, params.indexed_only) == (64, True, True)
    assert (params.quantization.rescore, params.quantization.oversampling) == (False, 2.0)
    assert (params.acorn.enable, round(params.acorn.max_selectivity, 3)) == (True, 0.4)
    assert len(params.idf.corpus.must) == 1
    globally = models.SearchParams(idf=models.IdfScope.GLOBAL)
    [everywhere] = query_requests([nearest(params=globally)])
    assert everywhere.params.idf.corpus is None


@pytest.mark.parametrize(
    ("order", "reverse", "start"),
    [
        ("f", False, None),
        (models.OrderBy(key="f", direction=models.Direction.DESC), True, None),
        (models.OrderBy(key="f", direction=models.Direction.ASC, start_from=2.5), False, 2.5),
    ],
)
def test_points_in_the_order_of_a_field(shard, order, reverse, start):
    query = models.OrderByQuery(order_by=order)
    came = ids(shard, models.QueryRequest(query=query, limit=8))
    values = {str(i): content["f"] for i, _, content in points()}
    left = [i for i in values if start is None or values[i] >= start]
    assert came == sorted(left, key=values.__getitem__, reverse=reverse)[:8]


@pytest.mark.parametrize("moment", [datetime(2024, 5, 1, tzinfo=timezone.utc), date(2024, 5, 1)])
def test_an_order_may_start_at_a_point_in_time(moment):
    order = models.OrderBy(key="when", start_from=moment)
    request = models.QueryRequest(query=models.OrderByQuery(order_by=order))
    [query] = [said.query for said in query_requests([request])]
    assert query.start_from.startswith("2024-05-01")
