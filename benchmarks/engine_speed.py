"""Engine speed: queries of two legs over 10,000 points, what storing them took, and their size."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from qdrant_client import models

import trivet
from benchmarks import beir, results
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, median
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.store.points import FoundPoint
from trivet.types import DenseVectors

TITLE = "Engine speed, 10,000 points in Qdrant Edge"
METHOD = (
    "The first 10,000 documents of NPL with their BM25 vectors and random unit vectors of 384 "
    "dimensions. What `Index.search` asks of its store for the 93 judged queries is recorded, then "
    "sent one request at a time in several rounds. The engine part is the store's whole answer to "
    "a request, in wall time, without the embedding of the query."
)
POINTS = 10_000
BAR = Bar(high=5.0)

Requests: TypeAlias = Sequence[models.QueryRequest]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    collection = beir.load("npl")
    with (
        tempfile.TemporaryDirectory() as folder,
        trivet.open(f"{folder}/index", model=DEFAULT_MODEL, modes=["dense", "sparse"]) as index,
    ):
        figures = measure_ingest(index, collection)
        figures = measure_queries(index, list(collection.queries.values()), rounds) + figures
    results.report("engine_speed", TITLE, METHOD, figures)


def measure_ingest(index: trivet.Index, collection: beir.Collection) -> list[Figure]:
    """Store the points with vectors that are given."""
    documents = collection.documents[:POINTS]
    space = next(space for space in index.describe().spaces if space.mode == "dense")
    vectors = np.random.default_rng(0).standard_normal((POINTS, space.dims or 0), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    given = trivet.Representations(dense=DenseVectors(space, vectors))
    wall, cpu = time.perf_counter(), time.process_time()
    stored = index.upsert(documents, representations=given, on_error="raise")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert stored.chunks == POINTS, stored
    return [
        Figure("points stored a second, vectors given", POINTS / wall, digits=0),
        Figure("points stored a CPU second, vectors given", POINTS / cpu, digits=0),
        Figure("bytes on disk a chunk", index.describe().size_bytes / POINTS, digits=0),
    ]


def measure_queries(index: trivet.Index, queries: Sequence[str], rounds: int) -> list[Figure]:
    """Hybrid queries, one at a time, after a first round that does not count."""
    store = index._store
    requests = recorded_requests(index, queries)
    wall, cpu = np.zeros((2, rounds * len(requests)))
    for turn in range(len(wall)):
        start, cpu_start = time.perf_counter(), time.process_time()
        store.query(requests[turn % len(requests)])
        wall[turn] = time.perf_counter() - start
        cpu[turn] = time.process_time() - cpu_start
    middle, interval = float(np.median(wall)), bootstrap(wall, median)
    return [
        Figure(
            "hybrid query, engine part, p50 ms",
            1e3 * middle,
            BAR,
            (1e3 * interval[0], 1e3 * interval[1]),
        ),
        Figure("hybrid query, engine part, p95 ms", 1e3 * float(np.quantile(wall, 0.95))),
        Figure("hybrid query, engine part, p50 CPU ms", 1e3 * float(np.median(cpu))),
        Figure("queries timed", len(wall), digits=0),
    ]


def recorded_requests(index: trivet.Index, queries: Sequence[str]) -> list[Requests]:
    """What `Index.search` asks of its store, in the order it asks."""
    store = index._store
    query, requests = store.query, []

    def record(asked: Requests) -> list[list[FoundPoint]]:
        requests.append(asked)
        return query(asked)

    store.query = record
    for text in queries:
        index.search(text)
    store.query = query
    return requests


if __name__ == "__main__":
    main()
