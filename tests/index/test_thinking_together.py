"""Searches that think at the same time, late or in vain: bounded, shared, and the plain hits for whoever gets no thought."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from thinkers import Counting, Hanging, Returning
from waiting import PATIENCE_S, Arrivals, auntil, until

import trivet
from trivet.errors import StoreError
from trivet.thinking import Cached, Given, ThinkResult, WritingThinker

from .hits import assert_same
from .thoughtful import QUERY, TEXTS, THOUGHT, filled_index, thinking


@pytest.fixture
def filled(tiny_embedder) -> Iterator[trivet.Index]:
    with filled_index(tiny_embedder) as index:
        yield index


class Nameless(Hanging):
    """Forgets its name once a search has begun."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error

    @property
    def fingerprint(self):
        if sys._getframe(1).f_code.co_name == "_name_of":
            raise RuntimeError("no name")
        return "nameless"

    def think(self, request):
        if self.error is not None:
            raise self.error
        return super().think(request)


@pytest.mark.parametrize("error", [ValueError("odd"), None], ids=["raises", "hangs"])
def test_a_thinker_that_cannot_tell_its_name_changes_nothing(filled, error) -> None:
    plain = filled.search(QUERY)
    thinker = Nameless(error)
    chosen, told = thinking(thinker, deadline_s=0.2 if error is None else PATIENCE_S)
    try:
        assert_same(filled.search(QUERY, think=chosen), plain)
    finally:
        thinker.freed.set()
    assert [report.thinker for report in told] == ["Nameless"]


async def test_a_hanging_thinker_holds_the_search_no_longer_than_its_deadline(filled) -> None:
    plain = filled.search(QUERY)
    thinker = Hanging()
    chosen, told = thinking(thinker, deadline_s=0.2)
    try:
        assert_same(filled.search(QUERY, think=chosen), plain)
        assert_same(await filled.asearch(QUERY, think=chosen), plain)
        assert not thinker.freed.is_set()  # both came before the thinker, which still hangs
    finally:
        thinker.freed.set()
    assert [report.status for report in told] == ["timeout", "timeout"]


def test_hanging_thinkers_take_a_bounded_number_of_threads(filled, monkeypatch) -> None:
    filled._shared.thinking._free = threading.BoundedSemaphore(3)
    before = threading.enumerate()
    thinker = Hanging()
    chosen, told = thinking(thinker, deadline_s=PATIENCE_S, guard=0.5)

    def its_time_is_over(running, timeout) -> None:  # as soon as its thinker hangs
        until(lambda: thinker.begun >= min(3, len(told) + 1))

    monkeypatch.setattr("trivet.index.thinking.wait", its_time_is_over)
    try:
        for _ in range(8):
            filled.search(QUERY, think=chosen)
        assert thinker.begun == 3
        more = [t for t in threading.enumerate() if t not in before]
        assert sum(thread.name == "trivet-thinking" for thread in more) == 3
        assert len(more) <= 3 + 1  # and the one that searches
    finally:
        thinker.freed.set()
    assert [report.status for report in told] == ["timeout"] * 3 + ["skipped"] * 5


def test_a_late_thought_is_there_for_the_next_search(filled, tmp_path) -> None:
    freed, asked = threading.Event(), []

    def write(prompt: str) -> str:
        asked.append(prompt)
        assert freed.wait(PATIENCE_S)
        return THOUGHT

    cached = Cached(WritingThinker(write, name="slow"), tmp_path / "c.sqlite")
    hasty, told = thinking(cached, deadline_s=0.05, guard=-1.0, kinds=("passage",))
    filled.search(QUERY, think=hasty)
    assert told[0].status == "timeout"
    freed.set()
    patient, told = thinking(cached, deadline_s=PATIENCE_S, guard=-1.0, kinds=("passage",))
    filled.search(QUERY, think=patient)
    assert told[0].used
    assert len(asked) == 1


@pytest.mark.parametrize("way", ["threads", "loop"])
def test_a_hundred_searches_at_once_think_once_for_each_query(tiny_embedder, tmp_path, way) -> None:
    thinker = Counting(seconds=0.2)
    with trivet.open(":memory:", model=tiny_embedder) as index:
        index.add(list(TEXTS.values()), ids=list(TEXTS))
        queries = [f"what holds ship number {n % 25}" for n in range(100)]
        cached = Cached(thinker, tmp_path / "c.sqlite")
        chosen, told = thinking(cached, guard=-1.0, deadline_s=PATIENCE_S)
        index.search("ship", think=Given([THOUGHT]))  # the guard is found once
        if way == "threads":
            with ThreadPoolExecutor(100) as pool:
                found = list(pool.map(lambda query: index.search(query, think=chosen), queries))
        else:

            async def ask() -> list[list[trivet.Hit]]:
                return await asyncio.gather(*(index.asearch(q, think=chosen) for q in queries))

            found = asyncio.run(ask())
    assert all(found)
    assert len(told) == 100
    assert all(report.used for report in told)
    assert len(thinker.asked) == 25


def test_queries_of_one_call_that_are_equal_are_thought_about_once(filled) -> None:
    thinker = Counting(THOUGHT)
    chosen, told = thinking(thinker, guard=-1.0)
    one, two, three = filled.search_many([QUERY, "bread", QUERY], think=chosen)
    assert one == three
    assert one != two
    assert len(thinker.asked) == 2
    assert [report.query for report in told] == [QUERY, "bread", QUERY]


def test_a_search_with_thoughts_that_fails_leaves_the_plain_hits(filled, monkeypatch) -> None:
    plain = filled.search(QUERY)
    real, calls = filled._store.query, []

    def failing(requests):
        calls.append(requests)
        if len(calls) == 2:
            raise StoreError("the engine is tired")
        return real(requests)

    monkeypatch.setattr(filled._store, "query", failing)
    chosen, told = thinking(Given([THOUGHT]), guard=-1.0)
    assert_same(filled.search(QUERY, think=chosen), plain)
    assert told[0].status == "error"
    assert "tired" in told[0].reason
    assert not told[0].used


async def test_a_broken_thought_costs_those_who_search_at_the_same_time_nothing(filled) -> None:
    plain = await filled.asearch(QUERY)
    broken = Returning(ThinkResult(("no thought",), "ok"))
    searches = [filled.asearch(QUERY, think=broken), filled.asearch(QUERY)] * 5
    for hits in await asyncio.gather(*searches):
        assert [hit.id for hit in hits] == [hit.id for hit in plain]


async def test_any_failure_of_the_search_with_thoughts_leaves_the_plain_hits(
    filled, monkeypatch
) -> None:
    plain = await filled.asearch(QUERY)
    real, calls = filled._store.query, []

    def failing(requests):
        calls.append(requests)
        if len(calls) == 2:
            raise ValueError("a shape that nobody thought of")
        return real(requests)

    monkeypatch.setattr(filled._store, "query", failing)
    chosen, told = thinking(Given([THOUGHT]), guard=-1.0)
    assert_same(await filled.asearch(QUERY, think=chosen), plain)
    assert told[0].status == "error"
    assert "a shape" in told[0].reason


async def test_a_late_thought_of_a_function_ends_quietly(filled, monkeypatch) -> None:
    shouted: list[object] = []
    monkeypatch.setattr(threading, "excepthook", shouted.append)
    freed, ended = threading.Event(), threading.Event()

    def write(prompt: str) -> str:
        assert freed.wait(PATIENCE_S)
        ended.set()
        return THOUGHT

    chosen, _ = thinking(WritingThinker(write, name="slow"), deadline_s=0.1, guard=-1.0)
    await filled.asearch(QUERY, think=chosen)
    freed.set()  # the search has given it up
    assert ended.wait(PATIENCE_S)
    until(lambda: not any(t.name == "trivet-thinking" for t in threading.enumerate()))
    assert shouted == []


async def test_equal_queries_and_thoughts_of_one_pass_are_embedded_once(
    filled, monkeypatch
) -> None:
    chosen, _ = thinking(Given([THOUGHT]), guard=-1.0)
    filled.search(QUERY)
    model, seen = filled._model, []
    real_queries, real_documents = model.queries, model.documents
    monkeypatch.setattr(
        model, "queries", lambda q, m: seen.append(("q", len(q))) or real_queries(q, m)
    )
    monkeypatch.setattr(
        model, "documents", lambda t, m: seen.append(("t", len(t))) or real_documents(t, m)
    )
    one, two, three = filled.search_many([QUERY, "bread", QUERY], think=chosen)
    assert one == three
    assert one != two
    assert seen == [("q", 2), ("t", 1)]


async def test_a_hundred_at_once_are_one_pass(filled) -> None:
    worker = filled._shared.worker
    real, sizes = worker._answer_all, []
    begun, freed = threading.Event(), threading.Event()

    def answer(asked):
        sizes.append(len(asked))
        begun.set()
        assert freed.wait(PATIENCE_S)
        return real(asked)

    worker._answer_all = answer
    first = asyncio.ensure_future(filled.asearch("bread"))
    await auntil(begun.is_set)
    arrivals = Arrivals(worker)
    rest = [asyncio.ensure_future(filled.asearch(f"{QUERY} {n % 10}")) for n in range(100)]
    await auntil(lambda: arrivals.count == 100)
    freed.set()
    await asyncio.gather(first, *rest)
    assert sizes == [1, 100]


def test_the_guard_takes_one_thread_however_many_wait_for_it(filled, monkeypatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(filled._shared.thinking, "start", started.append)
    for _ in range(20):
        filled._shared.prepare_thinking()
    assert len(started) == 1
    started[0]()
    filled._shared.prepare_thinking()
    assert len(started) == 1


def test_more_queries_than_threads_are_all_thought_about(filled) -> None:
    filled._shared.thinking._free = threading.BoundedSemaphore(3)
    thinker = Counting(seconds=0.05)
    chosen, told = thinking(thinker, guard=-1.0, deadline_s=PATIENCE_S)
    filled.search_many([f"what holds ship number {n}" for n in range(12)], think=chosen)
    assert all(report.used for report in told)
    assert len(thinker.asked) == 12
