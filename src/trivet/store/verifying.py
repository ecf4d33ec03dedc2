"""Compares what the engine holds with what the journal says, chunk by chunk."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from trivet.reports import VerifyReport
from trivet.store.journal import JournalEntry
from trivet.store.keys import document_key
from trivet.store.points import PAYLOAD_CHECK, PAYLOAD_OWN, Chunk, point_id, point_ids
from trivet.store.store import Store
from trivet.store.writes import PAYLOAD_MARKS

# Points without one of their vectors that are named in one report; there should be none.
MOST_BARE = 10_000


def verify_store(store: Store) -> VerifyReport:
    """Read every chunk and every journal entry; writers wait meanwhile, searches go on.

    Memory grows with what is wrong only.

    Raises:
        StoreError: the engine or the journal cannot be read.
    """
    started = time.monotonic()
    with store.writing:
        store.recover()
        # What another machine's upgrade has dropped meanwhile is missing from no document.
        store.refresh()
        check = _Check(store)
        check.run()
        totals = store.journal.totals()
        points = store.engine.count()
    manifest = store.manifest
    error = 0.0
    if manifest.lexical is not None and totals.chunks:
        average = max(1.0, totals.terms / totals.chunks)
        error = abs(manifest.lexical.average_tokens / average - 1)
    return VerifyReport(
        documents=totals.documents,
        chunks=totals.chunks,
        points=points,
        broken=tuple(sorted(check.broken)),
        orphans=tuple(sorted(check.orphans)),
        average_error=error,
        unproved=tuple(mode for mode in manifest.model_modes if mode not in _proved(store)),
        elapsed_s=time.monotonic() - started,
    )


def _proved(store: Store) -> set[str]:
    """The legs whose model would be known again by its canaries."""
    kept = store.journal.kept(store.manifest.canaries)
    return set() if kept is None else set(json.loads(kept))


class _Check:
    """One comparison.

    Attributes:
        broken: documents found broken so far.
        orphans: points found without a document so far.
    """

    def __init__(self, store: Store) -> None:
        self.broken: set[str] = set()
        self.orphans: set[str] = set()
        self._store = store
        self._namespace = store.manifest.namespace
        self._sound = 0

    def run(self) -> None:
        """Compare everything; call it once."""
        for page in self._store.engine.pages():
            self._compare(page)
        if self._sound != self._store.journal.totals().chunks:
            self._find_missing()
        self.broken.update(self._bare())

    def _compare(self, page: Mapping[str, Mapping[str, Any]]) -> None:
        """Compare a page of points with the journal."""
        chunks = {id: read_chunk(payload) for id, payload in page.items()}
        documents = {chunk.key for chunk in chunks.values() if chunk is not None}
        entries = self._store.journal.entries(list(documents))
        for id, chunk in chunks.items():
            entry = entries.get(chunk.key) if chunk is not None else None
            if chunk is None or entry is None or not self._belongs(id, chunk, entry):
                self.orphans.add(id)
            elif _is_as_written(page[id], chunk, entry):
                self._sound += 1
            else:
                self.broken.add(chunk.key)

    def _belongs(self, id: str, chunk: Chunk, entry: JournalEntry) -> bool:
        inside = 0 <= chunk.sequence < entry.chunks
        return inside and id == point_id(self._namespace, chunk.key, chunk.sequence)

    def _find_missing(self) -> None:
        """Find the documents of which the engine lacks a chunk."""
        for entries in self._store.journal.pages():
            wanted = {e.id: point_ids(self._namespace, e.id, range(e.chunks)) for e in entries}
            every = [id for ids in wanted.values() for id in ids]
            there = self._store.engine.retrieve(every, fields=PAYLOAD_MARKS)
            self.broken.update(id for id, ids in wanted.items() if not there.keys() >= set(ids))

    def _bare(self) -> Iterable[str]:
        """Documents with a chunk that lacks one of its vectors: no search of that leg finds it."""
        from qdrant_client import models

        from trivet.store.bare import without

        requests = [
            models.QueryRequest(
                filter=without(name),
                limit=MOST_BARE,
                with_payload=[PAYLOAD_OWN],
            )
            for name in self._store.manifest.complete_names
        ]
        for answer in self._store.query(requests):
            found = {point.id: point.payload.get(PAYLOAD_OWN, {}) for point in answer}
            yield from (
                document_key(own.get("tenant"), own["document"])
                for id, own in found.items()
                if "document" in own and id not in self.orphans
            )


def read_chunk(payload: Mapping[str, Any]) -> Chunk | None:
    """The chunk of a payload; None if it is not one."""
    try:
        return Chunk.from_payload(payload)
    except (KeyError, TypeError, ValueError):
        return None


def _is_as_written(payload: Mapping[str, Any], chunk: Chunk, entry: JournalEntry) -> bool:
    stored = (chunk.digest, chunk.revision, chunk.chunks)
    expected = (entry.digest, entry.revision, entry.chunks)
    return stored == expected and payload[PAYLOAD_OWN].get(PAYLOAD_CHECK) == chunk.checksum()
