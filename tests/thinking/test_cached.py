"""Each thought is thought once, kept for its owner alone, and never stands in the way."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from thinkers import Counting, Hanging, Raising

from trivet.errors import InvalidInputError
from trivet.thinking import Cached, ThinkRequest

REQUEST = ThinkRequest("what keeps a ship in place", deadline_s=5.0)


def test_a_second_question_is_not_thought_about_again(tmp_path) -> None:
    thinker = Counting()
    first = Cached(thinker, tmp_path / "c.sqlite").think(REQUEST)
    again = Cached(thinker, tmp_path / "c.sqlite").think(REQUEST)  # as another process would
    assert (first.status, again.status) == ("ok", "cached")
    assert again.thoughts == first.thoughts
    assert again.usage.calls == 0
    assert len(thinker.asked) == 1


@pytest.mark.parametrize(
    "changes",
    [{"tenant": "b"}, {"task": "qa"}, {"query": "another"}, {"kinds": ("passage",)},
     {"language": "German"}, {"max_tokens": 32}],
)  # fmt: skip
def test_whatever_changes_a_thought_is_part_of_its_key(tmp_path, changes) -> None:
    thinker = Counting()
    cached = Cached(thinker, tmp_path)
    cached.think(REQUEST)
    cached.think(replace(REQUEST, **changes))
    assert len(thinker.asked) == 2


def test_another_thinker_or_template_is_another_key_and_spaces_are_not(
    tmp_path, monkeypatch
) -> None:
    one, two = Counting(), Counting(fingerprint="other")
    Cached(one, tmp_path).think(REQUEST)
    Cached(two, tmp_path).think(REQUEST)
    Cached(one, tmp_path).think(replace(REQUEST, query="  what keeps a\n ship in place "))
    assert (len(one.asked), len(two.asked)) == (1, 1)
    from trivet.thinking import caching

    real = caching.template_for
    monkeypatch.setattr(caching, "template_for", lambda task: replace(real(task), version="2"))
    Cached(one, tmp_path).think(REQUEST)
    assert len(one.asked) == 2


def test_the_file_is_its_owners_alone_and_holds_no_query(tmp_path) -> None:
    Cached(Counting("secret words of a long enough passage"), tmp_path).think(REQUEST)
    file = tmp_path / "thoughts.sqlite"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"keeps a ship" not in file.read_bytes()


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path) -> None:
    file = tmp_path / "c.sqlite"
    file.touch(0o644)
    Cached(Counting(), file).think(REQUEST)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_thoughts_grow_old(tmp_path) -> None:
    now = [1e9]
    thinker = Counting()
    import time as clock_of_the_file

    real = clock_of_the_file.time
    cached = Cached(thinker, tmp_path, ttl_s=100.0, clock=lambda: real() + now[0] - 1e9)
    cached.think(REQUEST)
    now[0] += 50
    assert cached.think(REQUEST).status == "cached"
    now[0] += 100
    cached.prune()
    assert cached.think(REQUEST).status == "ok"
    assert len(thinker.asked) == 2


def test_clear_forgets_one_tenant_or_all_and_leaves_no_trace(tmp_path) -> None:
    thinker = Counting("unmistakable words about anchors and tides")
    cached = Cached(thinker, tmp_path)
    for tenant in ("a", "b"):
        cached.think(replace(REQUEST, tenant=tenant))
    cached.clear(tenant="a")
    assert cached.think(replace(REQUEST, tenant="a")).status == "ok"
    assert cached.think(replace(REQUEST, tenant="b")).status == "cached"
    cached.clear()
    assert b"unmistakable" not in (tmp_path / "thoughts.sqlite").read_bytes()


def test_failures_are_not_remembered(tmp_path) -> None:
    cached = Cached(Raising(), tmp_path)
    assert cached.think(REQUEST).status == "error"
    assert "on fire" in cached.think(REQUEST).reason


@pytest.mark.parametrize(
    "content", [b"this is no database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_a_damaged_file_is_begun_anew(tmp_path, content: bytes) -> None:
    file = tmp_path / "c.sqlite"
    file.write_bytes(content)
    thinker = Counting()
    cached = Cached(thinker, file)
    assert cached.think(REQUEST).status == "ok"
    assert cached.think(REQUEST).status == "cached"


def test_rows_of_somebody_else_are_thought_again(tmp_path) -> None:
    thinker = Counting()
    cached = Cached(thinker, tmp_path)
    cached.think(REQUEST)
    with sqlite3.connect(tmp_path / "thoughts.sqlite") as connection:
        connection.execute("UPDATE thoughts SET thoughts = '[{\"text\": 7}]'")
    connection.close()
    assert cached.think(REQUEST).status == "ok"


def test_a_file_that_cannot_be_used_is_done_without(tmp_path) -> None:
    thinker = Counting()
    cached = Cached(thinker, tmp_path / "no" / "such" / "folder" / "c.sqlite")
    assert [cached.think(REQUEST).status for _ in range(2)] == ["ok", "ok"]


def test_arguments_that_mean_nothing_are_refused(tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="ttl_s"):
        Cached(Counting(), tmp_path, ttl_s=0)
    with pytest.raises(InvalidInputError, match="path"):
        Cached(Counting(), None)


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
    short = replace(REQUEST, deadline_s=0.05)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cached.think, short)
        while not thinker.begun:
            pass
        assert cached.think(short).status == "timeout"
        assert thinker.begun == 1
        thinker.freed.set()
        first.result(10)


async def test_a_first_one_that_is_cancelled_leaves_nobody_waiting(tmp_path) -> None:
    cached = Cached(Hanging(), tmp_path)
    first = asyncio.ensure_future(cached.athink(REQUEST))
    await asyncio.sleep(0.2)
    second = asyncio.ensure_future(cached.athink(REQUEST))
    await asyncio.sleep(0.2)
    first.cancel()
    assert (await second).status == "timeout"
