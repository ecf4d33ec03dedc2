"""Who asks at the same time shares one thought, and nobody waits for one that hangs."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from thinkers import Counting, Hanging, Held
from waiting import PATIENCE_S, auntil, until

from trivet.thinking import Cached, ThinkRequest, ThinkResult, caching

REQUEST = ThinkRequest("what keeps a ship in place", deadline_s=PATIENCE_S)


def test_tenants_that_ask_at_the_same_time_share_nothing(tmp_path) -> None:
    thinker = Counting(seconds=0.2)
    cached = Cached(thinker, tmp_path)
    asking = [replace(REQUEST, tenant=name) for name in ("ann", "bob", "ann", "bob", None, "")]
    with ThreadPoolExecutor(len(asking)) as pool:
        results = list(pool.map(cached.think, asking))
    assert all(result.thoughts for result in results)
    assert sorted(str(each.tenant) for each in thinker.asked) == ["", "None", "ann", "bob"]


def test_threads_that_ask_together_share_one_thought(tmp_path) -> None:
    thinker = Counting(seconds=0.2)
    cached = Cached(thinker, tmp_path)
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: cached.think(REQUEST), range(16)))
    assert len(thinker.asked) == 1
    assert {result.thoughts for result in results} == {results[0].thoughts}
    assert sum(result.usage.calls for result in results) == 1


async def test_tasks_that_ask_together_share_one_thought(tmp_path) -> None:
    thinker = Counting(seconds=0.2)
    cached = Cached(thinker, tmp_path)
    results = await asyncio.gather(*(cached.athink(REQUEST) for _ in range(16)))
    assert len(thinker.asked) == 1
    assert all(result.thoughts for result in results)


def test_who_waits_for_a_thinker_that_hangs_gives_up(tmp_path) -> None:
    thinker = Hanging()
    cached = Cached(thinker, tmp_path)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cached.think, REQUEST)
        until(lambda: thinker.begun == 1)
        assert cached.think(replace(REQUEST, deadline_s=0.05)).status == "timeout"
        assert thinker.begun == 1
        thinker.freed.set()
        first.result(PATIENCE_S)


async def test_a_first_one_that_is_cancelled_leaves_nobody_waiting(tmp_path) -> None:
    thinker = Hanging()
    cached = Cached(thinker, tmp_path)
    first = asyncio.ensure_future(cached.athink(REQUEST))
    await auntil(lambda: thinker.begun == 1)
    second = asyncio.ensure_future(cached.athink(replace(REQUEST, deadline_s=0.2)))
    first.cancel()
    # The thinker itself would be given up after caching.PATIENCE_S.
    assert (await asyncio.wait_for(second, 0.8 * caching.PATIENCE_S)).status == "timeout"


async def test_a_first_one_that_is_cancelled_still_thinks_for_the_others(tmp_path) -> None:
    thinker = Held()
    cached = Cached(thinker, tmp_path)
    first = asyncio.ensure_future(cached.athink(REQUEST))
    await auntil(thinker.begun.is_set)
    second = asyncio.ensure_future(cached.athink(REQUEST))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    thinker.go_on.set()
    assert (await second).thoughts
    assert (await cached.athink(REQUEST)).status == "cached"
    assert len(thinker.asked) == 1


class HangingInLoops(Hanging):
    """Answers at once, but for event loops."""

    def think(self, request: ThinkRequest) -> ThinkResult:
        self._begin()
        return Counting().think(request)


def test_a_loop_that_ends_in_the_middle_leaves_the_thought_to_the_next(
    tmp_path, monkeypatch
) -> None:
    thinker = HangingInLoops()
    cached = Cached(thinker, tmp_path)
    joins, join = [], cached._join

    def joined(key: str):
        joins.append(key)
        return join(key)

    monkeypatch.setattr(cached, "_join", joined)

    async def give_up() -> None:
        task = asyncio.ensure_future(cached.athink(REQUEST))
        await auntil(lambda: len(joins) >= 2)  # the other waits for this thought
        task.cancel()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(asyncio.run, give_up())
        until(lambda: thinker.begun == 1)
        assert cached.think(REQUEST).status == "ok"  # and not after all its time
        ended.result(PATIENCE_S)
    assert thinker.begun == 2


def test_a_thought_that_hangs_for_long_is_thought_anew(tmp_path, monkeypatch) -> None:
    thinker = Hanging()
    cached = Cached(thinker, tmp_path)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(cached.think, REQUEST)]
        until(lambda: thinker.begun == 1)
        monkeypatch.setattr(caching, "PATIENCE_S", 0.0)  # from now on that one has taken too long
        waiting.append(pool.submit(cached.think, REQUEST))
        try:
            until(lambda: thinker.begun == 2)
        finally:
            thinker.freed.set()
        assert [each.result(PATIENCE_S).status for each in waiting] == ["timeout", "timeout"]


async def test_a_file_that_is_in_use_does_not_stop_the_loop(tmp_path, monkeypatch) -> None:
    file, thinker = tmp_path / "c.sqlite", Held()
    cached = Cached(thinker, file)
    Cached(Counting(), file).think(replace(REQUEST, query="another"))
    writing, put = threading.Event(), cached._file.put

    def watched(*given: object) -> None:
        writing.set()
        put(*given)

    monkeypatch.setattr(cached._file, "put", watched)
    task = asyncio.ensure_future(cached.athink(REQUEST))
    await auntil(thinker.begun.is_set)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    thinker.go_on.set()
    await auntil(writing.is_set)
    # A loop that stood still would come here when SQLite has waited in vain, and nothing is kept.
    other.close()
    assert (await task).status == "ok"
    assert (await cached.athink(REQUEST)).status == "cached"
