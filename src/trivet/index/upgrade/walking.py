"""The points of an index in the order in which they are worked on, and where to go on next time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TypeAlias

from trivet.store.points import point_ids
from trivet.store.store import Store
from trivet.store.upgrading import PLACE_NAMES

# How often a place is kept: what a death costs is that much reading.
KEEP_EVERY_S = 5.0
# Documents whose points are looked up together.
LOOKED_UP = 64

# The ids of points, page by page: from one on in the engine's order, or from the first.
PagesFrom: TypeAlias = Callable[[str | None], Iterator[Iterable[str]]]


@dataclass(frozen=True)
class Place:
    """How far a pass over all points is.

    Attributes:
        since: the last point that was looked at; None = none yet.
        left: whether anything that was looked at still waits.
    """

    since: str | None = None
    left: bool = False


class Pass:
    """All points in the engine's order, from where the last call stopped.

    What was done stays done, and what is written meanwhile needs nothing. So nothing before a place
    waits but what was left there; and were a place lost, the pass would begin anew.

    Attributes:
        is_clean: whether it came to its end, and nothing that was looked at waits.

    Args:
        store: keeps the place.
        name: of the work, for the place.
        pages: of the points.
    """

    def __init__(self, store: Store, name: str, pages: PagesFrom) -> None:
        self.is_clean = False
        self._store = store
        self._name = f"{PLACE_NAMES}{name}"
        self._pages = pages
        kept = store.journal.kept(self._name)
        self._place = self._kept = Place() if kept is None else Place(**json.loads(kept))
        self._kept_at = time.monotonic()
        self._left = False

    def batches(self, size: int) -> Iterator[list[str]]:
        """The ids, at most so many at a time; once only. Asking for more says that these are done.

        What earlier calls have left before the place comes once more, at the end: this call may
        have what they lacked.
        """
        begun = self._place
        for ids in self._from(begun.since, size):
            yield ids
            self._move(Place(ids[-1], begun.left or self._left))
        left = self._left
        if begun.left:
            self._left = False
            for ids in self._from(None, size):
                yield ids
                self._move(Place(ids[-1], self._left))
                if begun.since in ids:
                    break
        self.is_clean = not (left or self._left)
        self._place = Place()
        self.keep()

    def leave(self) -> None:
        """Note that something of the present ids still waits."""
        self._left = True

    def keep(self) -> None:
        """Keep the place for the next call."""
        if self._place != self._kept:
            self._store.journal.forget((self._name,), ())
            if self._place != Place():
                self._store.journal.keep(self._name, json.dumps(asdict(self._place)).encode())
            self._kept = self._place
        self._kept_at = time.monotonic()

    def _move(self, place: Place) -> None:
        self._place = place
        if time.monotonic() - self._kept_at >= KEEP_EVERY_S:
            self.keep()

    def _from(self, since: str | None, size: int) -> Iterator[list[str]]:
        for page in self._pages(since):
            yield from in_batches(list(page), size)


def all_points(store: Store, since: str | None) -> Iterator[Iterable[str]]:
    """The ids of all points from one on, a page at a time; None = from the first."""
    return store.engine.pages() if since is None else store.engine.pages(since=since)


def points_of(
    store: Store, keys: Iterable[str], settled: set[str], size: int
) -> Iterator[list[str]]:
    """The points of documents, at most so many at a time.

    Args:
        store: of the index.
        keys: of documents.
        settled: those that are passed over; whose points are done with is added.
        size: of a batch.
    """
    namespace = store.manifest.namespace
    waiting = (key for key in keys if key not in settled)
    while some := list(islice(waiting, LOOKED_UP)):
        entries = store.journal.entries(some)
        done: list[str] = []
        ids: list[str] = []
        for key in some:
            done.append(key)
            if key in entries:
                ids += point_ids(namespace, key, range(entries[key].chunks))
            if len(ids) >= size or key == some[-1]:
                yield from in_batches(ids, size)
                settled.update(done)
                done, ids = [], []


def in_batches(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    """Ids, at most so many at a time."""
    return (list(ids[first : first + size]) for first in range(0, len(ids), size))
