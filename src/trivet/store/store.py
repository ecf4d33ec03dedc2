"""The store of one index: engine, journal and manifest, kept in agreement whatever dies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from trivet.errors import StoreError
from trivet.store.engine import Engine
from trivet.store.journal import Journal, JournalEntry, PendingEntry
from trivet.store.manifest import LexicalState, Manifest
from trivet.store.points import (
    PAYLOAD_OWN,
    Chunk,
    FoundPoint,
    Point,
    PointVector,
    check_points,
    point_ids,
)
from trivet.store.redo import dump_points, load_points
from trivet.store.room import require_room, written_bytes
from trivet.types import Space

if TYPE_CHECKING:
    from qdrant_client import models

logger = logging.getLogger(__name__)

# Chunks that Edge scans in about the time that the rest of a query takes (benchmarks/store.py).
SCAN_LIMIT = 20_000
PAYLOAD_MARKS = (f"{PAYLOAD_OWN}.hash", f"{PAYLOAD_OWN}.revision")
Weigh: TypeAlias = Callable[[Sequence[Chunk]], Sequence[PointVector]]


@dataclass(frozen=True)
class DocumentWrite:
    """A document to be stored: its journal entry, the entry it replaces, its points."""

    entry: JournalEntry
    replaces: JournalEntry | None
    points: tuple[Point, ...]


class Store:
    """Where an index's documents are kept.

    Every write is opened in the journal, done and read back in the engine, flushed, and closed in
    the journal. What was open when a process died is finished or taken back at the next opening,
    so a document is stored whole, with all its chunks and no others, or not at all.

    Args:
        engine: holds the points.
        journal: knows which documents are whole.
        manifest: says what the index is made of.
        save_manifest: makes a manifest durable.
        release: called last by `close`.
        folder: where the index is; None for one that is in no folder.
    """

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        manifest: Manifest,
        *,
        save_manifest: Callable[[Manifest], None],
        release: Callable[[], None],
        folder: Path | None = None,
    ) -> None:
        self.engine = engine
        self.journal = journal
        self.folder = folder
        self.writing = threading.RLock()
        self.optimizing = threading.Lock()
        self._manifest = manifest
        self._save_manifest = save_manifest
        self._release = release

    @property
    def manifest(self) -> Manifest:
        """What the index is made of, now."""
        return self._manifest

    def write(self, writes: Sequence[DocumentWrite]) -> None:
        """Store documents whole.

        Raises:
            InvalidDocumentError, SpaceMismatchError: a point that may not be written; nothing was.
            StoreError: the engine or the journal failed; the next write or opening tidies up.
        """
        with self.writing:
            self.recover()
            points = [point for write in writes for point in write.points]
            check_points(points, self._manifest.vector_spaces)
            require_room(self.folder, written_bytes(points))
            pending = [_pending(write) for write in writes]
            with self._tidied():
                self.journal.begin(pending)
                self.engine.upsert(points)
                self._read_back(points)
                self.engine.delete([id for entry in pending for id in self._stale_ids(entry)])
                self.engine.flush()
                self.journal.commit(pending)

    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents; ids that are not there are ignored.

        Returns:
            How many documents were there and are gone.
        """
        with self.writing:
            self.recover()
            require_room(self.folder, 0)
            entries = self.journal.entries(ids).values()
            pending = [PendingEntry(entry, "delete", entry.chunks, None) for entry in entries]
            with self._tidied():
                self.journal.begin(pending)
                self.engine.delete([id for p in pending for id in self._ids(p.entry.id, p.entry)])
                self.engine.flush()
                self.journal.commit(pending)
            return len(pending)

    def chunks(self, ids: Sequence[str]) -> dict[str, list[Chunk]]:
        """The chunks of stored documents, in order; documents that are not there are left out."""
        found, torn = self._chunks(ids)
        if torn:  # read while they were being written: wait for that
            with self.writing:
                self.recover()
                found.update(self._chunks(torn)[0])
        return found

    def pages(self) -> Iterator[list[Chunk]]:
        """Every stored chunk, a page at a time."""
        for page in self.engine.pages():
            yield [Chunk.from_payload(payload) for payload in page.values()]

    def query(self, requests: Sequence[models.QueryRequest]) -> list[list[FoundPoint]]:
        """One request to the engine that answers all queries."""
        return self.engine.query(requests)

    def recover(self) -> int:
        """Finish or take back what was under way; returns how many documents that were."""
        with self.writing:
            pending = self.journal.pending()
            if not pending:
                return 0
            undone = [p for p in pending if p.operation == "insert"]
            finished = [p for p in pending if p.operation != "insert"]
            for p in pending:
                if p.redo is not None:
                    points = load_points(p.redo)
                    self.engine.upsert(points)
                    self._read_back(points)
                    self.engine.delete(self._stale_ids(p))
                else:
                    self.engine.delete(self._ids(p.entry.id, p.entry))
            self.engine.flush()
            self.journal.commit(finished)
            self.journal.abandon(undone)
            logger.info("took back %d and finished %d documents", len(undone), len(finished))
            return len(pending)

    def drop_scratch(self) -> None:
        """Drop a vector name that was being filled or dropped when a process died."""
        with self.writing:
            if self._manifest.scratch is not None:
                self.engine.drop_vectors(self._manifest.scratch)
                self.engine.flush()
                self._become(replace(self._manifest, scratch=None))

    def reweigh(self, space: Space, lexical: LexicalState, weigh: Weigh) -> None:
        """Give the sparse leg another space, computed from the stored chunks.

        The new vectors are written beside the old ones; then the manifest changes over; then the
        old ones go. Searches are answered throughout.

        Args:
            space: of the new vectors.
            lexical: how they are weighted.
            weigh: chunks → their sparse vectors in `space`.
        """
        with self.writing:
            self.recover()
            self.drop_scratch()
            old = self._manifest.spaces["sparse"]
            if space == old:
                self._become(replace(self._manifest, lexical=lexical))
                return
            self._become(replace(self._manifest, scratch=space.vector_name))
            self.engine.add_space(space)
            for page in self.engine.pages():
                vectors = weigh([Chunk.from_payload(payload) for payload in page.values()])
                named = ({space.vector_name: vector} for vector in vectors)
                self.engine.set_vectors(dict(zip(page, named, strict=True)))
            self.engine.flush()
            spaces = {**self._manifest.spaces, "sparse": space}
            self._become(
                replace(self._manifest, spaces=spaces, lexical=lexical, scratch=old.vector_name)
            )
            self.drop_scratch()

    @property
    def optimize_pays(self) -> bool:
        """Whether searches scan so many chunks that it takes most of their time."""
        if self.folder is None:
            return False
        return self.journal.totals().chunks - self._manifest.optimized >= SCAN_LIMIT

    def serve(self, shard: str, take_over: Callable[[], None]) -> None:
        """Go over to another, optimized shard: its path, and what makes the engine serve it."""
        with self.writing:
            optimized = self.journal.totals().chunks
            self._become(replace(self._manifest, shard=shard, optimized=optimized))
            take_over()

    def keep_canaries(self, canaries: Mapping[str, str]) -> None:
        """Keep the canaries of legs that have none yet."""
        with self.writing:
            every = {**canaries, **self._manifest.canaries}
            if every != self._manifest.canaries:
                self._become(replace(self._manifest, canaries=every))

    def size_bytes(self) -> int:
        """Bytes on disk: engine and journal."""
        return self.engine.size_bytes() + self.journal.size_bytes()

    def close(self) -> None:
        """Flush and release everything; a second call does nothing."""
        with self.writing, ExitStack() as stack:
            stack.callback(self._release)
            stack.callback(self.journal.close)
            self.engine.close()

    def _become(self, manifest: Manifest) -> None:
        self._save_manifest(manifest)
        self._manifest = manifest

    def _ids(self, document: str, entry: JournalEntry) -> list[str]:
        return point_ids(self._manifest.namespace, document, range(entry.chunks))

    def _stale_ids(self, pending: PendingEntry) -> list[str]:
        """Points that a shorter document leaves behind."""
        beyond = range(pending.entry.chunks, pending.previous_chunks)
        return point_ids(self._manifest.namespace, pending.entry.id, beyond)

    @contextmanager
    def _tidied(self) -> Iterator[None]:
        """Put right at once what a write leaves half done; if that fails too, later."""
        try:
            yield
        except BaseException:
            try:
                self.recover()
            except StoreError as error:
                logger.warning("a write failed and is put right at the next one: %s", error)
            raise

    def _chunks(self, ids: Iterable[str]) -> tuple[dict[str, list[Chunk]], list[str]]:
        """The chunks of stored documents, and the documents that are not there as journalled."""
        entries = self.journal.entries(list(ids))
        wanted = {id: self._ids(id, entry) for id, entry in entries.items()}
        payloads = self.engine.retrieve([point for points in wanted.values() for point in points])
        found = {
            id: [Chunk.from_payload(payloads[point]) for point in points if point in payloads]
            for id, points in wanted.items()
        }
        torn = [
            id
            for id, chunks in found.items()
            if len(chunks) != entries[id].chunks
            or any(chunk.revision != entries[id].revision for chunk in chunks)
        ]
        return {id: chunks for id, chunks in found.items() if id not in torn}, torn

    def _read_back(self, points: Sequence[Point]) -> None:
        """Refuse to call a batch written that the engine does not give back."""
        stored = self.engine.retrieve([point.id for point in points], fields=PAYLOAD_MARKS)
        for point in points:
            expected: Mapping[str, Any] = point.payload[PAYLOAD_OWN]
            came = stored.get(point.id, {}).get(PAYLOAD_OWN, {})
            if any(came.get(name) != expected[name] for name in ("hash", "revision")):
                raise StoreError(
                    f"the engine took chunk {expected['id']!r} and does not give it back as "
                    "written: add the same documents again; if that fails too, run `trivet repair`"
                )


def _pending(write: DocumentWrite) -> PendingEntry:
    if write.replaces is None:
        return PendingEntry(write.entry, "insert", 0, None)
    redo = dump_points(write.points)
    return PendingEntry(write.entry, "replace", write.replaces.chunks, redo)
