"""The journal of an index in a folder or in memory: a SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path

from trivet.errors import IndexClosedError, IndexDamagedError, StoreError
from trivet.store.journal import JournalEntry, JournalTotals, PendingEntry
from trivet.store.keys import SEPARATOR, document_key

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
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {FORMAT};
"""


class SqliteJournal:
    """A journal in SQLite. Thread-safe; every change is one durable transaction.

    The folder's lock keeps other writers out, so nothing is ever held by one.

    Args:
        path: the file; None keeps it in memory.
        new: make the file; else it must be there.

    Raises:
        IndexDamagedError: the file is no journal, or is damaged.
    """

    def __init__(self, path: Path | None, *, new: bool) -> None:
        self._path = path
        self._lock = threading.RLock()
        # Counted once, then kept: SQLite counts by reading the whole table, 40 ms for a million.
        self._totals: JournalTotals | None = None
        self._connection: sqlite3.Connection | None = None
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

    def count(self, tenant: str | None = None) -> int:
        """Documents that are stored whole, of one tenant or of all."""
        if tenant is None:
            return self.totals().documents
        where, bounds = _of_tenant(tenant)
        with self._using() as connection:
            (documents,) = connection.execute(
                f"SELECT count(*) FROM documents {where}", bounds
            ).fetchone()
        return int(documents)

    def totals(self, tenant: str | None = None) -> JournalTotals:
        """What the documents that are stored whole come to."""
        where, bounds = _of_tenant(tenant)
        sums = "count(*), coalesce(sum(chunks), 0), coalesce(sum(terms), 0)"
        with self._using() as connection:
            if tenant is None and self._totals is not None:
                return self._totals
            row = connection.execute(f"SELECT {sums} FROM documents {where}", bounds).fetchone()
            found = JournalTotals(*row)
            if tenant is None:
                self._totals = found
        return found

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
        with self._recounted(entries), self._using() as connection:
            for pending in entries:
                entry = pending.entry
                if pending.operation == "delete":
                    connection.execute("DELETE FROM documents WHERE id = ?", (entry.id,))
                else:
                    connection.execute(
                        "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)",
                        (entry.id, entry.digest, entry.chunks, entry.revision, entry.terms),
                    )
            connection.executemany(
                "DELETE FROM pending WHERE id = ?", [(p.entry.id,) for p in entries]
            )

    def abandon(self, entries: Sequence[PendingEntry]) -> None:
        """Close writes that were taken back: nothing of them is in the engine."""
        with self._using() as connection:
            connection.executemany(
                "DELETE FROM pending WHERE id = ?", [(p.entry.id,) for p in entries]
            )

    def renew(self) -> None:
        """Nothing to renew: the folder's lock lasts as long as the process."""

    def wait(self, ids: Iterable[str]) -> None:
        """Nobody to wait for: the folder's lock keeps other writers out."""

    def exclusive(self, patience_s: float) -> AbstractContextManager[None]:
        """Nobody to keep out: the folder's lock does."""
        return nullcontext()

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

    def copy_to(self, path: Path) -> None:
        """Write a copy of the journal, as it is now, to a file that is not there."""
        with self._using() as connection, closing(sqlite3.connect(path)) as copy:
            connection.backup(copy)

    def kept(self, name: str) -> bytes | None:
        """What was kept under a name; None if nothing was."""
        with self._using() as connection:
            row = connection.execute("SELECT content FROM kept WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def keep(self, name: str, content: bytes) -> bytes:
        """Keep bytes under a name until it is forgotten; returns those that were first."""
        with self._using() as connection:
            connection.execute("INSERT OR IGNORE INTO kept VALUES (?, ?)", (name, content))
            row = connection.execute("SELECT content FROM kept WHERE name = ?", (name,)).fetchone()
        return bytes(row[0])

    def forget(self, prefixes: Sequence[str], but: Collection[str]) -> None:
        """Drop what is kept under names that begin with one of these, but for some names."""
        with self._using() as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM kept")]
            gone = [(n,) for n in names if n.startswith(tuple(prefixes)) and n not in but]
            connection.executemany("DELETE FROM kept WHERE name = ?", gone)

    def recount(self, terms: Mapping[str, int]) -> None:
        """Change the lengths of documents, by id; ids that are not there are passed over."""
        with self._using() as connection:
            self._totals = None
            connection.executemany(
                "UPDATE documents SET terms = ? WHERE id = ?",
                [(count, id) for id, count in terms.items()],
            )

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
    def _recounted(self, entries: Sequence[PendingEntry]) -> Iterator[None]:
        """Keep the totals true while writes are closed; if that fails, they are counted anew."""
        with self._lock:
            totals, self._totals = self._totals, None
            if totals is None:
                yield
                return
            gone = self.entries([pending.entry.id for pending in entries]).values()
            yield
            come = [p.entry for p in entries if p.operation != "delete"]
            self._totals = JournalTotals(
                totals.documents + len(come) - len(gone),
                totals.chunks + sum(e.chunks for e in come) - sum(e.chunks for e in gone),
                totals.terms + sum(e.terms for e in come) - sum(e.terms for e in gone),
            )

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


def _of_tenant(tenant: str | None) -> tuple[str, tuple[str, ...]]:
    """A WHERE clause and its values: the keys that begin with a tenant lie side by side."""
    if tenant is None:
        return "", ()
    first, beyond = document_key(tenant, ""), tenant + chr(ord(SEPARATOR) + 1)
    return "WHERE id >= ? AND id < ?", (first, beyond)
