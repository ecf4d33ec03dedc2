"""Hits of one score: the same order from every engine, and whatever was done to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

import trivet
from trivet.plan import Plan

IDS = ["m", "c", "z", "a", "k", "b", "y", "d"]  # not as they are sorted
SAME = "a light anchor holds the boat"
PLANS = ["hybrid2", Plan({"dense": 20}), Plan({"sparse": 20})]


def filled(open_index: Callable[..., trivet.Index]) -> trivet.Index:
    index = open_index()
    index.add([SAME] * len(IDS), ids=IDS)
    index.add(["an anchor, a light anchor for the boat", "bread and milk"], ids=["0", "1"])
    return index


@pytest.mark.parametrize("plan", PLANS)
def test_hits_of_one_score_come_by_their_ids(open_index, plan) -> None:
    index = filled(open_index)
    hits = index.search("light anchor", k=10, plan=plan)
    same = [hit for hit in hits if hit.text == SAME]
    assert len({hit.score for hit in same}) == 1
    assert [hit.id for hit in same] == sorted(IDS)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    best = [hit.id for hit in index.search("light anchor", k=4, plan=plan)]
    assert best == [hit.id for hit in hits][:4]


@pytest.mark.parametrize("plan", ["hybrid3", Plan({"sparse": 60})], ids=["sum", "leg"])
@pytest.mark.parametrize("chunks", [False, True])
def test_pages_of_many_hits_of_one_score_never_repeat(open_index, plan, chunks: bool) -> None:
    """More of them than a request asks for beyond its last hit: engines leave out any of them."""
    index = open_index()
    ids = [f"{n:02d}" for n in range(30)]
    index.add([*[SAME] * 30, "bread and milk"], ids=[*reversed(ids), "other"])
    whole = index.planned(plan=plan, k=60)
    pages = [
        index.search("light anchor", k=4, plan=replace(whole, offset=offset), chunks=chunks)
        for offset in range(0, 28, 4)
    ]
    assert [hit.document for page in pages for hit in page] == ids[:28]
    why = index.explain("light anchor", pages[0][0].document, k=4, plan=whole)
    assert why.score == pytest.approx(pages[0][0].score, abs=1e-4)


def test_upkeep_does_not_change_the_order(tmp_path, tiny_embedder) -> None:
    def open_index() -> trivet.Index:
        return trivet.open(tmp_path / "index", model=tiny_embedder, modes=["dense", "sparse"])

    index = filled(open_index)
    before = [hit.id for hit in index.search("light anchor", k=10)]
    index.upsert([SAME + "."], ids=["c"])
    index.upsert([SAME], ids=["c"])  # written anew, behind all others
    index.delete(["1"])
    index.optimize(force=True)
    expected = [id for id in before if id != "1"]
    assert [hit.id for hit in index.search("light anchor", k=10)] == expected
    index.close()
    with open_index() as again:
        assert [hit.id for hit in again.search("light anchor", k=10)] == expected


def test_chunks_of_one_document_come_in_its_order(open_index) -> None:
    index = open_index(settings=trivet.Settings(chunk_tokens=16), modes=["sparse"])
    index.add(["An anchor. A boat. " * 12], ids=["long"])
    hits = index.search("anchor", k=20, chunks=True)
    assert len(hits) > 3
    by_score: dict[float, list[int]] = {}
    for hit in hits:
        by_score.setdefault(hit.score, []).append(hit.span[0])
    assert max(map(len, by_score.values())) > 2
    assert all(starts == sorted(starts) for starts in by_score.values())
    [best] = index.search("anchor", k=5)
    assert best.span == hits[0].span
    assert index.explain("anchor", "long").span == best.span


def test_an_order_that_repeats_itself_less_is_left_alone(open_index) -> None:
    index = filled(open_index)
    [first, second, *_] = index.search("light anchor", k=5, plan=Plan({"dense": 20}, relevance=0.2))
    assert {first.text == SAME, second.text == SAME} == {True, False}
