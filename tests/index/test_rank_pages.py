"""Pages of rank fusion where many scores are equal: one ranking, counted by documents' ids."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

import trivet
from trivet.plan import Plan

WORDS = "anchor boat chain deck engine".split()
# 60 documents of ten texts: six of each are equal by every leg, and BM25 knows three scores.
PAIRS = [" ".join(pair) for pair in itertools.combinations(WORDS, 2)]
TEXTS = [PAIRS[i % len(PAIRS)] for i in range(60)]
IDS = [f"{i:02d}" for i in range(60)]
random.Random(3).shuffle(IDS)
QUERY = "anchor boat"
WEIGHTED = Plan({"dense": 20, "sparse": 20}, {"dense": 1.0, "sparse": 2.0, "multi": 3.0}, "rrf")


def filled(open_index: Callable[..., trivet.Index]) -> trivet.Index:
    index = open_index(modes=["dense", "sparse", "multi"])
    for start in (0, 20, 40):
        index.add(TEXTS[start : start + 20], ids=IDS[start : start + 20])
    return index


def test_pages_repeat_no_document_and_lose_none(open_index) -> None:
    index = filled(open_index)
    for name in ("rrf", "dbsf"):
        plan = index.planned(plan=name)
        pages = [index.search(QUERY, k=5, plan=replace(plan, offset=n)) for n in range(0, 60, 5)]
        assert sorted(hit.id for page in pages for hit in page) == sorted(IDS)
        scores = [hit.score for page in pages for hit in page]
        assert scores == pytest.approx(sorted(scores, reverse=True), abs=1e-6)


@pytest.mark.parametrize("relevance", [0.0, 0.5, 1.0])
def test_nor_where_equal_chunks_are_to_stand_far_apart(open_index, relevance: float) -> None:
    """Which of them comes first is the engine's choice, for every page another one."""
    index = filled(open_index)
    plan = Plan({"dense": 60}, relevance=relevance)
    for k in (3, 5):
        starts = range(0, 12 * k, k)  # so many chunks are chosen from
        pages = [index.search(QUERY, k=k, plan=replace(plan, offset=n)) for n in starts]
        found = [hit.id for page in pages for hit in page]
        assert len(found) == len(set(found)) == 12 * k


@pytest.mark.parametrize("fuse", ["rrf", "dbsf"])
def test_nor_where_lists_end_among_equal_scores(open_index, fuse: trivet.plan.Fusion) -> None:
    """The engine chooses which of them are in a list; for every page the same."""
    index = filled(open_index)
    plan = Plan({"dense": 20, "sparse": 20}, dict.fromkeys(("dense", "sparse", "multi"), 1.0), fuse)
    pages = [index.search(QUERY, k=4, plan=replace(plan, offset=n)) for n in range(0, 20, 4)]
    found = [hit.id for page in pages for hit in page]
    assert (len(found), len(set(found))) == (20, 20)


def test_ranks_are_those_of_each_legs_scores_and_of_equal_ones_by_id(open_index) -> None:
    index = filled(open_index)
    of = {
        mode: {hit.id: hit.score for hit in index.search(QUERY, k=60, modes=[mode])}
        for mode in ("dense", "sparse", "multi")
    }
    # All are candidates: a leg brings three for each hit.
    plan = replace(WEIGHTED, depths={"dense": 60, "sparse": 60})
    expected = dict.fromkeys(IDS, 0.0)
    for mode, scores in of.items():
        ordered = sorted(scores, key=lambda id, of=scores: (-round(of[id], 5), id))
        for rank, id in enumerate(ordered, start=1):
            expected[id] += 1 / (60 + rank / plan.weights[mode])
    hits = index.search(QUERY, k=60, plan=plan)
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-7)
    assert [hit.id for hit in hits] == sorted(expected, key=lambda id: (-expected[id], id))
    for hit in hits[:1]:
        why = index.explain(QUERY, hit.id, k=60, plan=plan)
        assert why.score == pytest.approx(hit.score, abs=1e-9)
        assert {leg.mode: leg.score for leg in why.legs if leg.score is not None} == hit.scores


def test_a_search_by_ranks_is_one_request(open_index, monkeypatch: pytest.MonkeyPatch) -> None:
    index = filled(open_index)
    engine = index._shared.store.engine
    asked: list[int] = []
    ask = engine.query

    def counting(requests):
        asked.append(len(requests))
        return ask(requests)

    monkeypatch.setattr(engine, "query", counting)
    for offset in (0, 10):
        index.search(QUERY, k=10, plan=replace(index.planned(plan="rrf"), offset=offset))
    # The candidates, and each leg's scores of them.
    assert asked == [4, 4]


def test_upkeep_does_not_change_the_order_of_ranks(tmp_path, tiny_embedder) -> None:
    def opened() -> trivet.Index:
        return trivet.open(tmp_path / "i", model=tiny_embedder, modes=["dense", "sparse", "multi"])

    def found(index: trivet.Index) -> list[str]:
        return [hit.id for hit in index.search(QUERY, k=60, plan="rrf")]

    index = filled(lambda **_: opened())
    before = found(index)
    index.upsert([TEXTS[7]], ids=[IDS[7]])
    index.optimize(force=True)
    assert found(index) == before
    index.close()
    with opened() as again:
        assert found(again) == before
