"""The store of one index: engine, journal and manifest, kept in agreement whatever dies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trivet.errors import DocumentBusyError, StoreError
from trivet.store.current import CurrentManifest
from trivet.store.engine import WRITE_BATCH, Engine
from trivet.store.journal import Journal, JournalEntry, PendingEntry, Version
from trivet.store.manifest import Manifest
from trivet.store.points import Chunk, FoundPoint, check_points, point_ids
from trivet.store.redo import load_points
from trivet.store.room import require_room, written_bytes
from trivet.store.writes import DocumentWrite, require_stored

if TYPE_CHECKING:
    from qdrant_client import models

logger = logging.getLogger(__name__)

# How often a document that another machine is writing is read again.
TORN_READS = 5
PATIENCE_S = 600.0  # without a sign of life of other writers, before one changes what all use
# Chunks that Edge scans in about the time that the rest of a query takes.
SCAN_LIMIT = 20_000


class Store:
    """Where an index's documents are kept.

    Every write is opened in the journal, done and read back in the engine, flushed, and closed in
    the journal. What was open when a process died is finished or taken back at the next opening,
    so a document is stored whole, with all its chunks and no others, or not at all.

    Attributes:
        is_adopted: whether something else has made the points, and they are only read.

    Args:
        engine: holds the points.
        journal: knows which documents are whole.
        manifest: says what the index is made of.
        save_manifest: makes a manifest durable.
        release: called last by `close`.
        load_manifest: reads it again, where other machines may change it.
        folder: where the index is; None for one that is in no folder.
    """

    is_adopted = False

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        manifest: Manifest,
        *,
        save_manifest: Callable[[Manifest], None],
        release: Callable[[], None],
        load_manifest: Callable[[], Manifest] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.engine = engine
        self.journal = journal
        self.folder = folder
        self.writing = threading.RLock()
        self.optimizing = threading.Lock()
        self.migrating = threading.Lock()
        self.is_shared = load_manifest is not None
        self.lacking: dict[str, tuple[Manifest, bool]] = {}  # as `may_lack` knows it
        self._current = CurrentManifest(manifest, save_manifest, load_manifest)
        self._release = release

    @property
    def manifest(self) -> Manifest:
        """What the index is made of, now."""
        return self._current.manifest

    def become(self, manifest: Manifest) -> None:
        """Change what the index is made of; for the only writer there is at that time."""
        self._current.become(manifest)

    def refresh(self, after_s: float = 0.0) -> bool:
        """Read the manifest again where others may change it, if so old; whether it was changed."""
        return self._current.refresh(after_s)

    def write(self, writes: Sequence[DocumentWrite]) -> None:
        """Store documents whole.

        Raises:
            DocumentBusyError: another writer holds some of the documents, or has changed them, or
                what the index is made of, since the writes were planned; nothing was written.
            InvalidDocumentError, SpaceMismatchError: a point that may not be written; nothing was.
            StoreError: the engine or the journal failed; the next write or opening tidies up.
        """
        with self.writing:
            self.recover()
            points = [point for write in writes for point in write.points]
            check_points(points, self.manifest.vector_spaces)
            require_room(self.folder, written_bytes(points))
            pending = [write.pending() for write in writes]
            with self._tidied():
                self.journal.begin(pending)
                self._require_current(pending)
                for start in range(0, len(points), WRITE_BATCH):
                    self.journal.renew()
                    self.engine.upsert(points[start : start + WRITE_BATCH])
                require_stored(self.engine, points)
                self.journal.renew()
                self.engine.delete([id for entry in pending for id in self._stale_ids(entry)])
                self.engine.flush()
                self.journal.commit(pending)

    def delete(self, ids: Sequence[str], versions: Mapping[str, Version] | None = None) -> int:
        """Delete documents; ids that are not there are ignored.

        Args:
            ids: of documents, as the journal knows them.
            versions: of these documents; one that is another by now stays. None = any.

        Returns:
            How many documents were there and are gone.

        Raises:
            DocumentBusyError: another writer held one of them for too long.
        """
        while True:
            try:
                return self._delete(ids, versions)
            except DocumentBusyError as error:  # noqa: PERF203
                self.journal.wait(error.documents)

    def chunks(self, ids: Sequence[str]) -> dict[str, list[Chunk]]:
        """The chunks of stored documents, in order; documents that are not there are left out."""
        found, torn = self._chunks(ids)
        for _ in range(TORN_READS):
            if not torn:
                break
            with self.writing:  # read while they were being written: wait for that
                self.recover()
            self.journal.wait(torn)
            complete, torn = self._chunks(torn)
            found.update(complete)
        return found

    def chunk_ids(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """The points of stored documents, in order; documents that are not there are left out."""
        return {id: self._ids(id, e) for id, e in self.journal.entries(list(ids)).items()}

    def point_id(self, document: str, sequence: int) -> str:
        """The point of a document's chunk."""
        return point_ids(self.manifest.namespace, document, [sequence])[0]

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
            self.refresh()
            finished, undone = list[PendingEntry](), list[PendingEntry]()
            for p in pending:
                self.journal.renew()
                (finished if self._finish(p) else undone).append(p)
            self.engine.flush()
            self.journal.commit(finished)
            self.journal.abandon(undone)
            logger.info("took back %d and finished %d documents", len(undone), len(finished))
            return len(pending)

    def drop_scratch(self) -> None:
        """Drop a vector name that was being filled or dropped when a process died."""
        with self.writing:
            if self.manifest.scratch is not None:
                self.engine.drop_vectors(self.manifest.scratch)
                self.engine.flush()
                self.become(replace(self.manifest, scratch=None))

    @property
    def optimize_pays(self) -> bool:
        """Whether searches scan so many chunks that it takes most of their time."""
        is_kept = self.folder is not None
        return is_kept and self.journal.totals().chunks - self.manifest.optimized >= SCAN_LIMIT

    def serve(self, shard: str, take_over: Callable[[], None]) -> None:
        """Go over to another, optimized shard: its path, and what makes the engine serve it."""
        with self.writing:
            optimized = self.journal.totals().chunks
            self.become(replace(self.manifest, shard=shard, optimized=optimized))
            take_over()

    def size_bytes(self) -> int:
        """Bytes on disk: engine and journal."""
        return self.engine.size_bytes() + self.journal.size_bytes()

    def close(self) -> None:
        """Flush and release everything; a second call does nothing."""
        with self.writing, ExitStack() as stack:
            stack.callback(self._release)
            stack.callback(self.journal.close)
            self.engine.close()

    def _require_current(self, pending: Sequence[PendingEntry]) -> None:
        """Take back writes that were planned for another manifest than there is now.

        While they are open, no other machine changes it.

        Raises:
            DocumentBusyError: they were.
        """
        if self.refresh():
            self.journal.abandon(pending)
            raise DocumentBusyError(
                "expected an index as it was when the documents were read, got one that another "
                "machine has weighted anew: do the same again",
                [p.entry.id for p in pending],
            )

    def _delete(self, ids: Sequence[str], versions: Mapping[str, Version] | None) -> int:
        with self.writing:
            self.recover()
            require_room(self.folder, 0)
            entries: Collection[JournalEntry] = self.journal.entries(ids).values()
            if versions is not None:
                entries = [entry for entry in entries if entry.version == versions[entry.id]]
            pending = [PendingEntry(entry, "delete", entry.chunks, None) for entry in entries]
            with self._tidied():
                self.journal.begin(pending)
                self.engine.delete([id for p in pending for id in self._ids(p.entry.id, p.entry)])
                self.engine.flush()
                self.journal.commit(pending)
            return len(pending)

    def _finish(self, pending: PendingEntry) -> bool:
        """Finish a replacement or a deletion, or take an insert back; whether it was finished.

        A writer that died before it saw that another machine had changed the manifest wrote
        nothing but the journal: its points are of vectors that are no more.
        """
        if pending.redo is None:
            self.engine.delete(self._ids(pending.entry.id, pending.entry))
            return pending.operation != "insert"
        points = load_points(pending.redo)
        if any(point.names != self.manifest.vector_spaces.keys() for point in points):
            return False
        self.engine.upsert(points)
        require_stored(self.engine, points)
        self.engine.delete(self._stale_ids(pending))
        return True

    def _ids(self, document: str, entry: JournalEntry) -> list[str]:
        return point_ids(self.manifest.namespace, document, range(entry.chunks))

    def _stale_ids(self, pending: PendingEntry) -> list[str]:
        """Points that a shorter document leaves behind."""
        beyond = range(pending.entry.chunks, pending.previous_chunks)
        return point_ids(self.manifest.namespace, pending.entry.id, beyond)

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
