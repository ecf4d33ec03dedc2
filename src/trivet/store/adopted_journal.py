"""What stands in place of a journal where something else has made the points."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NoReturn

from trivet.errors import ReadOnlyError
from trivet.store.journal import JournalEntry, JournalTotals, PendingEntry


def refuse(action: str) -> NoReturn:
    """Say why nothing is written.

    Raises:
        ReadOnlyError: always.
    """
    raise ReadOnlyError(
        f"expected an index of Trivet's own to {action}, got an adopted collection, which is read "
        "only: its points keep their ids and payloads, so no journal could prove a write whole; "
        "write by what made it, or copy it with index.take_over(location)"
    )


class AdoptedJournal:
    """In place of a journal: every point is a document that is whole, and none is written.

    Args:
        count: of the points.
    """

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._kept: dict[str, bytes] = {}

    def entries(self, ids: Sequence[str]) -> dict[str, JournalEntry]:
        """Refuse: asked before documents are written."""
        refuse("write to")

    def pages(self) -> Iterator[list[JournalEntry]]:
        """Refuse: there is none to compare with."""
        refuse("verify or measure")

    def count(self, tenant: str | None = None) -> int:
        """Points in the collection."""
        return self._count()

    def totals(self, tenant: str | None = None) -> JournalTotals:
        """Each point is a document of one chunk."""
        count = self._count()
        return JournalTotals(documents=count, chunks=count, terms=0)

    def pending(self) -> list[PendingEntry]:
        """Nothing is ever under way."""
        return []

    def begin(self, entries: Sequence[PendingEntry]) -> None:
        """Refuse."""
        refuse("write to")

    def commit(self, entries: Sequence[PendingEntry]) -> None:
        """Nothing was begun."""

    def abandon(self, entries: Sequence[PendingEntry]) -> None:
        """Nothing was begun."""

    def renew(self) -> None:
        """Nothing is held."""

    def wait(self, ids: Iterable[str]) -> None:
        """Nothing is held."""

    def exclusive(self, patience_s: float) -> AbstractContextManager[None]:
        """Refuse."""
        refuse("change")

    def kept(self, name: str) -> bytes | None:
        """What was kept since the collection was opened."""
        return self._kept.get(name)

    def keep(self, name: str, content: bytes) -> bytes:
        """Keep bytes until the index is closed."""
        return self._kept.setdefault(name, content)

    def forget(self, prefixes: Sequence[str], but: Collection[str]) -> None:
        """Refuse."""
        refuse("change")

    def recount(self, terms: Mapping[str, int]) -> None:
        """Refuse."""
        refuse("change")

    def size_bytes(self) -> int:
        """Nothing."""
        return 0

    def close(self) -> None:
        """Nothing to release."""
