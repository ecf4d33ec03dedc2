"""Thoughts in an SQLite file of their owner: what the cache keeps from one process to the next."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from trivet.errors import InvalidInputError
from trivet.thinking.interface import Thought

logger = logging.getLogger(__name__)

FILE = "thoughts.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS thoughts (
    key TEXT PRIMARY KEY, tenant TEXT NOT NULL, stored REAL NOT NULL, thoughts TEXT NOT NULL
) WITHOUT ROWID
"""


class CacheFile:
    """Thoughts by key, with the time they were stored; thread-safe.

    A file that is damaged is set aside and begun anew; one that cannot be used at all is done
    without. Neither ever fails a search.

    Args:
        path: of the file, or a folder that it is made in.

    Raises:
        InvalidInputError: no path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            place = Path(path).expanduser().absolute()
        except TypeError as error:
            raise InvalidInputError(f"expected a path, got {path!r}") from error
        self.path = place / FILE if place.is_dir() else place
        self._using = threading.Lock()
        self._usable = True

    def get(self, key: str, oldest: float) -> tuple[Thought, ...] | None:
        """What is stored under a key since a time (seconds since 1970); None if nothing is."""
        rows = self._run(
            "SELECT thoughts FROM thoughts WHERE key = ? AND stored >= ?", (key, oldest)
        )
        if not rows:
            return None
        try:
            return tuple(Thought(**fields) for fields in json.loads(rows[0][0]))
        except (ValueError, TypeError):  # written by another version, or by somebody else
            return None

    def put(self, key: str, tenant: str, thoughts: tuple[Thought, ...]) -> None:
        """Store thoughts under a key."""
        fields = [{"text": t.text, "kind": t.kind, "weight": t.weight} for t in thoughts]
        self._run(
            "INSERT OR REPLACE INTO thoughts VALUES (?, ?, ?, ?)",
            (key, tenant, time.time(), json.dumps(fields)),
        )

    def clear(self, tenant: str | None, before: float | None) -> None:
        """Delete what is stored: of one tenant or of all, before a time or at any."""
        self._run(
            "DELETE FROM thoughts WHERE (?1 IS NULL OR tenant = ?1) "
            "AND (?2 IS NULL OR stored < ?2)",
            (tenant, before),
        )

    def _run(self, statement: str, values: tuple[object, ...]) -> list[tuple[str]]:
        with self._using:
            for _ in range(2):
                if not self._usable:
                    return []
                try:
                    return self._execute(statement, values)
                except sqlite3.DatabaseError as error:
                    self._mend(error)
                except OSError as error:
                    self._give_up(error)
        return []

    def _execute(self, statement: str, values: tuple[object, ...]) -> list[tuple[str]]:
        # Made before SQLite makes it, so that nobody else can ever open it.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        self.path.chmod(0o600)
        # A connection for each call: a few hundred microseconds, and nothing to close at the end.
        with closing(sqlite3.connect(self.path, timeout=5.0)) as connection, connection:
            connection.execute("PRAGMA secure_delete = ON")
            # What a power failure damages is begun anew; waiting for the disk would cost every
            # thought ten milliseconds.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_SCHEMA)
            return connection.execute(statement, values).fetchall()

    def _mend(self, error: sqlite3.DatabaseError) -> None:
        """Set a damaged file aside; do without one that is only in use, full or forbidden."""
        if isinstance(error, sqlite3.OperationalError):
            self._give_up(error)
            return
        logger.warning(
            "the cache of thoughts in %s is damaged and begun anew: %s", self.path, error
        )
        try:
            self.path.unlink(missing_ok=True)  # thoughts cost little, and are personal data
        except OSError as failure:
            self._give_up(failure)

    def _give_up(self, error: Exception) -> None:
        self._usable = False
        logger.warning("thoughts are not cached, %s cannot be used: %s", self.path, error)
