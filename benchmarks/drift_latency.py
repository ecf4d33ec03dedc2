"""What a map adds to the time of a query, in the real engine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import trivet
from benchmarks import beir
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, median
from trivet import Embedder
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.index.upgrade import Upgrade

COLLECTION = "cranfield"
ROUNDS = 3
WARM = 20


def latency() -> list[Figure]:
    """The same search of two indexes in turn: one by its own model, one through a map."""
    collection = beir.load(COLLECTION)
    newer = _cut(6)
    with _indexed(collection, newer) as native, _indexed(collection, _cut(4)) as bridged:
        upgrade = _fitted(bridged, newer)
        upgrade.cutover("query", force=True)
        indexes = native, bridged
        queries = list(collection.queries.values())
        for query in queries[:WARM]:
            for index in indexes:
                index.search(query)
        times = np.zeros((len(queries), ROUNDS, 2))
        for turn in range(ROUNDS):
            for row, query in enumerate(queries):
                for side in (0, 1) if (row + turn) % 2 else (1, 0):
                    start = time.perf_counter()
                    indexes[side].search(query)
                    times[row, turn, side] = time.perf_counter() - start
    best = np.median(times, axis=1)
    added = best[:, 1] / best[:, 0] - 1
    return [
        Figure("a query without a map, ms (median)", float(np.median(best[:, 0])) * 1e3),
        Figure("a query through a map: added share of its time (median)", float(np.median(added)),
               Bar(high=0.03), bootstrap(added, median), digits=4),
    ]  # fmt: skip


@contextmanager
def _indexed(collection: beir.Collection, embedder: Embedder) -> Iterator[trivet.Index]:
    with (
        tempfile.TemporaryDirectory() as folder,
        trivet.open(Path(folder) / "index", model=embedder) as index,
    ):
        index.add(collection.documents, on_error="raise")
        yield index


def _cut(layers: int) -> Embedder:
    return Embedder.load(DEFAULT_MODEL, modes=["dense"], layers=layers)


def _fitted(index: trivet.Index, newer: Embedder) -> Upgrade:
    upgrade = index.upgrade(newer)
    upgrade.plan()
    upgrade.fit()
    upgrade.verify()
    return upgrade
