"""How long ways to compute the same take on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

_ROUNDS = 5


@torch.inference_mode()
def best_times(ways: Sequence[Callable[[], object]]) -> list[float]:
    """Time calls against each other.

    Args:
        ways: the calls, which take turns.

    Returns:
        The shortest of several runs of each, in seconds: what else a machine does only adds.
    """
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(_ROUNDS + 1):  # the first round warms up
        for way, times in zip(ways, taken, strict=True):
            start = time.perf_counter()
            way()
            times.append(time.perf_counter() - start)
    return [min(times[1:]) for times in taken]
