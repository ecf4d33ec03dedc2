"""An index migrated little by little, and what a map adds to a query, in the real engine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import trivet
from benchmarks import beir
from benchmarks.drift_moves import PerQuery, figure
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, median
from benchmarks.quality import judge, search
from trivet import Embedder
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.index.upgrade import Upgrade

COLLECTION = "cranfield"
SHARES = (0.10, 0.25, 0.50, 0.75)
# Seconds of the first call of `migrate`: a batch or two, so that a share is met closely.
BUDGET_S = 0.2
ROUNDS = 3
WARM = 20


def migration() -> list[Figure]:
    """From 4 layers to 6, which are better: quality by the share of native vectors."""
    collection = beir.load(COLLECTION)
    what = f"{COLLECTION}: 4 → 6 layers, in a folder"
    with _indexed(collection, _cut(4)) as index:
        upgrade = _fitted(index, _cut(6))
        old = _quality(index, collection)
        upgrade.cutover("query", force=True)
        compensated = _quality(index, collection)
        upgrade.cutover("translate", force=True)
        figures = [figure(f"{what}: old", old), figure(f"{what}: query mode", compensated)]
        for share in SHARES:
            native = _migrated(upgrade, share)
            label = f"{what}: {share:.0%} native − query mode"
            figures.append(figure(label, _quality(index, collection) - compensated, Bar(low=-0.01)))
            print(f"{native:.3f} native", flush=True)
        upgrade.migrate()
        return [*figures, figure(f"{what}: all native", _quality(index, collection))]


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


def _quality(index: trivet.Index, collection: beir.Collection) -> PerQuery:
    """nDCG@10 of the dense leg alone."""
    return judge(collection, search(index, collection, ["dense"]))


def _migrated(upgrade: Upgrade, share: float) -> float:
    """Migrate until a share of the documents is native; returns the share."""
    budget = BUDGET_S
    while True:
        # A call may spend all of its time on finding where the last one stopped.
        if not upgrade.migrate(budget=budget):
            budget *= 2
        status = upgrade.status()
        if status.native >= share * status.documents:
            return status.native / status.documents
