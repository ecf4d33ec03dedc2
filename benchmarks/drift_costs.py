"""What drift maps cost: CPU seconds of fitting, of one query, of a translation."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from benchmarks.drift_moves import unit
from benchmarks.figures import Bar, Figure
from trivet.drift.fitting import fit_low_rank, fit_procrustes, fit_ridge
from trivet.drift.map import DriftMap
from trivet.drift.pairs import Pairs
from trivet.types import Space

PAIRS = 5_000
FIT = Bar(high=10.0)
APPLY = Bar(high=50.0)
BATCH = 32


def costs() -> list[Figure]:
    """At 384 and 1,024 dims."""
    figures: list[Figure] = []
    for d in (384, 1_024):
        pairs = _pairs(d)
        fitted, held = pairs.split(0.2, 0)
        seconds, ridge = _timed(lambda fitted=fitted, held=held: fit_ridge(fitted, held))
        what = f"fit of {PAIRS:,} pairs, {d} dims"
        figures.append(Figure(f"{what}, ridge, all priors and strengths, CPU s", seconds, FIT))
        seconds, _ = _timed(lambda fitted=fitted: fit_procrustes(fitted))
        figures.append(Figure(f"{what}, procrustes, CPU s", seconds, FIT))
        seconds, low = _timed(lambda fitted=fitted, held=held: fit_low_rank(fitted, held))
        figures.append(Figure(f"{what}, low rank, CPU s", seconds, FIT))
        figures += _latencies(ridge, low, pairs, d)
        if d == 384:
            start = time.process_time()
            for _ in range(4):
                ridge.apply_rows(pairs.before)
            speed = 4 * PAIRS / (time.process_time() - start)
            figures.append(Figure("translation, 384 dims, documents/s on one core", speed,
                                  Bar(low=100_000), digits=0))  # fmt: skip
    return figures


def _latencies(ridge: DriftMap, low: DriftMap, pairs: Pairs, d: int) -> list[Figure]:
    rows = pairs.before
    matrix = ridge.steps[0].factors[0]
    # Whatever applies the map reads the whole matrix: at 1,024 dims four megabytes a query.
    return [
        _latency(f"apply to one query, {d} dims", lambda i: ridge.apply_rows(rows[i : i + 1]),
                 1, APPLY),
        _latency(f"numpy's bare product of it, {d} dims", lambda i: rows[i : i + 1] @ matrix,
                 1, None),
        _latency(f"apply to one query of {BATCH} at once, {d} dims",
                 lambda i: ridge.apply_rows(rows[i : i + BATCH]), BATCH, APPLY),
        _latency(f"apply to one query, {d} dims, low rank",
                 lambda i: low.apply_rows(rows[i : i + 1]), 1, APPLY),
    ]  # fmt: skip


def _latency(what: str, call: Callable[[int], object], queries: int, bar: Bar | None) -> Figure:
    times = np.empty(400)
    for i in range(len(times)):
        start = time.process_time_ns()
        for _ in range(5):
            call(i)
        times[i] = (time.process_time_ns() - start) / (5_000 * queries)
    low, high = np.quantile(times, [0.025, 0.975])
    label = f"{what}, µs (median; middle 95 %)"
    return Figure(label, float(np.median(times)), bar, (float(low), float(high)), digits=1)


def _timed(call: Callable[[], DriftMap]) -> tuple[float, DriftMap]:
    start = time.process_time()
    made = call()
    return time.process_time() - start, made


def _pairs(d: int) -> Pairs:
    random = np.random.default_rng(0)
    before = unit(random.standard_normal((PAIRS, d)) + 0.2)
    after = unit(before @ random.standard_normal((d, d)) / np.sqrt(d) + 0.1)
    spaces = Space("dense", "a", d, {"weights": "a"}), Space("dense", "b", d, {"weights": "b"})
    names = tuple(map(str, range(PAIRS)))
    return Pairs(*spaces, before, after, names, ("document",) * PAIRS)
