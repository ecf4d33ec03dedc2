"""A full disk, a folder that cannot be written, a manifest that was edited: errors, and no loss."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from indexes import anchors, contents, copy_index, index_of, make_index, put, require_clean, vectors

import trivet
from trivet.errors import IndexDamagedError, StoreError
from trivet.store import room
from trivet.types import Document

TEXTS = anchors(20)
IDS = list(TEXTS)
MEGABYTE = 1 << 20


@pytest.fixture
def index(tmp_path: Path) -> Iterator[trivet.Index]:
    with index_of(tmp_path / "index", TEXTS) as index:
        yield index


class Disk:
    """Says how much is free: so much, or what is next in a list."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free: int | list[int] = 10**12
        usage = type(shutil.disk_usage("/"))

        def disk_usage(path: object) -> Any:
            free = self.free
            if isinstance(free, list):
                free = free.pop(0) if len(free) > 1 else free[0]
            return usage(10**12, 10**12 - free, free)

        monkeypatch.setattr(room.shutil, "disk_usage", disk_usage)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_a_full_disk_refuses_writes_before_they_begin(index: trivet.Index, disk: Disk) -> None:
    disk.free = 20 * MEGABYTE
    with pytest.raises(StoreError, match=r"at least 67 MB free .* got 21 MB: nothing was written"):
        put(index, {"new": "a keel", "1": "changed"})
    with pytest.raises(StoreError, match="free some space"):
        index.delete(["1"])
    with pytest.raises(StoreError, match="free some space"):
        index.optimize(force=True)
    assert index._store.journal.pending() == []
    assert contents(index, IDS) == TEXTS
    assert index.search("anchor 7", modes=["sparse"])[0].id == "7"
    disk.free = 10**12
    put(index, {"new": "a keel", "1": "changed"})
    assert index.delete(["2"]) == 1
    require_clean(index)


def test_a_large_batch_needs_more_room_than_a_small_one(index: trivet.Index, disk: Disk) -> None:
    disk.free = 80 * MEGABYTE
    put(index, {"small": "a keel"})
    with pytest.raises(StoreError, match="free some space"):
        put(index, {"large": "keel " * 2 * MEGABYTE})
    assert index.get(["large"]) == []
    require_clean(index)


@pytest.mark.parametrize("fails_at", range(1, 6))
def test_a_disk_that_fills_up_in_the_middle_leaves_whole_documents(
    index: trivet.Index, disk: Disk, tmp_path: Path, fails_at: int
) -> None:
    changed = {"1": "changed", **{f"new {n}": f"keel {n}" for n in range(700)}}
    disk.free = [10**12] * fails_at + [MEGABYTE]
    with suppress(StoreError):
        put(index, changed)
    index.close()
    disk.free = MEGABYTE
    with suppress(StoreError):
        trivet.open(tmp_path / "index").close()
    disk.free = 10**12
    with trivet.open(tmp_path / "index") as again:
        stored = contents(again, [*IDS, *changed])
        assert {id: text for id, text in stored.items() if id in TEXTS} in (
            TEXTS,
            {**TEXTS, "1": "changed"},
        )
        report = again.verify()
        assert (report.broken, report.orphans) == ((), ())
        put(again, changed)
        assert contents(again, [*IDS, *changed]) == {**TEXTS, **changed}
        require_clean(again)


def test_a_backup_that_does_not_fit_is_refused(
    index: trivet.Index, disk: Disk, tmp_path: Path
) -> None:
    index.backup(tmp_path / "backup")
    disk.free = 20 * MEGABYTE
    with pytest.raises(StoreError, match="free some space"):
        index.backup(tmp_path / "second")
    with pytest.raises(StoreError, match="free some space"):
        trivet.restore(tmp_path / "backup", tmp_path / "second")
    assert [path.name for path in tmp_path.iterdir() if "second" in path.name] == []


@contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """The folder and all in it read-only, and we nobody in particular."""
    paths = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(65534)
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of POSIX")
def test_a_folder_that_cannot_be_written_is_refused(index: trivet.Index) -> None:
    index.close()
    # Not tmp_path: only its owner may enter it.
    with tempfile.TemporaryDirectory() as place:
        folder = copy_index(index._store.folder, Path(place) / "index")
        Path(place).chmod(0o755)
        with unprivileged(Path(place)):
            with pytest.raises(StoreError, match="cannot lock the folder"):
                trivet.open(folder)
            with pytest.raises(StoreError, match="cannot lock the folder"):
                trivet.repair(folder)
            with pytest.raises(StoreError, match="cannot make the folder"):
                make_index(Path(place) / "new")
        with trivet.open(folder) as again:
            assert contents(again, IDS) == TEXTS


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of POSIX")
def test_a_manifest_that_cannot_be_written_is_an_error_of_ours(
    index: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(StoreError, match=r"store\.json.*No space left"):
            index._store.become(replace(index._store.manifest, chunk_tokens=32))
    assert index._store.manifest.chunk_tokens == 64
    index._store.become(replace(index._store.manifest, chunk_tokens=32))


EDITS: dict[str, Any] = {
    "namespace": "12345678-1234-5678-1234-567812345678",
    "model": "another/model",
    "chunk_tokens": 5,
    "recipe": {"task": "tool"},
    "created": "1990-01-01T00:00:00+00:00",
    "scratch": "dense__12345678",
    "optimized": 7,
    "checksum": "0" * 64,
}


@pytest.mark.parametrize("name", EDITS)
def test_a_manifest_that_was_edited_is_refused(index: trivet.Index, name: str) -> None:
    index.close()
    path = index._store.folder / "store.json"
    stored = json.loads(path.read_text())
    assert stored[name] != EDITS[name]
    path.write_text(json.dumps({**stored, name: EDITS[name]}))
    with pytest.raises(IndexDamagedError, match="edited"):
        trivet.open(path.parent)
    with pytest.raises(IndexDamagedError, match="edited"):
        trivet.repair(path.parent)
    path.write_text(json.dumps(stored))
    with trivet.open(path.parent) as again:
        assert contents(again, IDS) == TEXTS


def test_the_manifest_of_another_index_is_refused(index: trivet.Index, tmp_path: Path) -> None:
    with make_index(tmp_path / "other") as other:
        put(other, {"x": "another anchor"})
    index.close()
    own = (tmp_path / "index" / "store.json").read_bytes()
    shutil.copy(tmp_path / "other" / "store.json", tmp_path / "index" / "store.json")
    with pytest.raises(IndexDamagedError, match="expected the engine's files"):
        trivet.open(tmp_path / "index")
    with pytest.raises(IndexDamagedError, match="expected the engine's files"):
        trivet.repair(tmp_path / "index")
    (tmp_path / "index" / "store.json").write_bytes(own)
    with trivet.open(tmp_path / "index") as again:
        assert contents(again, IDS) == TEXTS
        require_clean(again)


def test_one_bad_document_of_many_costs_itself_alone(
    index: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [Document(f"keel {n}", f"new {n}", metadata={"length": 6}) for n in range(10)]
    given = vectors([document.text for document in documents])
    given.dense.values[3] = float("nan")
    given.dense.values[7] = 0.0
    report = index.upsert(documents, representations=given)
    assert (report.added, [f.id for f in report.failed]) == (8, ["new 3", "new 7"])
    with pytest.raises(trivet.TrivetError, match="new 3"):
        index.upsert(documents, representations=given, on_error="raise")
    require_clean(index)
