"""Small documents with made-up vectors, what a store holds of them, and time that tests make."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from qdrant_client import QdrantClient

from trivet.config import Lexical, ServerSettings
from trivet.store.connecting import ServerIndex
from trivet.store.folder import new_manifest
from trivet.store.journal import JournalEntry
from trivet.store.manifest import LexicalState, Manifest
from trivet.store.points import Chunk, make_point
from trivet.store.retrying import Timing
from trivet.store.store import Store
from trivet.store.writes import DocumentWrite
from trivet.types import DenseVectors, Representations, Space, SparseVector, SparseVectors

DENSE = Space("dense", "test", 4, {"weights": "x"})
SPARSE = Space("sparse", "bm25", None, {"analyser": "test", "average_tokens": 3.0})
STATE = LexicalState(3.0, 1, "en", Lexical())


class FakeTime:
    """Time that passes only while somebody sleeps, or when a test says so."""

    def __init__(self, now: float = 1e9) -> None:
        self.now = now
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    @property
    def timing(self) -> Timing:
        return Timing(
            wall=lambda: self.now, monotonic=lambda: self.now, sleep=self.sleep, random=lambda: 0.5
        )


class Killed(BaseException):
    """As if the process had died here."""


def fail_in(
    store: Store, verb: str, monkeypatch: pytest.MonkeyPatch, *, after: bool = False
) -> None:
    """Make the engine's next call of a verb die, before or after it is done."""
    done = getattr(store.engine, verb)

    def dying(*arguments: object, **options: object) -> None:
        if after:
            done(*arguments, **options)
        raise Killed

    monkeypatch.setattr(store.engine, verb, dying)


def die_in(
    store: Store, verb: str, monkeypatch: pytest.MonkeyPatch, *, after: bool = False
) -> None:
    """Let a machine die in a verb of its engine, without tidying up."""
    fail_in(store, verb, monkeypatch, after=after)
    monkeypatch.setattr(store, "recover", lambda: 0)


def manifest(**changes: object) -> Manifest:
    return replace(
        new_manifest("test", {}, {"dense": DENSE, "sparse": SPARSE}, 64, STATE), **changes
    )


@contextmanager
def machine(
    url: str, collection: str | None = None, *, time: FakeTime | None = None, **settings: object
) -> Iterator[Store]:
    """A store on a server as one of several machines opens it; made if it is not there."""
    timing = None if time is None else time.timing
    place = ServerIndex(url, collection, ServerSettings(**settings), timing)
    if not place.exists():
        place.create(manifest())
    store = place.open()
    yield store
    store.close()


@contextmanager
def collection_of_its_own(url: str) -> Iterator[str]:
    """A name that no other test uses; what is stored under it is deleted."""
    name = f"trivet-test-{uuid.uuid4().hex}"
    yield name
    client = QdrantClient(url, check_compatibility=False)
    for collection in (name, f"{name}__journal"):
        client.delete_collection(collection)
    client.close()


def vectors(n: int, seed: int) -> Representations:
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(n, 4)).astype(np.float32)
    terms = tuple(
        SparseVector(np.array([1, 5 + i], dtype=np.uint32), draw.random(2).astype(np.float32) + 0.1)
        for i in range(n)
    )
    return Representations(DenseVectors(DENSE, rows), SparseVectors(SPARSE, terms))


def write(store: Store, id: str, chunks: int, text: str) -> DocumentWrite:
    existing = store.journal.entries([id]).get(id)
    revision = existing.revision + 1 if existing else 1
    legs = vectors(chunks, seed=len(text))
    points = tuple(
        make_point(
            store.manifest.namespace,
            Chunk(id, i, f"{text} {i}", (0, len(text) + 2), "", {"n": i}, text, revision, chunks),
            legs[i],
        )
        for i in range(chunks)
    )
    return DocumentWrite(JournalEntry(id, text, chunks, revision, 2 * chunks), existing, points)


def contents(store: Store) -> dict[str, list[str]]:
    """Every document's chunks; fails if the engine holds anything that the journal does not."""
    totals = store.journal.totals()
    stored: dict[str, list[Chunk]] = {}
    for page in store.pages():
        for chunk in page:
            stored.setdefault(chunk.document, []).append(chunk)
    assert len(stored) == totals.documents
    assert sum(map(len, stored.values())) == totals.chunks == store.engine.count()
    for found in stored.values():
        assert len({(chunk.digest, chunk.revision) for chunk in found}) == 1
    return {
        id: [c.text for c in sorted(found, key=lambda c: c.sequence)]
        for id, found in stored.items()
    }
