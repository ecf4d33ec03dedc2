"""What drift maps cost: CPU seconds of fitting, the latency of one query, a translation."""

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
    calls: dict[str, tuple[Callable[[int], object], int, Bar | None]] = {
        f"apply to one query, {d} dims": (lambda i: ridge.apply_rows(rows[i : i + 1]), 1, APPLY),
        f"numpy's bare product of it, {d} dims": (lambda i: matrix.T @ rows[i], 1, None),
        f"apply to one query of {BATCH} at once, {d} dims": (
            lambda i: ridge.apply_rows(rows[i : i + BATCH]), BATCH, APPLY,
        ),
        f"apply to one query, {d} dims, low rank": (
            lambda i: low.apply_rows(rows[i : i + 1]), 1, APPLY,
        ),
    }  # fmt: skip
    return [figure for what, called in calls.items() for figure in _latency(what, *called)]


def _latency(
    what: str, call: Callable[[int], object], queries: int, bar: Bar | None
) -> list[Figure]:
    """What a query waits, and what all cores compute for it."""
    clocks = {"wall": time.perf_counter_ns, "CPU": time.process_time_ns}
    times = {name: np.empty(400) for name in clocks}
    for i in range(400):
        starts = {name: now() for name, now in clocks.items()}
        for _ in range(5):
            call(i)
        for name, now in clocks.items():
            times[name][i] = (now() - starts[name]) / (5_000 * queries)
    wall, cpu = times["wall"], times["CPU"]
    ends = tuple(np.quantile(wall, [0.025, 0.975]).tolist())
    return [
        Figure(f"{what}, wall µs (median; middle 95 %)", float(np.median(wall)), bar, ends,
               digits=1),
        # The clock of a process takes in its other threads by and by.
        Figure(f"{what}, CPU µs (mean)", float(np.mean(cpu)), digits=1),
    ]  # fmt: skip


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
