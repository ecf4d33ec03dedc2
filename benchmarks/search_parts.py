"""Where the time of searches goes: to the model, to the engine's own calls, and to the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import numpy as np

import trivet
from benchmarks.figures import Figure

P = ParamSpec("P")
R = TypeVar("R")

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "CPU": time.process_time}
PARTS = ("model", "engine", "rest")


class Parts:
    """Times searches of an index in a folder, part by part.

    Args:
        index: whose model and engine are timed while `measuring`.
    """

    def __init__(self, index: trivet.Index) -> None:
        self._model = index._shared.model
        self._engine = index._store.engine
        self._spent: dict[tuple[str, str], float] = {}
        self.rounds: dict[str, list[dict[tuple[str, str], float]]] = {}

    @contextmanager
    def measuring(self, way: str, searches: int) -> Iterator[None]:
        """Time a round of searches that are asked in some way."""
        self._spent = dict.fromkeys(((clock, part) for clock in CLOCKS for part in PARTS), 0.0)
        queries, read = self._model.queries, self._engine._read
        self._model.queries = self._timed("model", queries)
        self._engine._read = self._timed("engine", read)
        try:
            starts = {clock: now() for clock, now in CLOCKS.items()}
            yield
            for clock, now in CLOCKS.items():
                known = self._spent[clock, "model"] + self._spent[clock, "engine"]
                self._spent[clock, "rest"] = now() - starts[clock] - known
        finally:
            self._model.queries, self._engine._read = queries, read
        each = {key: 1e3 * seconds / searches for key, seconds in self._spent.items()}
        self.rounds.setdefault(way, []).append(each)

    def figures(self, what: str, before: str, after: str) -> list[Figure]:
        """What each part takes in both ways, and how much faster the second could be at best."""
        ms = {way: self._medians(way) for way in (before, after)}
        parts = [
            Figure(f"{what}: {part}, {clock} ms a search, {way}", ms[way][clock, part])
            for part in PARTS
            for clock in CLOCKS
            for way in (before, after)
        ]

        def bound(*kept: str) -> float:
            sums = [sum(ms[way]["wall", part] for part in kept) for way in (before, after)]
            return sums[0] / sums[1]

        return [
            *parts,
            Figure(f"{what}: times, were all but the model free in both", bound("model")),
            Figure(f"{what}: times, were all but the engine free in both", bound("engine")),
            Figure(
                f"{what}: times, were all but model and engine free in both",
                bound("model", "engine"),
            ),
        ]

    def _medians(self, way: str) -> dict[tuple[str, str], float]:
        rounds = self.rounds[way]
        return {key: float(np.median([each[key] for each in rounds])) for key in rounds[0]}

    def _timed(self, part: str, call: Callable[P, R]) -> Callable[P, R]:
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            starts = {clock: now() for clock, now in CLOCKS.items()}
            try:
                return call(*args, **kwargs)
            finally:
                for clock, now in CLOCKS.items():
                    self._spent[clock, part] += now() - starts[clock]

        return timed
