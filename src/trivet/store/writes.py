"""Documents on their way into an engine, and the proof that they are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trivet.errors import StoreError
from trivet.store.engine import Engine
from trivet.store.journal import JournalEntry, PendingEntry
from trivet.store.points import PAYLOAD_OWN, Point
from trivet.store.redo import dump_points

PAYLOAD_MARKS = (f"{PAYLOAD_OWN}.hash", f"{PAYLOAD_OWN}.revision")


@dataclass(frozen=True)
class DocumentWrite:
    """A document to be stored: its journal entry, the entry it replaces, its points."""

    entry: JournalEntry
    replaces: JournalEntry | None
    points: tuple[Point, ...]

    def pending(self) -> PendingEntry:
        """The journal's entry while it is being written."""
        if self.replaces is None:
            return PendingEntry(self.entry, "insert", 0, None)
        return PendingEntry(self.entry, "replace", self.replaces.chunks, dump_points(self.points))


def require_stored(engine: Engine, points: Sequence[Point]) -> None:
    """Refuse to call points written that the engine does not give back.

    Raises:
        StoreError: it does not.
    """
    stored = engine.retrieve([point.id for point in points], fields=PAYLOAD_MARKS)
    for point in points:
        expected: Mapping[str, Any] = point.payload[PAYLOAD_OWN]
        came = stored.get(point.id, {}).get(PAYLOAD_OWN, {})
        if any(came.get(name) != expected[name] for name in ("hash", "revision")):
            raise StoreError(
                f"the engine took chunk {expected['id']!r} and does not give it back as "
                "written: add the same documents again; if that fails too, run `trivet repair`"
            )
