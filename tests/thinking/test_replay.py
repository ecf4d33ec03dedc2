"""What is recorded is replayed, and a file that is wrong is refused at the door."""

from __future__ import annotations

import hashlib
import json
import stat

import pytest
from thinkers import Counting, Raising

from trivet.errors import InvalidInputError
from trivet.thinking import Recording, Replay, ThinkRequest, WritingThinker

ANSWER = "PASSAGE: Kedges are light anchors for warping a ship.\nKEYWORDS: kedge, anchor, warping"
REQUEST = ThinkRequest("what is a kedge ⚓")


def row(query: str, **changes: object) -> dict[str, object]:
    return {
        "_id": "1",
        "query_sha256": hashlib.sha256(query.encode()).hexdigest(),
        "thought": "A kedge is a light anchor.",
        "keywords": "kedge, anchor",
        "kind": "passage+keywords",
        **changes,
    }


def write(path, *rows: object) -> str:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), "utf-8")
    return str(path)


async def test_thoughts_are_found_by_the_querys_checksum(tmp_path) -> None:
    replay = Replay(write(tmp_path / "t.jsonl", row(REQUEST.query)))
    result = replay.think(REQUEST)
    assert result == await replay.athink(REQUEST)
    assert [(t.kind, t.text) for t in result.thoughts] == [
        ("passage", "A kedge is a light anchor."),
        ("keywords", "kedge, anchor"),
    ]
    assert result.status == "ok"
    assert result.usage.calls == 0


def test_a_passage_alone_has_no_keywords(tmp_path) -> None:
    replay = Replay(write(tmp_path / "t.jsonl", row(REQUEST.query, kind="passage")))
    assert [t.kind for t in replay.think(REQUEST).thoughts] == ["passage"]


def test_several_lines_of_a_query_are_several_thoughts(tmp_path) -> None:
    other = row(REQUEST.query, thought="Warping moves a ship by its kedge.", kind="passage")
    replay = Replay(write(tmp_path / "t.jsonl", row(REQUEST.query), other))
    assert len(replay.think(REQUEST).thoughts) == 3


@pytest.mark.parametrize(("on_miss", "status"), [("skip", "skipped"), ("error", "error")])
def test_a_query_that_is_missing_is_skipped_or_an_error(tmp_path, on_miss, status) -> None:
    replay = Replay(write(tmp_path / "t.jsonl", row("another")), on_miss=on_miss)
    result = replay.think(REQUEST)
    assert (result.status, result.thoughts) == (status, ())
    assert result.reason


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '"text"', "{}", json.dumps(row("q", kind="poem")), json.dumps(row("q", thought=7)),
     json.dumps(row("q", keywords=["a"])), json.dumps(row("q", query_sha256=None)), "\x00"],
)  # fmt: skip
def test_a_line_that_is_wrong_is_named(tmp_path, line: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(row("q")) + "\n" + line + "\n")
    with pytest.raises(InvalidInputError, match="line 2"):
        Replay(path)


def test_a_file_that_is_not_there_and_a_choice_that_is_none_are_refused(tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="file of thoughts"):
        Replay(tmp_path / "none.jsonl")
    with pytest.raises(InvalidInputError, match="on_miss"):
        Replay(write(tmp_path / "t.jsonl"), on_miss="shrug")
    with pytest.raises(InvalidInputError, match="written"):
        Recording(Raising(), tmp_path / "no" / "folder")


async def test_what_is_recorded_is_replayed(tmp_path) -> None:
    path = tmp_path / "thoughts.jsonl"
    recording = Recording(WritingThinker(lambda prompt: ANSWER, name="m"), path)
    first = recording.think(REQUEST)
    second = await recording.athink(ThinkRequest("another query"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert REQUEST.query not in path.read_text("utf-8")
    replay = Replay(path, on_miss="error")
    assert replay.think(REQUEST).thoughts == first.thoughts
    assert replay.think(ThinkRequest("another query")).thoughts == second.thoughts


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path) -> None:
    path = tmp_path / "thoughts.jsonl"
    path.touch(0o644)
    Recording(Counting(), path).think(REQUEST)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_failures_are_not_recorded(tmp_path) -> None:
    path = tmp_path / "thoughts.jsonl"

    def write_nothing(prompt: str) -> str:
        raise TimeoutError

    assert Recording(WritingThinker(write_nothing, name="m"), path).think(REQUEST).status == "error"
    assert path.read_text() == ""


def test_a_recording_that_fails_costs_no_thought(tmp_path) -> None:
    path = tmp_path / "thoughts.jsonl"
    recording = Recording(Counting(), path)
    path.unlink()
    path.mkdir()
    result = recording.think(REQUEST)
    assert result.thoughts
    assert "not recorded" in result.reason
