"""Translated vectors replaced by those of the newer model itself, in the background."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trivet.drift.map import DriftMap
from trivet.embedding import Embedder
from trivet.index.upgrade.sampling import embed_chunks
from trivet.index.upgrade.translating import is_translated
from trivet.store.points import Chunk, point_ids
from trivet.store.store import Store
from trivet.store.upgrading import alone
from trivet.types import Vectors

BATCH = 64


@dataclass(frozen=True)
class Migration:
    """One run over an index.

    Attributes:
        store: of the index.
        new: the newer model.
        translation: that the points were translated by.
        rate: chunks a second at most; None = as many as can be.
        budget_s: seconds after which to stop; None = until all is done.
        renew: called before every batch: keeps the lease, or raises.
    """

    store: Store
    new: Embedder
    translation: DriftMap
    rate: float | None
    budget_s: float | None
    renew: Callable[[], None]

    def run(self, hot: Sequence[str], progress: Callable[[int], None] | None) -> int:
        """Embed what is still translated: hot documents first, then all others.

        Args:
            hot: keys of documents, the hottest first.
            progress: called with the number of chunks done in this run.

        Returns:
            Chunks that were embedded.
        """
        start, done = time.monotonic(), 0
        for ids in self._pages(hot):
            for first in range(0, len(ids), BATCH):
                if self.budget_s is not None and time.monotonic() - start >= self.budget_s:
                    return done
                self.renew()
                done += self._migrate(ids[first : first + BATCH])
                if progress is not None:
                    progress(done)
                if self.rate is not None:
                    time.sleep(max(0.0, start + done / self.rate - time.monotonic()))
        return done

    def _pages(self, hot: Sequence[str]) -> Iterator[list[str]]:
        entries = self.store.journal.entries(hot)
        namespace = self.store.manifest.namespace
        yield [
            id
            for key in hot
            if key in entries
            for id in point_ids(namespace, key, range(entries[key].chunks))
        ]
        for page in self.store.engine.pages():
            yield list(page)

    def _migrate(self, ids: Sequence[str]) -> int:
        waiting = still_translated(self.store, self.translation, ids)
        if not waiting:
            return 0
        payloads = self.store.engine.retrieve(waiting)
        chunks = {id: Chunk.from_payload(payload) for id, payload in payloads.items()}
        rows = dict(zip(chunks, embed_chunks(self.new, list(chunks.values())), strict=True))
        with alone(self.store):
            # What was written meanwhile is native, and what was deleted is no more.
            now = self.store.engine.retrieve(list(chunks))
            same = [id for id in now if Chunk.from_payload(now[id]) == chunks[id]]
            name = self.translation.target.vector_name
            self.store.engine.set_vectors({id: {name: rows[id]} for id in same})
            self.store.engine.flush()
        return len(same)


def still_translated(store: Store, translation: DriftMap, ids: Sequence[str]) -> list[str]:
    """Those points whose newer vector is no native one yet."""
    old = store.engine.vectors(ids, translation.source.vector_name)
    newer = store.engine.vectors(ids, translation.target.vector_name)
    both = [id for id in ids if id in old and id in newer]
    if not both:
        return []
    waits = is_translated(_rows(old, both), _rows(newer, both), translation)
    return [id for id, is_waiting in zip(both, waits, strict=True) if is_waiting]


def count_native(store: Store, translation: DriftMap) -> int:
    """Documents whose chunks all have native vectors; reads all vectors."""
    waiting: set[str] = set()
    for page in store.engine.pages():
        for id in still_translated(store, translation, list(page)):
            waiting.add(Chunk.from_payload(page[id]).key)
    return store.journal.count() - len(waiting)


def _rows(vectors: dict[str, Vectors], ids: Iterable[str]) -> Vectors:
    return np.stack([vectors[id] for id in ids])
