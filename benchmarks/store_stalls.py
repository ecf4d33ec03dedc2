"""A large index in a folder: how fast it answers, and how long it keeps a query waiting."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from itertools import cycle, islice

import numpy as np
from qdrant_client import models

import trivet
from benchmarks import beir, store_ingest
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, median
from trivet.index.lexicon import bm25_for
from trivet.plan import best_plan
from trivet.store.leg_query import LegQuery
from trivet.store.request import PlannedQuery
from trivet.store.store import Store

POINTS = 50_000
P50_MS, STALL_MS = Bar(high=5.0), Bar(high=200.0)
ROUNDS = 4
# Chunks that a search for ten documents asks for.
LIMIT = 30


def measure() -> list[Figure]:
    """Hybrid queries before, during and after `optimize`."""
    vectors = store_ingest.dense_vectors(POINTS)
    with (
        tempfile.TemporaryDirectory() as folder,
        store_ingest.empty_index(f"{folder}/index", lexical=True) as index,
    ):
        given = trivet.Representations(dense=vectors)
        index.upsert(store_ingest.documents(POINTS), representations=given, on_error="raise")
        store = index._store
        asked = _requests(store, vectors.values)
        before = _timed_ms(store, asked * ROUNDS)
        stalls, elapsed_s = _while_optimizing(index, asked)
        after = _timed_ms(store, asked * ROUNDS)
    what = f"{POINTS:,} points, hybrid query"
    during = [took for stage in stalls.values() for took in stage]
    return [
        Figure(f"{what} after optimize: p50 ms", float(np.median(after)), P50_MS,
               bootstrap(after, median)),
        Figure(f"{what} after optimize: p95 ms", float(np.quantile(after, 0.95))),
        Figure(f"{what} before optimize: p50 ms", float(np.median(before))),
        Figure(f"{what} before optimize: longest ms", float(before.max()), digits=0),
        Figure(f"{what} while optimizing: longest ms", max(during), STALL_MS, digits=0),
        *(
            Figure(f"{what} while optimizing, {stage}: longest ms", max(took), digits=0)
            for stage, took in stalls.items()
        ),
        Figure(f"{what} while optimizing: p50 ms", float(np.median(during))),
        Figure(f"{what} while optimizing: queries", len(during), digits=0),
        Figure(f"{POINTS:,} points: seconds to optimize", elapsed_s, digits=0),
    ]  # fmt: skip


Requests = Sequence[models.QueryRequest]


def _requests(store: Store, vectors: np.ndarray) -> list[Requests]:
    """The judged queries of NPL, each with a vector near that of some document."""
    state = store.manifest.lexical
    assert state is not None
    words = bm25_for(state).embed_queries(list(beir.load("npl").queries.values())).values
    names = {mode: space.vector_name for mode, space in store.manifest.spaces.items()}
    draw = np.random.default_rng(2)
    plan = best_plan(("dense", "sparse"), 100)
    asked = []
    for terms in words:
        near = vectors[draw.integers(len(vectors))] + 0.02 * draw.standard_normal(vectors.shape[1])
        unit = (near / np.linalg.norm(near)).astype(np.float32)
        legs = {
            "dense": LegQuery("dense", names["dense"], unit),
            "sparse": LegQuery("sparse", names["sparse"], terms),
        }
        asked.append(PlannedQuery(plan, legs, LIMIT, None).requests())
    return asked


def _timed_ms(store: Store, asked: Sequence[Requests]) -> np.ndarray:
    seconds = []
    for requests in asked:
        start = time.perf_counter()
        assert store.query(requests)[0]
        seconds.append(time.perf_counter() - start)
    return 1e3 * np.array(seconds)


def _while_optimizing(
    index: trivet.Index, asked: Sequence[Requests]
) -> tuple[dict[str, list[float]], float]:
    """Times by stage of queries that one thread asks without a pause while another optimizes."""
    done = threading.Event()
    stages, elapsed_s = ["starting"], list[float]()

    def optimize() -> None:
        try:
            elapsed_s.append(index.optimize(force=True, progress=stages.append).elapsed_s)
        finally:
            done.set()

    thread = threading.Thread(target=optimize)
    times: dict[str, list[float]] = {}
    turns = cycle(asked)
    thread.start()
    while not done.is_set():
        took = _timed_ms(index._store, list(islice(turns, 1)))
        # The stage that it ended in: a query that waits for the last one is told of that one.
        times.setdefault(stages[-1], []).extend(took.tolist())
    thread.join()
    return times, elapsed_s[0]
