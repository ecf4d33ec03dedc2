"""The journal: which documents are stored whole, and what was under way when a process died.

A write is opened here, done in the engine, and closed here. After a crash the open entries say
what to finish or to take back, so that journal and engine agree again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from trivet.errors import IndexClosedError, IndexDamagedError, StoreError

Operation: TypeAlias = Literal["insert", "replace", "delete"]

FORMAT = 1
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, digest TEXT NOT NULL, chunks INTEGER NOT NULL, revision INTEGER NOT NULL,
    terms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
    id TEXT PRIMARY KEY, operation TEXT NOT NULL, digest TEXT NOT NULL, chunks INTEGER NOT NULL,
    revision INTEGER NOT NULL, terms INTEGER NOT NULL, previous_chunks INTEGER NOT NULL, redo BLOB
) WITHOUT ROWID;
PRAGMA user_version = {FORMAT};
"""


@dataclass(frozen=True)
class JournalEntry:
    """A document that is stored whole.

    Attributes:
        id: the caller's document id.
        digest: SHA-256 (hex) of its content and metadata.
        chunks: how many chunks it has.
        revision: counts the times it was written, from 1.
        terms: length of all its chunks in BM25's terms; 0 without a BM25 leg.
    """

    id: str
    digest: str
    chunks: int
    revision: int
    terms: int


@dataclass(frozen=True)
class JournalTotals:
    """Documents stored whole, their chunks, and the chunks' length in BM25's terms."""

    documents: int
    chunks: int
    terms: int

    def changed(self, old: tuple[int, int] | None, new: PendingEntry) -> JournalTotals:
        """As they are when a write is closed; `old` are the document's chunks and terms before."""
        chunks, terms = old or (0, 0)
        is_kept = new.operation != "delete"
        return JournalTotals(
            self.documents + is_kept - (old is not None),
            self.chunks + is_kept * new.entry.chunks - chunks,
            self.terms + is_kept * new.entry.terms - terms,
        )


@dataclass(frozen=True)
class PendingEntry:
    """A document whose write or deletion is under way.

    Attributes:
        entry: the document as it will be (for a deletion: as it was).
        operation: what is being done.
        previous_chunks: chunks it had before; 0 for an insert.
        redo: for a replacement, its points in full: the old ones are overwritten in place, so a
            crash in between is finished from here and not taken back.
    """

    entry: JournalEntry
    operation: Operation
    previous_chunks: int
    redo: bytes | None


class Journal:
    """The journal of one index, in SQLite. Thread-safe; every change is one durable transaction.

    Args:
        path: the file; None keeps it in memory.
        new: make the file; else it must be there.

    Raises:
        IndexDamagedError: the file is no journal, or is damaged.
    """

    def __init__(self, path: Path | None, *, new: bool) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._totals: JournalTotals | None = None
        if path is not None and not new and not path.is_file():
            raise self._damaged("it is missing")
        try:
            connection = sqlite3.connect(path or ":memory:", check_same_thread=False)
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            (format_version,) = connection.execute("PRAGMA user_version").fetchone()
            if format_version != FORMAT and not new:
                raise sqlite3.DatabaseError(f"expected format {FORMAT}, got {format_version}")
            connection.executescript(SCHEMA)
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            connection.close()
            raise self._damaged(error) from error
        if verdict != "ok":
            connection.close()
            raise self._damaged(verdict)
        self._connection = connection

    def entries(self, ids: Sequence[str]) -> dict[str, JournalEntry]:
        """The documents among `ids` that are stored whole."""
        found: dict[str, JournalEntry] = {}
        with self._using() as connection:
            for start in range(0, len(ids), 500):  # SQLite's oldest limit is 999 variables
                some = list(ids[start : start + 500])
                marks = ",".join("?" * len(some))
                rows = connection.execute(
                    f"SELECT * FROM documents WHERE id IN ({marks})",
                    some,
                )
                found.update({row[0]: JournalEntry(*row) for row in rows})
        return found

    def pages(self) -> Iterator[list[JournalEntry]]:
        """The documents that are stored whole, in the order of their ids, a page at a time."""
        last = ""
        while True:
            with self._using() as connection:
                rows = connection.execute(
                    "SELECT * FROM documents WHERE id > ? ORDER BY id LIMIT 256", (last,)
                ).fetchall()
            if not rows:
                return
            yield [JournalEntry(*row) for row in rows]
            last = rows[-1][0]

    def totals(self) -> JournalTotals:
        """What all documents that are stored whole come to."""
        with self._using() as connection:
            if self._totals is None:
                row = connection.execute(
                    "SELECT count(*), coalesce(sum(chunks), 0), coalesce(sum(terms), 0)"
                    " FROM documents"
                ).fetchone()
                self._totals = JournalTotals(*row)
            return self._totals

    def pending(self) -> list[PendingEntry]:
        """What is under way, or was when the last process died."""
        with self._using() as connection:
            rows = connection.execute(
                "SELECT id, digest, chunks, revision, terms, operation, previous_chunks, redo"
                " FROM pending"
            ).fetchall()
        return [PendingEntry(JournalEntry(*row[:5]), *row[5:]) for row in rows]

    def begin(self, entries: Iterable[PendingEntry]) -> None:
        """Open writes, before the engine is touched."""
        rows = [
            (p.entry.id, p.operation, p.entry.digest, p.entry.chunks, p.entry.revision,
             p.entry.terms, p.previous_chunks, p.redo)
            for p in entries
        ]  # fmt: skip
        with self._using() as connection:
            connection.executemany("INSERT INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def commit(self, entries: Sequence[PendingEntry]) -> None:
        """Close writes that the engine holds whole: the documents are as these entries say."""
        with self._lock:
            totals, self._totals = self._totals, None  # forgotten if the transaction fails
            with self._using() as connection:
                for pending in entries:
                    old = _close(connection, pending)
                    totals = totals and totals.changed(old, pending)
            self._totals = totals

    def abandon(self, entries: Sequence[PendingEntry]) -> None:
        """Close writes that were taken back: nothing of them is in the engine."""
        with self._using() as connection:
            connection.executemany(
                "DELETE FROM pending WHERE id = ?", [(p.entry.id,) for p in entries]
            )

    def copy_to(self, path: Path) -> None:
        """Write a copy of the journal, as it is now, to a file that is not there."""
        with self._using() as connection, closing(sqlite3.connect(path)) as copy:
            connection.backup(copy)

    def size_bytes(self) -> int:
        """Bytes on disk, the side files of SQLite included."""
        if self._path is None:
            return 0
        files = self._path.parent.glob(f"{self._path.name}*")
        return sum(file.stat().st_size for file in files)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """The connection, in one transaction: committed at the end, rolled back on an error."""
        with self._lock:
            if self._connection is None:
                raise IndexClosedError(
                    "expected an open index, got one that was closed: open it again"
                )
            try:
                with self._connection:
                    yield self._connection
            except sqlite3.OperationalError as error:
                raise StoreError(f"the journal {self._path or 'memory'} failed: {error}") from error
            except sqlite3.DatabaseError as error:
                raise self._damaged(error) from error

    def _damaged(self, reason: object) -> IndexDamagedError:
        return IndexDamagedError(
            f"the journal {self._path or 'memory'} is unreadable ({reason}): run `trivet repair` "
            "on the index, or restore it from a backup"
        )


def _close(connection: sqlite3.Connection, pending: PendingEntry) -> tuple[int, int] | None:
    """Close one write; the chunks and terms that the document had before, if it was there."""
    entry = pending.entry
    old: tuple[int, int] | None = connection.execute(
        "SELECT chunks, terms FROM documents WHERE id = ?", (entry.id,)
    ).fetchone()
    if pending.operation == "delete":
        connection.execute("DELETE FROM documents WHERE id = ?", (entry.id,))
    else:
        connection.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)",
            (entry.id, entry.digest, entry.chunks, entry.revision, entry.terms),
        )
    connection.execute("DELETE FROM pending WHERE id = ?", (entry.id,))
    return old
