"""Translated vectors replaced by those of the newer model itself, in the background."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from trivet.drift.map import DriftMap
from trivet.embedding import Embedder
from trivet.index.carrying import is_carried
from trivet.index.titles import embed_titled
from trivet.index.upgrade.texts import TextResolver, text_of
from trivet.index.upgrade.walking import Pass
from trivet.store.carried import mark_carried, note_carried, unmark_carried
from trivet.store.points import PAYLOAD_CHECK, PAYLOAD_OWN, Chunk
from trivet.store.room import require_room, vectors_bytes
from trivet.store.store import Store
from trivet.store.upgrading import alone
from trivet.types import Representations, Vectors

BATCH = 64
# Well within the half of a lease after which it is held for longer.
NAP_S = 20.0


@dataclass(frozen=True)
class Migration:
    """One run over an index.

    Attributes:
        store: of the index.
        new: the newer model.
        waiting: of point ids, those whose vectors are not the newer model's own.
        rate: chunks a second at most; None = as many as can be.
        budget_s: seconds after which to stop; None = until all is done.
        small: makes token vectors as they are stored.
        renew: called before every batch: keeps the lease, or raises.
        require: called alone with the index before a batch is written: raises where it may not be.
        resolver: knows the texts that the index does not hold.
    """

    store: Store
    new: Embedder
    waiting: Callable[[Sequence[str]], list[str]]
    rate: float | None
    budget_s: float | None
    small: Callable[[Representations], Representations]
    renew: Callable[[], None]
    require: Callable[[], None]
    resolver: TextResolver | None = None

    def run(
        self,
        progress: Callable[[int], None] | None,
        walk: Pass,
        hot: Callable[[int], Iterable[list[str]]] = lambda size: (),
    ) -> int:
        """Embed what is still translated: hot documents first, then all others.

        Args:
            progress: called with the number of chunks done in this run.
            walk: over all points that may wait.
            hot: the points that come first, at most so many at a time.

        Returns:
            Chunks that were embedded.
        """
        start, done = time.monotonic(), 0
        end = start + (math.inf if self.budget_s is None else self.budget_s)
        # A second's worth at most, for an even load.
        size = BATCH if self.rate is None else max(1, min(BATCH, int(min(self.rate, BATCH))))
        first = ((ids, False) for ids in hot(size))
        for ids, is_passed in chain(first, ((ids, True) for ids in walk.batches(size))):
            self.renew()
            if time.monotonic() >= end:
                walk.keep()
                return done
            made, left = self._migrate(ids)
            done += made
            if left and is_passed:
                walk.leave()
            if progress is not None:
                progress(done)
            if self.rate is not None:
                self._wait(min(start + done / self.rate, end))
        return done

    def _wait(self, until: float) -> None:
        """Sleep, and keep the lease meanwhile."""
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, NAP_S))
            self.renew()

    def _migrate(self, ids: Sequence[str]) -> tuple[int, int]:
        """How many of these points were embedded, and how many still wait."""
        waiting = self.waiting(ids)
        made = self._embed(waiting) if waiting else set()
        left = [id for id in waiting if id not in made]
        # What was not written was overtaken, perhaps by a native vector, or has no text.
        return len(made), len(self.waiting(left)) if left else 0

    def _embed(self, waiting: Sequence[str]) -> set[str]:
        """Give points the model's own vectors; returns those that were written."""
        payloads = self.store.engine.retrieve(waiting)
        stored = {id: Chunk.from_payload(payload) for id, payload in payloads.items()}
        whole = {id: self._whole(chunk, payloads[id]) for id, chunk in stored.items()}
        chunks = {id: chunk for id, chunk in whole.items() if chunk.text}
        if not chunks:
            return set()
        made = self.small(embed_legs(self.new, list(chunks.values())))
        legs = list(made.legs.values())
        rows = {
            id: {leg.space.vector_name: leg[row] for leg in legs} for row, id in enumerate(chunks)
        }
        with alone(self.store):
            self.require()
            # What was written meanwhile is native, and what was deleted is no more.
            now = self.store.engine.retrieve(list(chunks))
            same = [id for id in now if Chunk.from_payload(now[id]) == stored[id]]
            vectors = {id: rows[id] for id in same}
            require_room(self.store.folder, vectors_bytes(vectors.values()))
            self.store.engine.set_vectors(vectors)
            unmark_carried(
                self.store, {id: stored[id] for id in same}, [leg.space.vector_name for leg in legs]
            )
            self.store.engine.flush()
        return set(same)

    def _whole(self, stored: Chunk, payload: Mapping[str, Any]) -> Chunk:
        """A chunk with its text; without any where nobody has the text that was added."""
        chunk = replace(stored, text=text_of(stored, self.resolver))
        is_own = chunk.text == stored.text
        is_as_added = is_own or chunk.checksum() == payload[PAYLOAD_OWN].get(PAYLOAD_CHECK)
        return chunk if is_as_added else replace(chunk, text="")


def embed_legs(embedder: Embedder, chunks: Sequence[Chunk]) -> Representations:
    """All legs of chunks that a model makes; long chunks are cut."""
    return embed_titled(embedder, [(chunk.title, chunk.text) for chunk in chunks], truncate=True)


def still_translated(store: Store, translation: DriftMap, ids: Sequence[str]) -> list[str]:
    """Those points whose newer vector is no native one yet."""
    old = store.engine.vectors(ids, translation.source.vector_name)
    newer = store.engine.vectors(ids, translation.target.vector_name)
    both = [id for id in ids if id in old and id in newer]
    if not both:
        return []
    waits = is_carried(translation, _rows(old, both), _rows(newer, both))
    return [id for id, is_waiting in zip(both, waits, strict=True) if is_waiting]


def mark_translated(store: Store, translation: DriftMap, left_out: Sequence[str]) -> None:
    """Mark what is not native yet: without the older vectors, nothing else would tell.

    Documents that are written meanwhile are native.

    Args:
        store: of the index.
        translation: to the newer model's dense space.
        left_out: names of other vectors of its, which such points lack.
    """
    names = [translation.target.vector_name, *left_out]
    for name in names:
        note_carried(store, name)
    for page in store.engine.pages():
        with alone(store):
            mark_carried(store, still_translated(store, translation, list(page)), names)


@dataclass(frozen=True)
class Remaining:
    """Documents without native vectors, and those of them whose text is not in the index."""

    translated: int
    textless: int


def count_remaining(
    store: Store, translation: DriftMap, renew: Callable[[], None] | None = None
) -> Remaining:
    """What is left to migrate; reads all vectors.

    Args:
        store: of the index.
        translation: to the newer model's dense space.
        renew: called before every page, where a lease is held.
    """
    waiting: set[str] = set()
    textless: set[str] = set()
    for page in store.engine.pages():
        if renew is not None:
            renew()
        for id in still_translated(store, translation, list(page)):
            chunk = Chunk.from_payload(page[id])
            waiting.add(chunk.key)
            if not text_of(chunk, None):
                textless.add(chunk.key)
    return Remaining(len(waiting), len(textless))


def _rows(vectors: dict[str, Vectors], ids: Iterable[str]) -> Vectors:
    return np.stack([vectors[id] for id in ids])
