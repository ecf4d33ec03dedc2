"""An index in a folder (Qdrant Edge), or in memory: making, opening and locking it."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from trivet.errors import (
    IndexDamagedError,
    IndexLockedError,
    InvalidInputError,
    NotAnIndexError,
    StoreError,
)
from trivet.store.engine import Engine
from trivet.store.journal import Journal
from trivet.store.manifest import (
    MANIFEST_FILE,
    LexicalState,
    Manifest,
    holds_index,
    read_manifest,
    write_manifest,
)
from trivet.store.sqlite_journal import SqliteJournal
from trivet.store.storage import Storage
from trivet.store.store import Store
from trivet.store.upgrading import settle
from trivet.types import Mode, Space

LOCK_FILE = "lock"
OWNER_FILE = "lock.owner"
JOURNAL_FILE = "journal.sqlite"
BACKUP_FILE = "backup.json"
OWN_FILES = {LOCK_FILE, OWNER_FILE, f"{MANIFEST_FILE}.new"}


def new_manifest(
    model: str,
    recipe: Mapping[str, Any],
    spaces: Mapping[Mode, Space],
    chunk_tokens: int,
    lexical: LexicalState | None,
    *,
    tenants: bool = False,
    storage: Storage = "full",
) -> Manifest:
    """The manifest of an index that is about to be made."""
    return Manifest(
        namespace=uuid.uuid4(),
        model=model,
        recipe=recipe,
        spaces=dict(spaces),
        chunk_tokens=chunk_tokens,
        lexical=lexical,
        shard="shards/0",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tenants=tenants,
        storage=storage,
    )


def create_in_memory(manifest: Manifest) -> Store:
    """A store that is gone when the process ends.

    Raises:
        InvalidInputError: a storage that makes vectors small: this engine compares originals only.
    """
    from trivet.store.memory import MemoryEngine

    if manifest.storage != "full":
        raise InvalidInputError(
            f"expected storage='full' in memory, where every vector is compared as it is, got "
            f"{manifest.storage!r}: leave storage out, or open a folder or a server"
        )
    engine = MemoryEngine(list(manifest.spaces.values()))
    return Store(
        engine,
        SqliteJournal(None, new=True),
        manifest,
        save_manifest=lambda _: None,
        release=lambda: None,
    )


def check_location(folder: Path) -> None:
    """Refuse a path where an index can be neither opened nor made.

    Raises:
        NotAnIndexError: a file, or a folder that holds other things.
    """
    try:
        there = folder.exists()
    except (OSError, ValueError) as error:
        raise NotAnIndexError(
            f"expected a path of a folder, got {str(folder)!r}: {error}"
        ) from error
    if there and not folder.is_dir():
        raise NotAnIndexError(f"expected a folder for the index, got the file {folder}")
    if (folder / BACKUP_FILE).is_file():
        raise NotAnIndexError(
            f"expected an index, got the backup {folder}: restore it to another folder first "
            f"(trivet restore {folder} --index DIR)"
        )
    if folder.is_dir() and not holds_index(folder):
        foreign = sorted(p.name for p in folder.iterdir() if not _is_ours(p.name))
        if foreign:
            raise NotAnIndexError(
                f"expected an index or an empty folder, got {folder} with {foreign[0]!r} in it "
                f"({len(foreign)} entries) and no store.json: give another path"
            )


def create_in_folder(folder: Path, manifest: Manifest) -> Store:
    """Make an index in a folder that is empty or not there.

    The manifest is written last: a folder that a crash left without one is made again.
    """
    from trivet.store.edge import EdgeEngine
    from trivet.store.shards import new_shard

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder {folder}: {error}") from error
    with ExitStack() as stack:
        lock = lock_folder(folder)
        stack.callback(lock.release)
        if holds_index(folder):
            raise IndexLockedError(
                f"{folder} became an index while it was being made here: open it again"
            )
        journal = SqliteJournal(folder / JOURNAL_FILE, new=True)
        stack.callback(journal.close)
        if journal.totals().documents:
            raise IndexDamagedError(
                f"expected {folder} to be empty, got an index with documents and no store.json: "
                "restore that file from a backup, or give another path"
            )
        # A shard that a crash left half made is passed over, not repaired.
        manifest = replace(manifest, shard=new_shard())
        spaces = list(manifest.spaces.values())
        engine = EdgeEngine.create(folder / manifest.shard, spaces, manifest.storage)
        stack.callback(engine.close)
        for path, kind in manifest.payload_indexes.items():
            engine.create_index(path, kind)
        write_manifest(folder, manifest)
        stack.pop_all()
    return assembled(folder, lock, engine, journal, manifest)


def open_folder(folder: Path) -> Store:
    """Open the index in a folder, and finish or take back what a crash left open.

    Raises:
        IndexLockedError: another process or `Index` holds it.
        NotAnIndexError, IndexDamagedError: see `read_manifest`.
    """
    from trivet.store.shards import drop_leftovers, load_engine

    with ExitStack() as stack:
        lock = lock_folder(folder)
        stack.callback(lock.release)
        engine, manifest = load_engine(folder, read_manifest(folder))
        stack.callback(engine.close)
        journal = SqliteJournal(folder / JOURNAL_FILE, new=False)
        stack.callback(journal.close)
        store = assembled(folder, lock, engine, journal, manifest)
        store.recover()
        store.drop_scratch()
        settle(store)
        drop_leftovers(folder, manifest)
        stack.pop_all()
    return store


def assembled(
    folder: Path, lock: FileLock, engine: Engine, journal: Journal, manifest: Manifest
) -> Store:
    """The store of a locked folder; what a crash left open is not finished yet."""
    return Store(
        engine,
        journal,
        manifest,
        save_manifest=lambda changed: write_manifest(folder, changed),
        release=lock.release,
        folder=folder,
    )


def _is_ours(name: str) -> bool:
    """Whether a crash while an index was being made can have left this behind."""
    return name in OWN_FILES or name.split("-")[0] == JOURNAL_FILE or name == "shards"


def lock_folder(folder: Path) -> FileLock:
    """Take the folder's lock; the operating system drops it when the process dies."""
    # Taken by one thread and released by another: an index may be closed anywhere.
    lock = FileLock(folder / LOCK_FILE, is_singleton=False, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise IndexLockedError(
            f"the index {folder} is held by {_owner(folder)}: close it there first; to serve "
            "several processes at once, use a Qdrant server"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot lock the folder {folder}: {error}") from error
    owner = {"pid": os.getpid(), "host": socket.gethostname()}
    try:
        (folder / OWNER_FILE).write_text(json.dumps(owner), "utf-8")
    except OSError as error:
        lock.release()
        raise StoreError(f"cannot write into the folder {folder}: {error}") from error
    return lock


def _owner(folder: Path) -> str:
    try:
        owner = json.loads((folder / OWNER_FILE).read_text("utf-8"))
        pid, host = int(owner["pid"]), str(owner["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
    return "this process" if pid == os.getpid() else f"process {pid} on {host}"
