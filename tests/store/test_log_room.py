"""An engine's log is small after closing, and nothing that was written is lost with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from indexes import contents, copy_index, make_index, put, require_clean

import trivet
from trivet.store import log_room
from trivet.store.log_room import log_bytes

TEXTS = {str(n): f"anchor {n} sail wind" for n in range(40)}


def shard_of(folder: Path) -> Path:
    [log] = folder.rglob("wal")
    return log.parent


def logged(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in (shard_of(folder) / "wal").iterdir())


def test_a_large_log_is_emptied_and_the_index_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    index = make_index(folder)
    put(index, TEXTS)
    assert b"sail wind" in logged(folder)
    monkeypatch.setattr(log_room, "WORTH_BYTES", 1)
    index.close()
    monkeypatch.undo()
    assert b"sail wind" not in logged(folder)
    assert log_bytes(shard_of(folder)) <= 4 << 20

    again = trivet.open(folder)
    assert contents(again, list(TEXTS)) == TEXTS
    put(again, {"new": "a keel and a rudder", "3": "changed"})
    again.delete(["5"])
    again.close()
    last = trivet.open(folder)
    left = {**TEXTS, "new": "a keel and a rudder", "3": "changed"}
    del left["5"]
    assert contents(last, [*TEXTS, "new"]) == left
    require_clean(last)
    last.close()


def test_a_small_log_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    index = make_index(folder)
    put(index, TEXTS)
    before = {f.name: f.stat().st_ino for f in (shard_of(folder) / "wal").iterdir()}
    index.close()
    assert {
        f.name: f.stat().st_ino for f in (shard_of(folder) / "wal").iterdir() if f.name in before
    } == before


class Panic(BaseException):
    """As the engine's, which is no `Exception`."""


@pytest.mark.parametrize("error", [OSError(28, "no space left"), Panic("no space left")], ids=repr)
@pytest.mark.parametrize("step", ["_push_out", "copy_file"])
def test_a_log_that_cannot_be_emptied_does_not_keep_an_index_from_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog, step: str, error: BaseException
) -> None:
    folder = tmp_path / "index"
    index = make_index(folder)
    put(index, TEXTS)

    def fail(*arguments: object) -> None:
        if step == "copy_file":
            Path(str(arguments[1])).write_bytes(b"half")
        raise error

    monkeypatch.setattr(log_room, "WORTH_BYTES", 1)
    monkeypatch.setattr(log_room, "EMPTY_OPERATIONS", 1)
    monkeypatch.setattr(log_room, step, fail)
    index.close()
    monkeypatch.undo()
    assert "stays as large as it is" in caplog.text
    assert not (shard_of(folder) / "wal.new").exists()
    again = trivet.open(folder)  # the engine's files are held by nobody
    assert contents(again, list(TEXTS)) == TEXTS
    require_clean(again)
    again.close()


@pytest.mark.parametrize("operations", [1, 11])
def test_a_death_while_the_log_is_emptied_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operations: int
) -> None:
    index = make_index(tmp_path / "index")
    put(index, TEXTS)
    monkeypatch.setattr(log_room, "EMPTY_OPERATIONS", operations)
    log_room._push_out(index._store.engine._shard)
    folder = copy_index(tmp_path / "index", tmp_path / "copy")  # as a dead process leaves it
    index.close()
    again = trivet.open(folder)
    assert contents(again, list(TEXTS)) == TEXTS
    put(again, {"3": "changed"})
    require_clean(again)
    again.close()
    last = trivet.open(folder)
    assert contents(last, list(TEXTS)) == {**TEXTS, "3": "changed"}
    require_clean(last)
    last.close()
