"""Searches by plan, against the same arithmetic written out over every stored chunk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import trivet
from trivet import Plan
from trivet.errors import InvalidInputError, InvalidPlanError

TEXTS = [
    "a kedge is a light anchor", "the anchor holds the boat in the storm",
    "sails drive the boat with the wind", "bread and milk are food",
    "the wind is strong in winter", "a heavy anchor and a light anchor and a chain",
    "the harbour is calm and the boats are old", "a horse eats grass and sugar",
    "the tide moves the boat to the harbour", "stars show the way at night",
]  # fmt: skip
QUERIES = ["light anchor", "the strong wind of winter", "what do horses eat"]
IDS = [f"d{position}" for position in range(len(TEXTS))]


@pytest.fixture
def filled(open_index: Callable[..., trivet.Index]) -> trivet.Index:
    index = open_index()
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


def ranked(scores: np.ndarray, k: int = len(TEXTS)) -> dict[str, float]:
    order = np.argsort(-scores, kind="stable")[:k]
    return {IDS[i]: float(scores[i]) for i in order}


def got(hits: list[trivet.Hit]) -> dict[str, float]:
    return {hit.id: hit.score for hit in hits}


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
