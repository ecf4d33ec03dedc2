"""Searches of event loops: answered together, never in the loop's own thread."""

from __future__ import annotations

import asyncio
import threading

import pytest
from loops import Gate
from waiting import PATIENCE_S, Arrivals, auntil

import trivet
from trivet.errors import (
    IndexClosedError,
    InvalidInputError,
    InvalidQueryError,
    SearchTimeoutError,
    TextTooLongError,
)

from .hits import assert_same

TEXTS = [
    f"the {word} is near the harbour" for word in ("anchor", "boat", "storm", "horse", "bread")
]


@pytest.fixture
def filled(open_index) -> trivet.Index:
    index = open_index()
    index.add(TEXTS, ids=[str(n) for n in range(len(TEXTS))])
    return index


def test_an_answer_is_that_of_search(filled: trivet.Index) -> None:
    async def ask() -> list[list[trivet.Hit]]:
        return [
            await filled.asearch("the storm", k=3),
            await filled.asearch("the storm", k=2, modes=["sparse"]),
            await filled.asearch("boat", plan="rrf", chunks=True),
        ]

    one, two, three = asyncio.run(ask())
    assert_same(one, filled.search("the storm", k=3))
    assert_same(two, filled.search("the storm", k=2, modes=["sparse"]))
    assert_same(three, filled.search("boat", plan="rrf", chunks=True))


def test_searches_that_wait_together_are_one_pass(filled: trivet.Index, monkeypatch) -> None:
    passes: list[int] = []
    answer_all = filled._shared.worker._answer_all
    first_is_under_way = threading.Event()
    go_on = threading.Event()

    def counted(asked):
        passes.append(len(asked))
        first_is_under_way.set()
        assert go_on.wait(PATIENCE_S)
        return answer_all(asked)

    monkeypatch.setattr(filled._shared.worker, "_answer_all", counted)

    async def ask() -> list[list[trivet.Hit]]:
        first = asyncio.ensure_future(filled.asearch("anchor", k=1))
        await auntil(first_is_under_way.is_set)
        arrivals = Arrivals(filled._shared.worker)
        rest = [asyncio.ensure_future(filled.asearch(text, k=1)) for text in TEXTS]
        await auntil(lambda: arrivals.count == len(TEXTS))
        go_on.set()
        return await asyncio.gather(first, *rest)

    answers = asyncio.run(ask())
    assert passes == [1, len(TEXTS)]
    assert [hits[0].id for hits in answers[1:]] == ["0", "1", "2", "3", "4"]


def test_the_loop_goes_on_while_a_search_is_under_way(filled: trivet.Index, monkeypatch) -> None:
    answer_all, gate = filled._shared.worker._answer_all, Gate()

    def slow(asked):
        gate()
        return answer_all(asked)

    monkeypatch.setattr(filled._shared.worker, "_answer_all", slow)

    assert asyncio.run(gate.passed_by(filled.asearch("anchor")))


def test_one_bad_query_costs_the_others_nothing(filled: trivet.Index) -> None:
    async def ask() -> list[object]:
        texts = ["anchor", "storm " * 500, "boat"]
        return await asyncio.gather(
            *(filled.asearch(text, k=1) for text in texts), return_exceptions=True
        )

    anchor, long, boat = asyncio.run(ask())
    assert isinstance(long, TextTooLongError)
    assert_same(anchor, filled.search("anchor", k=1))
    assert_same(boat, filled.search("boat", k=1))
    with pytest.raises(InvalidQueryError):
        asyncio.run(filled.asearch(" "))


def test_a_search_that_was_given_up_is_not_done(filled: trivet.Index, monkeypatch) -> None:
    worker, done = filled._shared.worker, []
    answer_all, begun, go_on = worker._answer_all, threading.Event(), threading.Event()

    def slow(asked):
        begun.set()
        assert go_on.wait(PATIENCE_S)
        done.extend(each.query.text for each in asked)
        return answer_all(asked)

    monkeypatch.setattr(worker, "_answer_all", slow)

    async def ask() -> None:
        first = asyncio.ensure_future(filled.asearch("anchor"))
        await auntil(begun.is_set)
        arrivals = Arrivals(worker)
        late = asyncio.ensure_future(filled.asearch("boat", timeout_s=0.01))
        second = asyncio.ensure_future(filled.asearch("storm"))
        # Both in one turn of the loop; on a slow machine the late one is given up before.
        await auntil(lambda: arrivals.count >= 1)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        with pytest.raises(SearchTimeoutError, match=r"within 0\.01 s"):
            await late
        go_on.set()
        await first
        await filled.asearch("bread")  # behind both

    asyncio.run(ask())
    assert done == ["anchor", "bread"]


def test_a_closed_index_answers_nothing_more(filled: trivet.Index) -> None:
    asyncio.run(filled.asearch("anchor"))
    filled.close()
    with pytest.raises(IndexClosedError):
        asyncio.run(filled.asearch("anchor"))
    assert not [t for t in threading.enumerate() if t.name == "trivet-search" and t.is_alive()]


@pytest.mark.parametrize("timeout_s", ["1", [1], True, 0, -1, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(filled: trivet.Index, timeout_s: object) -> None:
    with pytest.raises(InvalidInputError, match="expected timeout_s to be a number"):
        asyncio.run(filled.asearch("anchor", timeout_s=timeout_s))


def test_two_that_close_both_wait_for_the_search_that_is_under_way(
    filled: trivet.Index, monkeypatch
) -> None:
    answer_all = filled._shared.worker._answer_all
    is_under_way, go_on = threading.Event(), threading.Event()

    def slow(asked):
        is_under_way.set()
        assert go_on.wait(PATIENCE_S)
        return answer_all(asked)

    monkeypatch.setattr(filled._shared.worker, "_answer_all", slow)

    async def ask() -> list[trivet.Hit]:
        search = asyncio.ensure_future(filled.asearch("anchor", k=1))
        await auntil(is_under_way.is_set)
        closing = [threading.Thread(target=filled.close) for _ in range(2)]
        for thread in closing:
            thread.start()
        await auntil(lambda: filled._shared.worker._closed)
        go_on.set()
        hits = await search
        for thread in closing:
            thread.join()
        return hits

    assert len(asyncio.run(ask())) == 1
