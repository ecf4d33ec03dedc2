"""Puts the index in a folder right again, from whatever of it can still be read."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeAlias

from trivet.errors import IndexDamagedError
from trivet.reports import RepairReport
from trivet.store.engine import Engine
from trivet.store.folder import JOURNAL_FILE, assembled, lock_folder
from trivet.store.manifest import Manifest, read_manifest, sync_folder
from trivet.store.points import Chunk, point_id
from trivet.store.shards import drop_leftovers, load_engine
from trivet.store.sqlite_journal import SqliteJournal
from trivet.store.store import Store
from trivet.store.verifying import read_chunk, verify_store

logger = logging.getLogger(__name__)

CountTerms: TypeAlias = Callable[[Sequence[Chunk]], Sequence[int]]

REBUILT_FILE = f"{JOURNAL_FILE}.rebuilt"

# Every chunk of a document says how many there are: a document whose chunks are all there, in one
# revision, is whole.
_CHUNKS_TABLE = """
CREATE TEMP TABLE chunks (
    document TEXT, sequence INTEGER, digest TEXT, chunks INTEGER, revision INTEGER, terms INTEGER,
    PRIMARY KEY (document, sequence)
) WITHOUT ROWID
"""
_ADOPT_WHOLE_DOCUMENTS = """
INSERT INTO documents (id, digest, chunks, revision, terms)
SELECT document, min(digest), count(*), min(revision), sum(terms) FROM chunks GROUP BY document
HAVING count(*) = min(chunks) AND count(*) = max(chunks) AND count(*) = max(sequence) + 1
   AND min(sequence) = 0 AND min(digest) = max(digest) AND min(revision) = max(revision)
"""
_LEFT_OVER = "SELECT DISTINCT document FROM chunks WHERE document NOT IN (SELECT id FROM documents)"


def repair_folder(folder: Path, count_terms: CountTerms | None) -> tuple[Store, RepairReport]:
    """Open the index in a folder as `open_folder` does, whatever state it is in.

    Unfinished writes are finished or taken back, points that belong to no document are deleted,
    and so are documents that are not whole. A journal that cannot be read is written anew from
    what the engine holds.

    Args:
        folder: of the index.
        count_terms: chunks → their lengths in BM25's terms; None without a BM25 leg.

    Returns:
        The store, open, and what was done.

    Raises:
        NotAnIndexError, IndexLockedError: as `open_folder`.
        IndexDamagedError: the manifest or the engine's own files cannot be read.
    """
    with ExitStack() as stack:
        lock = lock_folder(folder)
        stack.callback(lock.release)
        engine, manifest = load_engine(folder, read_manifest(folder))
        stack.callback(engine.close)
        lost: list[str] = []
        path = folder / JOURNAL_FILE
        is_readable = _is_readable(path)
        if not is_readable:
            lost = _rebuild_journal(path, engine, manifest, count_terms)
        journal = SqliteJournal(path, new=False)
        stack.callback(journal.close)
        store = assembled(folder, lock, engine, journal, manifest)
        broken, orphans = _mend(store)
        drop_leftovers(folder, manifest)
        stack.pop_all()
    documents = journal.totals().documents
    return store, RepairReport(tuple(sorted({*lost, *broken})), orphans, not is_readable, documents)


def _mend(store: Store) -> tuple[tuple[str, ...], int]:
    """Make engine and journal agree; the documents deleted, and how many points without one."""
    with store.writing:
        try:
            store.recover()
        except IndexDamagedError as error:
            logger.warning("what was under way is given up: %s", error)
            store.journal.abandon(store.journal.pending())
        store.drop_scratch()
        _drop_unclaimed(store)
        found = verify_store(store)
        if found.orphans and len(found.orphans) == found.points and found.documents:
            raise IndexDamagedError(
                f"expected points of the {found.documents} documents in the journal, got "
                f"{found.points} points of none of them: store.json is of another index; restore "
                "it from a backup"
            )
        store.engine.delete(found.orphans)
        store.engine.flush()
        store.delete(found.broken)
    return found.broken, len(found.orphans)


def _drop_unclaimed(store: Store) -> None:
    """Drop named vectors that are of no model of the index."""
    upgrade = store.manifest.upgrade
    passing = {space.vector_name for space in (upgrade.passing if upgrade else ())}
    for name in store.engine.vector_names() - set(store.manifest.vector_spaces) - passing:
        logger.warning("vectors %s are of no model of the index and are dropped", name)
        store.engine.drop_vectors(name)


def _is_readable(path: Path) -> bool:
    try:
        SqliteJournal(path, new=False).close()
    except IndexDamagedError as error:
        logger.warning("%s", error)
        return False
    return True


def _rebuild_journal(
    path: Path, engine: Engine, manifest: Manifest, count_terms: CountTerms | None
) -> list[str]:
    """Write a journal of the documents that the engine holds whole.

    Returns:
        The documents of which it holds a part only.
    """
    rebuilt = path.with_name(REBUILT_FILE)
    for file in path.parent.glob(f"{REBUILT_FILE}*"):
        file.unlink()
    SqliteJournal(rebuilt, new=True).close()
    with closing(sqlite3.connect(rebuilt)) as connection:
        connection.execute(_CHUNKS_TABLE)
        for page in engine.pages():
            read = [(id, read_chunk(payload)) for id, payload in page.items()]
            chunks = [
                chunk
                for id, chunk in read
                if chunk is not None
                and id == point_id(manifest.namespace, chunk.key, chunk.sequence)
            ]
            terms = [0] * len(chunks) if count_terms is None else count_terms(chunks)
            connection.executemany(
                "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (c.key, c.sequence, c.digest, c.chunks, c.revision, length)
                    for c, length in zip(chunks, terms, strict=True)
                ],
            )
        connection.execute(_ADOPT_WHOLE_DOCUMENTS)
        lost = [document for (document,) in connection.execute(_LEFT_OVER)]
        connection.executemany("INSERT OR IGNORE INTO kept VALUES (?, ?)", _kept_of(path))
        connection.commit()
    _put_in_place(rebuilt, path)
    return lost


def _kept_of(path: Path) -> list[tuple[str, bytes]]:
    """What a damaged journal kept for ever, if that much of it can be read."""
    if not path.is_file():
        return []
    with closing(sqlite3.connect(path)) as damaged:
        try:
            return damaged.execute("SELECT name, content FROM kept").fetchall()
        except sqlite3.DatabaseError:
            logger.warning("nothing that the journal kept can be read: it is found anew")
            return []


def _put_in_place(rebuilt: Path, path: Path) -> None:
    """Give the journal its name; the old one is kept beside it, side files of SQLite and all."""
    aside = f"{path.name}.broken-{time.time_ns()}"
    for suffix in ("-wal", "-shm", ""):
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.rename(path.with_name(aside + suffix))
    rebuilt.rename(path)
    sync_folder(path.parent)
