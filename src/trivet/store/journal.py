"""The journal: which documents are stored whole, and what was under way when a process died.

A write is opened here, done in the engine, and closed here. After a crash the open entries say
what to finish or to take back, so that journal and engine agree again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Operation: TypeAlias = Literal["insert", "replace", "delete"]
# Which of the contents that a document has had: its revision and its digest. A document that was
# deleted and added again begins with revision 1 once more.
Version: TypeAlias = tuple[int, str]


@dataclass(frozen=True)
class JournalEntry:
    """A document that is stored whole.

    Attributes:
        id: the document's key: the caller's id, after the tenant's name if there are tenants.
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

    @property
    def version(self) -> Version:
        """Which of the contents that it has had."""
        return self.revision, self.digest


@dataclass(frozen=True)
class JournalTotals:
    """Documents stored whole, their chunks, and the chunks' length in BM25's terms."""

    documents: int
    chunks: int
    terms: int


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


class Journal(Protocol):
    """The journal of one index. Thread-safe; what a verb has written survives a crash.

    Where several machines write one index, an open entry is also a lock on its document: it
    belongs to the writer that opened it until that writer closes it, or until the time that it
    asked for (its lease) is over.

    Every verb raises `StoreError` when the journal fails.
    """

    def entries(self, ids: Sequence[str]) -> dict[str, JournalEntry]:
        """The documents among `ids` that are stored whole."""

    def pages(self) -> Iterator[list[JournalEntry]]:
        """The documents that are stored whole, a page at a time."""

    def count(self, tenant: str | None = None) -> int:
        """Documents that are stored whole, of one tenant or of all."""

    def totals(self, tenant: str | None = None) -> JournalTotals:
        """What the documents that are stored whole come to; dearer than `count`."""

    def pending(self) -> list[PendingEntry]:
        """What this writer has to finish or take back: its own, and what dead writers left."""

    def begin(self, entries: Sequence[PendingEntry]) -> None:
        """Open writes, before the engine is touched.

        Raises:
            DocumentBusyError: another writer holds one of the documents, or has changed it since
                its entry was read; nothing was opened.
        """

    def commit(self, entries: Sequence[PendingEntry]) -> None:
        """Close writes that the engine holds whole: the documents are as these entries say."""

    def abandon(self, entries: Sequence[PendingEntry]) -> None:
        """Close writes that were taken back: nothing of them is in the engine."""

    def renew(self) -> None:
        """Keep what this writer holds for another lease, where half of a lease is not left.

        Raises:
            StoreError: it was lost to another writer in the meantime.
        """

    def wait(self, ids: Iterable[str]) -> None:
        """Return when no other writer holds any of the documents.

        Raises:
            DocumentBusyError: one is still held after as long as it is worth waiting.
        """

    def exclusive(self, patience_s: float) -> AbstractContextManager[None]:
        """Keep every other writer out for a while, after those at work have finished.

        Args:
            patience_s: how long to wait for the others.

        Raises:
            DocumentBusyError: another writer was at work all that time.
        """

    def kept(self, name: str) -> bytes | None:
        """What was kept under a name; None if nothing was."""

    def keep(self, name: str, content: bytes) -> bytes:
        """Keep bytes under a name until it is forgotten; returns those that were first."""

    def forget(self, prefixes: Sequence[str], but: Collection[str]) -> None:
        """Drop what is kept under names that begin with one of these, but for some names."""

    def recount(self, terms: Mapping[str, int]) -> None:
        """Change the lengths of documents, by id, while every other writer is kept out.

        Ids that are not there are passed over.
        """

    def size_bytes(self) -> int:
        """Bytes on disk; 0 where a server keeps them."""

    def close(self) -> None:
        """Release the journal."""
