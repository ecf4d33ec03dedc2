"""The thread that answers searches: whoever waits for it is answered or gets an error."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from waiting import PATIENCE_S, Arrivals, until

from trivet.errors import (
    IndexBusyError,
    IndexClosedError,
    ServerUnavailableError,
    StoreError,
    TrivetError,
)
from trivet.index.worker import SearchWorker, _Waiting


class Answers:
    """Answers each search by its name; a pass that holds a bad one ends as it says."""

    def __init__(self, **bad: object) -> None:
        self.bad = bad
        self.passes: list[list[str]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, asked):
        self.passes.append(list(asked))
        assert self.go_on.wait(PATIENCE_S)
        for each in asked:
            if isinstance(self.bad.get(each), BaseException):
                raise self.bad[each]
        return [[each] for each in asked if each not in self.bad]


@pytest.fixture
def working() -> Iterator[list[SearchWorker]]:
    made: list[SearchWorker] = []
    yield made
    for each in made:
        each.close()


def together(worker: SearchWorker, answers: Answers, names: list[str]) -> list[object]:
    """What each gets that waits in a thread while the first pass is under way."""
    answers.go_on.clear()
    arrivals = Arrivals(worker)

    def ask(name: str) -> object:
        try:
            return worker.answer_many([name])
        except (TrivetError, ValueError) as error:
            return error

    with ThreadPoolExecutor(len(names) + 1) as pool:
        first = pool.submit(ask, "first")
        until(lambda: bool(answers.passes))
        asking = [pool.submit(ask, name) for name in names]
        until(lambda: arrivals.count == 1 + len(names))
        answers.go_on.set()
        assert first.result(PATIENCE_S) == [["first"]]
        return [each.result(PATIENCE_S) for each in asking]


ENDS = [
    ValueError("odd"),
    StoreError("tired"),
    StopIteration(),
    KeyboardInterrupt(),
    SystemExit(1),
    GeneratorExit(),
    asyncio.CancelledError(),
    None,  # no answer at all
]


@pytest.mark.parametrize("end", ENDS, ids=repr)
async def test_whatever_ends_a_search_whoever_waits_for_it_is_told(working, end) -> None:
    worker = SearchWorker(Answers(bad=end))
    working.append(worker)
    expected = ValueError if isinstance(end, ValueError) else StoreError
    with pytest.raises(expected):
        await asyncio.wait_for(worker.answer("bad", None), PATIENCE_S)
    with pytest.raises(expected):
        await asyncio.wait_for(asyncio.to_thread(worker.answer_many, ["bad"]), PATIENCE_S)
    assert await asyncio.wait_for(worker.answer("good", None), PATIENCE_S) == ["good"]


@pytest.mark.parametrize("end", [ValueError("odd"), StopIteration(), None], ids=repr)
def test_a_search_that_fails_in_any_way_costs_the_others_nothing(working, end) -> None:
    answers = Answers(bad=end)
    worker = SearchWorker(answers)
    working.append(worker)
    one, bad, two = together(worker, answers, ["one", "bad", "two"])
    assert (one, two) == ([["one"]], [["two"]])
    assert isinstance(bad, (ValueError, StoreError))


@pytest.mark.parametrize("end", [KeyboardInterrupt(), ServerUnavailableError("away")], ids=repr)
def test_what_would_fail_for_each_is_not_tried_for_each(working, end) -> None:
    answers = Answers(bad=end)
    worker = SearchWorker(answers)
    working.append(worker)
    told = together(worker, answers, ["one", "bad", "two"])
    assert all(isinstance(each, StoreError) for each in told)
    assert len(answers.passes) == 2


def test_searches_of_one_call_stay_together_and_in_order(working) -> None:
    worker = SearchWorker(Answers())
    working.append(worker)
    assert worker.answer_many(["a", "b", "c"]) == [["a"], ["b"], ["c"]]
    assert worker.answer_many([]) == []


def test_a_thread_that_cannot_start_is_told_and_tried_again(working, monkeypatch) -> None:
    worker = SearchWorker(Answers())
    working.append(worker)

    def full(thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", full)
        with pytest.raises(IndexBusyError, match="can't start new thread"):
            worker.answer_many(["one"])
    assert worker.answer_many(["one"]) == [["one"]]


async def test_what_a_loop_asks_in_one_turn_is_one_pass(working) -> None:
    answers = Answers()
    worker = SearchWorker(answers)
    working.append(worker)
    names = list("abcdef")
    found = await asyncio.gather(*(worker.answer(name, None) for name in names))
    assert found == [[name] for name in names]
    assert answers.passes == [names]


async def test_one_that_fails_leaves_most_of_the_others_together(working) -> None:
    answers = Answers(bad=ValueError("odd"))
    worker = SearchWorker(answers)
    working.append(worker)
    names = [*map(str, range(15)), "bad"]
    found = await asyncio.gather(*(worker.answer(n, None) for n in names), return_exceptions=True)
    assert found[:-1] == [[name] for name in names[:-1]]
    assert isinstance(found[-1], ValueError)
    answered = [len(each) for each in answers.passes if "bad" not in each]
    assert answered == [8, 4, 2, 1]


async def test_a_search_that_ends_in_the_turn_it_began_in_is_not_done(working) -> None:
    answers = Answers()
    worker = SearchWorker(answers)
    working.append(worker)
    given_up = asyncio.ensure_future(worker.answer("given up", None))
    kept = asyncio.ensure_future(worker.answer("kept", None))
    asyncio.get_running_loop().call_soon(given_up.cancel)
    assert await kept == ["kept"]
    assert given_up.cancelled()
    assert answers.passes == [["kept"]]


async def test_a_search_that_comes_as_the_worker_closes_is_refused() -> None:
    worker = SearchWorker(Answers())
    late = asyncio.ensure_future(worker.answer("late", None))
    asyncio.get_running_loop().call_soon(worker.close)
    with pytest.raises(IndexClosedError):
        await asyncio.wait_for(late, PATIENCE_S)


async def test_of_too_many_those_wait_that_there_is_room_for(working, monkeypatch) -> None:
    monkeypatch.setattr("trivet.index.worker.MAX_WAITING", 3)
    worker = SearchWorker(Answers())
    working.append(worker)
    asked = (worker.answer(name, None) for name in "abcde")
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert found[:3] == [["a"], ["b"], ["c"]]
    assert all(isinstance(each, IndexBusyError) for each in found[3:])


def test_a_thread_may_have_one_loop_after_another(working) -> None:
    worker = SearchWorker(Answers())
    working.append(worker)
    for name in ("one", "two"):
        dying = asyncio.new_event_loop()
        worker._gather(_Waiting(("never",)), dying)
        dying.close()  # before its turn has come
        assert asyncio.run(worker.answer(name, None)) == [name]


def test_closing_answers_those_who_wait_and_refuses_the_next() -> None:
    answers = Answers()
    worker = SearchWorker(answers)
    arrivals = Arrivals(worker)
    answers.go_on.clear()
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(worker.answer_many, [name]) for name in ("one", "two", "three")]
        until(lambda: arrivals.count == 3)
        closing = pool.submit(worker.close)
        until(lambda: worker._closed)
        with pytest.raises(IndexClosedError):
            worker.answer_many(["four"])
        answers.go_on.set()
        found = [each.result(PATIENCE_S) for each in asking]
        closing.result(PATIENCE_S)
    assert found == [[["one"]], [["two"]], [["three"]]]
