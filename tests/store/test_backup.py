"""A backup is the index at one moment; what is restored from it is that index, or an error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from indexes import anchors, contents, index_of, make_index, put, require_clean

import trivet
from trivet.errors import IndexDamagedError, InvalidInputError, NotAnIndexError, StoreError
from trivet.store.copying import copy_file, copy_folder

TEXTS = anchors(200)
IDS = list(TEXTS)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[trivet.Index]:
    with index_of(tmp_path / "index", TEXTS) as index:
        yield index


@pytest.fixture
def backup(index: trivet.Index, tmp_path: Path) -> Path:
    index.backup(tmp_path / "backup")
    return tmp_path / "backup"


def test_a_backup_is_the_index_at_one_moment(
    index: trivet.Index, backup: Path, tmp_path: Path
) -> None:
    index.delete(["1"])
    put(index, {"2": "changed", "new": "a keel"})
    trivet.restore(backup, tmp_path / "restored")
    with trivet.open(tmp_path / "restored") as restored:
        assert contents(restored, [*IDS, "new"]) == TEXTS
        require_clean(restored)
        assert restored.search("anchor 7", modes=["sparse"])[0].id == "7"
        put(restored, {"3": "its own life"})
        assert restored.delete(["4"]) == 1
    # One backup can be restored many times.
    trivet.restore(backup, tmp_path / "second")
    with trivet.open(tmp_path / "second") as second:
        assert contents(second, IDS) == TEXTS
    assert index.count() == 200


def test_a_backup_while_documents_come_in_holds_whole_documents(
    index: trivet.Index, tmp_path: Path
) -> None:
    stop = threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            put(index, {f"new {n}": f"keel {n}", str(n % 100): f"changed {n}"})
            n += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(3):
            index.backup(tmp_path / f"backup {n}")
    finally:
        stop.set()
        writer.join()
    require_clean(index)
    for n in range(3):
        trivet.restore(tmp_path / f"backup {n}", tmp_path / f"restored {n}")
        with trivet.open(tmp_path / f"restored {n}") as restored:
            assert restored.count() >= 200
            require_clean(restored)


def test_a_backup_is_no_index_and_an_index_no_backup(
    index: trivet.Index, backup: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotAnIndexError, match="trivet restore"):
        trivet.open(backup)
    with pytest.raises(NotAnIndexError, match="trivet restore"):
        trivet.repair(backup)
    with pytest.raises(NotAnIndexError, match="expected a backup"):
        trivet.restore(tmp_path / "index", tmp_path / "new")
    with pytest.raises(NotAnIndexError, match="expected a backup"):
        trivet.restore(tmp_path / "none", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(index: trivet.Index, backup: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "cat.jpg").write_bytes(b"meow")
    (tmp_path / "file").write_text("a file")
    for target in ("full", "file", "backup"):
        with pytest.raises(StoreError, match="empty folder"):
            index.backup(tmp_path / target)
        with pytest.raises(StoreError, match="empty folder"):
            trivet.restore(backup, tmp_path / target)
    with pytest.raises(InvalidInputError, match="outside"):
        index.backup(tmp_path / "index" / "backup")
    with pytest.raises(InvalidInputError, match="folder"):
        index.backup(5)
    assert (tmp_path / "full" / "cat.jpg").read_bytes() == b"meow"
    (tmp_path / "empty").mkdir()
    index.backup(tmp_path / "empty")
    index.backup(tmp_path / "not" / "there")
    trivet.restore(tmp_path / "empty", tmp_path / "also" / "new")
    with trivet.open(tmp_path / "also" / "new") as restored:
        assert restored.count() == 200
    assert not list(tmp_path.rglob("*.part"))


def test_memory_has_no_backup(tmp_path: Path) -> None:
    with make_index(":memory:") as index, pytest.raises(InvalidInputError, match="in a folder"):
        index.backup(tmp_path / "backup")


def shorten(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [shorten, flip, Path.unlink])
@pytest.mark.parametrize("name", ["journal.sqlite", "store.json", "segment.json"])
def test_a_damaged_backup_is_not_restored(
    backup: Path, tmp_path: Path, damage: Callable[[Path], None], name: str
) -> None:
    damage(next(backup.rglob(name)))
    with pytest.raises(IndexDamagedError):
        trivet.restore(backup, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"format": 9, "files": {}}', '{"format": 1}',
     '{"format": 1, "files": {"../x": "0"}}', '{"format": 1, "files": {"/etc/passwd": "0"}}'],
)  # fmt: skip
def test_a_list_of_files_that_was_changed_is_refused(
    backup: Path, tmp_path: Path, content: str
) -> None:
    (backup / "backup.json").write_text(content)
    with pytest.raises(IndexDamagedError):
        trivet.restore(backup, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_a_process_that_dies_in_between_leaves_no_half(
    index: trivet.Index, backup: Path, tmp_path: Path, verb: str
) -> None:
    index.close()
    call = {
        "backup": "trivet.open(sys.argv[1]).backup(sys.argv[3])",
        "restore": "trivet.restore(sys.argv[2], sys.argv[3])",
    }[verb]
    program = f"""
import os, signal, sys, trivet
from trivet.store import backup as module, copying
copied = copying.copy_file
def dying(source, target):
    if source.name == "segment.json":
        os.kill(os.getpid(), signal.SIGKILL)
    return copied(source, target)
module.copy_file = copying.copy_file = dying
{call}
"""
    places = [str(tmp_path / name) for name in ("index", "backup", "target")]
    done = subprocess.run([sys.executable, "-c", program, *places])
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "target").exists()
    with trivet.open(tmp_path / "index") as reopened:
        assert contents(reopened, IDS) == TEXTS
        reopened.backup(tmp_path / "after")
    trivet.restore(backup, tmp_path / "target")
    with trivet.open(tmp_path / "target") as restored:
        assert contents(restored, IDS) == TEXTS


def test_the_checksums_are_those_of_the_files(backup: Path) -> None:
    import hashlib

    listed = json.loads((backup / "backup.json").read_text())["files"]
    there = {
        path.relative_to(backup).as_posix()
        for path in backup.rglob("*")
        if path.is_file() and path.name != "backup.json"
    }
    assert set(listed) == there
    for name, digest in listed.items():
        assert hashlib.sha256((backup / name).read_bytes()).hexdigest() == digest


def test_holes_stay_holes_and_bytes_stay_bytes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    with (source / "inner" / "sparse").open("wb") as file:
        file.write(b"head")
        file.seek(10 << 20)
        file.write(b"middle")
        file.truncate(20 << 20)
    (source / "empty").touch()
    (source / "odd").write_bytes(os.urandom((1 << 20) + 7))
    digests = copy_folder(source, tmp_path / "copy")
    assert set(digests) == {"empty", "odd", "inner/sparse"}
    for name in digests:
        assert (tmp_path / "copy" / name).read_bytes() == (source / name).read_bytes()
    copied = (tmp_path / "copy" / "inner" / "sparse").stat()
    assert copied.st_size == 20 << 20
    assert copied.st_blocks * 512 < 5 << 20
    assert copy_file(source / "odd", tmp_path / "again") == digests["odd"]
