"""Searches by plan, against the same arithmetic written out over every stored chunk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import trivet
from trivet import Plan
from trivet.errors import InvalidInputError, InvalidPlanError
from trivet.plan import best_plan
from trivet.store.leg_query import LegQuery
from trivet.store.request import PlannedQuery
from trivet.types import SparseVector

from .planned import IDS, QUERIES, TEXTS, got, ranked


@pytest.fixture
def filled(open_index: Callable[..., trivet.Index]) -> trivet.Index:
    index = open_index(modes=["dense", "sparse"])
    index.add(TEXTS, ids=IDS)
    return index


@pytest.fixture
def legs(
    filled: trivet.Index, tiny_embedder: trivet.Embedder
) -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    """Cosines and BM25 scores of all documents, the latter as the engine alone gives them."""
    documents = tiny_embedder.embed_documents(TEXTS).dense.values

    def of(query: str) -> tuple[np.ndarray, np.ndarray]:
        cosines = documents @ tiny_embedder.embed_queries([query]).dense.values[0]
        hits = filled.search(query, k=len(TEXTS), modes=["sparse"])
        found = {hit.id: hit.score for hit in hits}
        return cosines, np.array([found.get(id, 0.0) for id in IDS])

    return of


@pytest.mark.parametrize("query", QUERIES)
def test_scores_are_summed_as_written(filled, legs, query) -> None:
    plan = Plan(weights={"dense": 0.7, "sparse": 0.3}, dense_floor=0.2, sparse_half=4.0)
    cosines, bm25 = legs(query)
    expected = 0.69 * np.maximum(cosines, 0.2) + 0.01 * cosines + 0.3 * bm25 / (bm25 + 4.0)
    hits = filled.search(query, k=len(TEXTS), plan=plan)
    assert got(hits) == pytest.approx(ranked(expected), abs=1e-5)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        at = IDS.index(hit.id)
        assert hit.scores["dense"] == pytest.approx(cosines[at], abs=1e-5)
        assert hit.scores.get("sparse", 0.0) == pytest.approx(bm25[at], abs=1e-5)


@pytest.mark.parametrize("weights", [(0.6, 0.4), (60.0, 40.0), (0.002, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("floor", [-1.0, 0.35, 0.9])
def test_each_legs_score_is_told_whatever_the_weights(filled, legs, weights, floor) -> None:
    plan = Plan(
        {"dense": 10, "sparse": 10},
        weights=dict(zip(("dense", "sparse"), weights, strict=True)),
        dense_floor=floor,
    )
    cosines, bm25 = legs(QUERIES[0])
    hits = filled.search(QUERIES[0], k=len(TEXTS), plan=plan)
    assert len(hits) == len(TEXTS)
    for hit in hits:
        at = IDS.index(hit.id)
        assert hit.scores["dense"] == pytest.approx(cosines[at], abs=1e-5)
        assert hit.scores.get("sparse", 0.0) == pytest.approx(bm25[at], abs=1e-5)


def test_a_hybrid_query_asks_for_no_list_of_the_dense_leg() -> None:
    legs = {
        "dense": LegQuery("dense", "dense__0", np.ones(4, np.float32)),
        "sparse": LegQuery("sparse", "sparse__0", SparseVector(np.array([1]), np.array([1.0]))),
    }
    asked = PlannedQuery(best_plan(("dense", "sparse"), 100), legs, 10, None).requests()
    assert [request.using for request in asked] == [None, "sparse__0"]


@pytest.mark.parametrize("query", QUERIES)
def test_reciprocal_ranks_are_summed_with_their_weights(filled, legs, query) -> None:
    plan = Plan(weights={"dense": 2.0, "sparse": 1.0}, fuse="rrf", rrf_k=10)
    cosines, bm25 = legs(query)
    expected = np.zeros(len(TEXTS))
    for weight, scores in ((2.0, cosines), (1.0, bm25)):
        order = np.argsort(-scores, kind="stable")
        for rank, at in enumerate((i for i in order if weight == 2.0 or scores[i] > 0), start=1):
            expected[at] += 1 / (10 + rank / weight)
    hits = filled.search(query, k=len(TEXTS), plan=plan)
    assert got(hits) == pytest.approx(ranked(expected), abs=1e-5)


@pytest.mark.parametrize("name", ["hybrid2", "dbsf", "rrf"])
def test_a_preset_is_the_plan_of_its_name(filled, name) -> None:
    hits = filled.search("light anchor", k=5, plan=name)
    assert got(hits) == got(filled.search("light anchor", k=5, plan=trivet.plan.PRESETS[name]))
    assert len(hits) == 5
    if name == "hybrid2":
        assert got(hits) == got(filled.search("light anchor", k=5))


def test_pages_follow_each_other(filled) -> None:
    whole = filled.search("the wind", k=10)
    pages = [
        filled.search("the wind", k=4, plan=Plan({"dense": 100, "sparse": 100},
                      {"dense": 0.6, "sparse": 0.4}, offset=offset))
        for offset in (0, 4, 8)
    ]  # fmt: skip
    assert [hit.id for page in pages for hit in page] == [hit.id for hit in whole]
    beyond = Plan({"dense": 100}, offset=50)
    assert filled.search("the wind", k=4, plan=beyond) == []


def test_a_threshold_leaves_out_what_scores_less(filled) -> None:
    every = filled.search("light anchor", k=10, modes=["dense"])
    bound = (every[3].score + every[4].score) / 2
    kept = filled.search("light anchor", k=10, plan=Plan({"dense": 100}, threshold=bound))
    assert [hit.id for hit in kept] == [hit.id for hit in every[:4]]


def test_relevance_and_difference_are_the_right_way_round(filled, tiny_embedder) -> None:
    relevant = filled.search("light anchor", k=4, modes=["dense"])
    same = filled.search("light anchor", k=4, plan=Plan({"dense": 100}, relevance=1.0))
    assert [hit.id for hit in same] == [hit.id for hit in relevant]
    spread = filled.search("light anchor", k=4, plan=Plan({"dense": 100}, relevance=0.0))
    vectors = dict(zip(IDS, tiny_embedder.embed_documents(TEXTS).dense.values, strict=True))

    def likeness(hits: list[trivet.Hit]) -> float:
        rows = np.stack([vectors[hit.id] for hit in hits])
        return float((rows @ rows.T).sum())

    assert likeness(spread) < likeness(relevant)
    assert spread[0].id == relevant[0].id


def test_a_plan_is_refused_that_the_call_cannot_answer(filled) -> None:
    with pytest.raises(InvalidPlanError, match="needs multi"):
        filled.search("anchor", plan="hybrid3")
    with pytest.raises(InvalidInputError, match="got both"):
        filled.search("anchor", plan="rrf", modes=["dense"])
    with pytest.raises(InvalidPlanError, match="a depth of 10 or more for 10 hits, got 5 of dense"):
        filled.search("anchor", plan=Plan({"dense": 5}))
    with pytest.raises(InvalidPlanError, match="a depth of 12 or more"):
        filled.search("anchor", plan=Plan({"dense": 10}, offset=2))


def test_a_query_of_unknown_words_is_answered_by_the_other_legs(filled) -> None:
    hits = filled.search("zzzz qqqq", k=3, plan="rrf")
    assert len(hits) == 3
    assert all("sparse" not in hit.scores for hit in hits)
    assert filled.search("the of", k=3, plan=Plan({"sparse": 10})) == []


def test_a_threshold_ends_the_search_for_more(index, monkeypatch) -> None:
    index.add([f"{text} {number}" for number in range(6) for text in TEXTS])
    every = index.search("light anchor", k=20, modes=["dense"])
    bound = (every[3].score + every[4].score) / 2
    limits = []
    query = index._store.query

    def counted(requests):
        limits.append(requests[0].limit)
        return query(requests)

    monkeypatch.setattr(index._store, "query", counted)
    kept = index.search("light anchor", k=5, plan=Plan({"dense": 100}, threshold=bound))
    assert [hit.id for hit in kept] == [hit.id for hit in every[:4]]
    assert len(limits) == 1


def test_a_wide_search_for_difference_stays_within_what_qdrant_allows(filled) -> None:
    hits = filled.search("light anchor", k=5_000, plan=Plan({"dense": 5_000}, relevance=0.5))
    assert len(hits) == len(TEXTS)


def test_a_query_of_stop_words_keeps_the_scale_of_the_sum(filled, tiny_embedder) -> None:
    """So that a threshold means the same for every query."""
    cosines = (
        tiny_embedder.embed_documents(TEXTS).dense.values
        @ (tiny_embedder.embed_queries(["the of"]).dense.values[0])
    )
    hits = filled.search("the of", k=len(TEXTS))
    floor = filled.describe().dense_floor
    expected = 0.59 * np.maximum(cosines, floor) + 0.01 * cosines
    assert got(hits) == pytest.approx(ranked(expected), abs=1e-5)
    for hit in hits:
        assert hit.scores == {"dense": pytest.approx(cosines[IDS.index(hit.id)], abs=1e-5)}
    bound = float(np.sort(expected)[-3]) - 1e-4
    plan = Plan(weights={"dense": 0.6, "sparse": 0.4}, threshold=bound)
    assert len(filled.search("the of", k=10, plan=plan)) == 3


def test_a_query_longer_than_the_model_is_refused_with_the_way_out(filled) -> None:
    with pytest.raises(trivet.errors.TextTooLongError, match="shorten the query, or search with"):
        filled.search("anchor " * 400, plan="hybrid2")
    assert filled.search("anchor " * 400, k=1, modes=["sparse"])


def test_so_many_chunks_of_a_document_as_the_plan_says(tiny_embedder) -> None:
    short = trivet.Settings(chunk_tokens=16)
    with trivet.open(":memory:", model=tiny_embedder, settings=short) as index:
        long = " ".join(["the anchor holds the boat."] * 24)
        index.add([long, *TEXTS], ids=["long", *IDS])
        every = index.search("anchor boat", k=60, modes=["dense"], chunks=True)
        expected, taken = [], dict.fromkeys(["long", *IDS], 0)
        for hit in every:
            taken[hit.document] += 1
            if taken[hit.document] <= 2:
                expected.append(hit.id)
        plan = Plan({"dense": 100}, per_document=2)
        hits = index.search("anchor boat", k=6, plan=plan, chunks=True)
        assert [hit.id for hit in hits] == expected[:6]
        assert sum(hit.document == "long" for hit in hits) == 2
        with pytest.raises(InvalidPlanError, match="expected chunks=True with per_document=2"):
            index.search("anchor boat", plan=plan)


@pytest.mark.parametrize("relevance", [1.0, 0.7, 0.3, 0.0])
def test_relevance_is_the_weight_of_likeness_to_the_query(filled, tiny_embedder, relevance) -> None:
    """Against the greedy choice of Carbonell and Goldstein (1998), written out."""
    documents = tiny_embedder.embed_documents(TEXTS).dense.values.astype(np.float64)
    to_query = documents @ tiny_embedder.embed_queries(["light anchor"]).dense.values[0]
    chosen = [int(to_query.argmax())]
    while len(chosen) < 6:
        like = (documents @ documents[chosen].T).max(axis=1)
        worth = relevance * to_query - (1 - relevance) * like
        worth[chosen] = -np.inf
        chosen.append(int(worth.argmax()))
    hits = filled.search("light anchor", k=6, plan=Plan({"dense": 100}, relevance=relevance))
    assert [hit.id for hit in hits] == [IDS[at] for at in chosen]
    for hit in hits:
        assert hit.scores["dense"] == pytest.approx(to_query[IDS.index(hit.id)], abs=1e-5)


def test_a_batch_is_one_request_to_the_engine(open_index, monkeypatch) -> None:
    index = open_index(modes=["dense", "sparse", "multi"])
    index.add(TEXTS, ids=IDS, metadatas=[{"n": n} for n in range(len(TEXTS))])
    index.search("anchor")
    asked = []
    engine = index._store.engine
    query = engine.query
    monkeypatch.setattr(engine, "query", lambda some: (asked.append(len(some)), query(some))[1])
    for plan in (*trivet.plan.PRESETS, None):
        del asked[:]
        index.search("light anchor", k=3, plan=plan)
        assert len(asked) == 1
        many = index.search_many([*QUERIES, "the of"], k=3, plan=plan, filter={"n": {"gte": 5}})
        assert len(asked) == 2
        assert all({hit.metadata["n"] for hit in hits} <= set(range(5, 10)) for hits in many)
        assert [len(hits) for hits in many] == [3] * 4
