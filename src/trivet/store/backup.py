"""Backups: the files of an open index, copied, and the checksums to restore them by."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any

from trivet.errors import IndexDamagedError, InvalidInputError, NotAnIndexError, StoreError
from trivet.store.copying import copy_file, copy_folder, hash_file
from trivet.store.folder import BACKUP_FILE, JOURNAL_FILE
from trivet.store.manifest import MANIFEST_FILE, sync_folder, write_manifest
from trivet.store.room import require_room
from trivet.store.sqlite_journal import SqliteJournal
from trivet.store.store import Store

FORMAT = 1


def back_up(store: Store, target: Path) -> None:
    """Copy an index to another folder, as it is at one moment; writers wait, searches go on.

    Args:
        store: of an index in a folder.
        target: a folder that is not there, or is empty.

    Raises:
        InvalidInputError: the store is in no folder, or the target is within the index's.
        StoreError: the target holds something, or cannot be written.
    """
    folder = store.folder
    if folder is None:
        raise InvalidInputError(
            f"expected an index in a folder to back up, got one in {store.engine.name}: of one "
            "on a server, trivet.Snapshots(url).take() makes a snapshot"
        )
    if target.resolve().is_relative_to(folder.resolve()):
        raise InvalidInputError(f"expected a target outside of the index {folder}, got {target}")
    with _appearing(target, "back the index up to") as part, store.writing:
        store.recover()
        store.drop_scratch()
        store.engine.flush()
        require_room(part, store.size_bytes())
        assert isinstance(store.journal, SqliteJournal)  # that of a folder
        store.journal.copy_to(part / JOURNAL_FILE)
        write_manifest(part, store.manifest)
        digests = {name: hash_file(part / name) for name in (JOURNAL_FILE, MANIFEST_FILE)}
        shard = store.manifest.shard
        (part / shard).parent.mkdir(parents=True)
        copied = copy_folder(folder / shard, part / shard)
        digests.update({f"{shard}/{name}": digest for name, digest in copied.items()})
        _write_list(part, digests)


def restore_folder(backup: Path, target: Path) -> None:
    """Make an index of a backup.

    Args:
        backup: what `back_up` made; it is only read.
        target: a folder that is not there, or is empty.

    Raises:
        NotAnIndexError: no backup.
        IndexDamagedError: a file of it is missing or not as it was written; nothing was made.
        StoreError: the target holds something, or cannot be written.
    """
    digests = _read_list(backup)
    with _appearing(target, "restore the backup to") as part:
        require_room(part, sum(_size_bytes(backup, name) for name in digests))
        for name, digest in digests.items():
            copied = part / name
            copied.parent.mkdir(parents=True, exist_ok=True)
            if copy_file(backup / name, copied) != digest:
                raise IndexDamagedError(
                    f"expected {backup / name} as it was written, got other bytes: the backup is "
                    "damaged; use another one"
                )
        for inner in part.rglob("*"):
            if inner.is_dir():
                sync_folder(inner)


@contextmanager
def _appearing(target: Path, action: str) -> Iterator[Path]:
    """A folder beside the target that gets its name when everything is in it, or is deleted."""
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise StoreError(f"cannot {action} {target}: expected no such path or an empty folder")
        part.mkdir(parents=True)
        yield part
        sync_folder(part)
        if target.exists():
            target.rmdir()
        part.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(f"cannot {action} {target}: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_list(part: Path, digests: Mapping[str, str]) -> None:
    """Write the checksums; last, so that a folder with them is whole."""
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    listed = {"format": FORMAT, "created": created, "files": dict(digests)}
    scratch = part / f"{BACKUP_FILE}.new"
    scratch.write_text(json.dumps(listed, indent=1), "utf-8")
    copy_file(scratch, part / BACKUP_FILE)
    scratch.unlink()


def _read_list(backup: Path) -> dict[str, str]:
    path = backup / BACKUP_FILE
    if not path.is_file():
        raise NotAnIndexError(
            f"expected a backup with a {BACKUP_FILE}, got {backup} without: back an index up first"
        )
    try:
        listed: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if listed["format"] != FORMAT:
            raise ValueError(f"expected format {FORMAT}, got {listed['format']!r}")
        digests = {str(name): str(digest) for name, digest in listed["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexDamagedError(f"cannot read {path} ({error!r}): use another backup") from error
    for name in digests:
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or PurePosixPath(name).is_absolute():
            raise IndexDamagedError(f"expected names inside the backup in {path}, got {name!r}")
    return digests


def _size_bytes(backup: Path, name: str) -> int:
    try:
        return (backup / name).stat().st_size
    except OSError as error:
        raise IndexDamagedError(
            f"expected {name} in the backup {backup}, got none ({error}): use another one"
        ) from error
