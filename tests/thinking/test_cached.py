"""Each thought is thought once, and kept for its owner alone."""

from __future__ import annotations

import sqlite3
import stat
import time
from dataclasses import replace

import pytest
from thinkers import Counting, Raising, Returning
from waiting import PATIENCE_S

from trivet.errors import InvalidInputError
from trivet.thinking import Cached, ThinkRequest, WritingThinker, caching
from trivet.thinking.templates import template_for

REQUEST = ThinkRequest("what keeps a ship in place", deadline_s=PATIENCE_S)


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
    later_s = 0.0
    thinker = Counting()
    cached = Cached(thinker, tmp_path, ttl_s=1e6, clock=lambda: time.time() + later_s)
    cached.think(REQUEST)
    later_s = 5e5
    assert cached.think(REQUEST).status == "cached"
    later_s = 15e5
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


@pytest.mark.parametrize("result", [None, "a text"])
async def test_a_thinker_that_gives_back_no_result_stands_in_nobodys_way(tmp_path, result) -> None:
    cached = Cached(Returning(result), tmp_path)
    for _ in range(2):  # the second waits for nobody
        assert cached.think(REQUEST).status == "error"
        assert (await cached.athink(REQUEST)).status == "error"
    assert "expected a ThinkResult" in cached.think(REQUEST).reason


def test_what_is_too_old_is_deleted_without_being_asked(tmp_path) -> None:
    old = Cached(Counting("unmistakable words about anchors and tides"), tmp_path)
    old.think(REQUEST)
    later = time.time() + 2 * caching.TTL_S
    new = Cached(Counting(), tmp_path, clock=lambda: later)
    new.think(replace(REQUEST, query="another"))
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
