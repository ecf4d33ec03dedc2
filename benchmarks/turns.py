"""Contenders that take turns, so that what else the machine does hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray


def cpu_seconds(contenders: Sequence[Callable[[], object]], rounds: int) -> NDArray[np.float64]:
    """CPU seconds of the process for each of n calls, the first place changing hands.

    Args:
        contenders: warmed up by the caller.
        rounds: how often each is called.

    Returns:
        (n, rounds).
    """
    seconds = np.zeros((len(contenders), rounds))
    for round in range(rounds):
        for which in np.roll(range(len(contenders)), round):
            start = time.process_time()
            contenders[which]()
            seconds[which, round] = time.process_time() - start
    return seconds
