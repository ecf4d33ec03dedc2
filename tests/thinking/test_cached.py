"""Each thought is thought once, kept for its owner alone, and never stands in the way."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from thinkers import Counting, Hanging, Raising, Returning

from trivet.errors import InvalidInputError
from trivet.thinking import Cached, ThinkRequest, WritingThinker, caching
from trivet.thinking.templates import template_for

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


def test_templates_of_ones_own_are_part_of_the_key_in_every_task(tmp_path) -> None:
    def templates(version: str):
        changed = {"qa": replace(template_for("qa"), version=version)}
        return lambda task: changed.get(task, template_for(task))

    answer = "PASSAGE: The anchor and its chain keep the ship in place."
    request = replace(REQUEST, task="qa")
    for version, status in (("1", "ok"), ("1", "cached"), ("2", "ok")):
        thinker = WritingThinker(lambda prompt: answer, name="m", templates=templates(version))
        result = Cached(thinker, tmp_path).think(replace(request, kinds=("passage",)))
        assert result.status == status


def test_tenants_that_ask_at_the_same_time_share_nothing(tmp_path) -> None:
    thinker = Counting(seconds=0.2)
    cached = Cached(thinker, tmp_path)
    asking = [replace(REQUEST, tenant=name) for name in ("ann", "bob", "ann", "bob", None, "")]
    with ThreadPoolExecutor(len(asking)) as pool:
        results = list(pool.map(cached.think, asking))
    assert all(result.thoughts for result in results)
    assert sorted(str(each.tenant) for each in thinker.asked) == ["", "None", "ann", "bob"]


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


async def test_a_first_one_that_is_cancelled_still_thinks_for_the_others(tmp_path) -> None:
    thinker = Counting(seconds=0.4)
    cached = Cached(thinker, tmp_path)
    first = asyncio.ensure_future(cached.athink(REQUEST))
    await asyncio.sleep(0.1)
    second = asyncio.ensure_future(cached.athink(REQUEST))
    await asyncio.sleep(0.1)
    first.cancel()
    assert (await second).thoughts
    assert (await cached.athink(REQUEST)).status == "cached"
    assert len(thinker.asked) == 1


def test_a_loop_that_ends_in_the_middle_leaves_the_thought_to_the_next(tmp_path) -> None:
    thinker = Counting(seconds=0.5)
    cached = Cached(thinker, tmp_path)
    begun = threading.Event()

    async def give_up() -> None:
        task = asyncio.ensure_future(cached.athink(REQUEST))
        while not thinker.asked:
            await asyncio.sleep(0.01)
        begun.set()
        await asyncio.sleep(0.2)
        task.cancel()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(asyncio.run, give_up())
        assert begun.wait(10)
        assert cached.think(REQUEST).status == "ok"  # not after five seconds of waiting
        ended.result(10)
    assert len(thinker.asked) == 2


@pytest.mark.parametrize("result", [None, "a text"])
async def test_a_thinker_that_gives_back_no_result_stands_in_nobodys_way(tmp_path, result) -> None:
    cached = Cached(Returning(result), tmp_path)
    for _ in range(2):  # the second waits for nobody
        assert cached.think(REQUEST).status == "error"
        assert (await cached.athink(REQUEST)).status == "error"
    assert "expected a ThinkResult" in cached.think(REQUEST).reason


def test_a_thought_that_hangs_for_long_is_thought_anew(tmp_path, monkeypatch) -> None:
    thinker = Hanging()
    cached = Cached(thinker, tmp_path)
    monkeypatch.setattr(caching, "PATIENCE_S", 0.1)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(cached.think, REQUEST)]
        while thinker.begun < 1:
            pass
        threading.Event().wait(0.2)
        waiting.append(pool.submit(cached.think, REQUEST))
        deadline = time.monotonic() + 5
        while thinker.begun < 2 and time.monotonic() < deadline:
            pass
        thinker.freed.set()
        assert thinker.begun == 2
        assert [each.result(10).status for each in waiting] == ["timeout", "timeout"]


async def test_a_file_that_is_in_use_does_not_stop_the_loop(tmp_path) -> None:
    file = tmp_path / "c.sqlite"
    cached = Cached(Counting(seconds=0.3), file)
    cached.think(replace(REQUEST, query="another"))
    task = asyncio.ensure_future(cached.athink(REQUEST))
    await asyncio.sleep(0.15)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    turns = 0
    while not task.done():
        turns += 1
        await asyncio.sleep(0.01)
        if turns == 60:  # a loop that stands still never comes here: SQLite waits for five seconds
            other.close()
    assert turns >= 60
    assert (await task).status == "ok"
    assert (await cached.athink(REQUEST)).status == "cached"


def test_what_is_too_old_is_deleted_without_being_asked(tmp_path) -> None:
    old = Cached(Counting("unmistakable words about anchors and tides"), tmp_path, ttl_s=0.01)
    old.think(REQUEST)
    time.sleep(0.05)
    Cached(Counting(), tmp_path, ttl_s=0.01).think(replace(REQUEST, query="another"))
    assert b"unmistakable" not in (tmp_path / "thoughts.sqlite").read_bytes()


async def test_a_part_of_what_was_wanted_is_remembered_too(tmp_path) -> None:
    prompts: list[str] = []

    def write(prompt: str) -> str:
        prompts.append(prompt)
        return "PASSAGE: An anchor and its chain hold the ship against wind and tide."

    cached = Cached(WritingThinker(write, name="writer"), tmp_path)
    assert cached.think(REQUEST).status == "partial"
    assert cached.think(REQUEST).thoughts
    assert (await cached.athink(REQUEST)).status == "cached"
    assert len(prompts) == 1
