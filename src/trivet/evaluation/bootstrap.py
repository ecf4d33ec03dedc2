"""How far the mean over queries can be trusted: intervals by resampling the queries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
INTERVAL = (0.025, 0.975)
BLOCK = 500  # resamples drawn at a time: 20 MB for 5,000 queries


def resampled_means(
    values: NDArray[np.float64], *, seed: int, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """The means of resamples of n rows, drawn with replacement.

    All columns are drawn together: a difference of two columns' means is that of pairs.

    Args:
        values: (n, columns).
        seed: the same resamples come for the same n.
        resamples: how many.

    Returns:
        (resamples, columns).
    """
    rng = np.random.default_rng(seed)
    rows = len(values)
    means = np.empty((resamples, values.shape[1]))
    for start in range(0, resamples, BLOCK):
        size = min(BLOCK, resamples - start)
        # How often each row is drawn says as much as which was drawn when, in a tenth of the time.
        drawn = rng.multinomial(rows, np.full(rows, 1 / rows), size=size)
        means[start : start + size] = drawn @ values / rows
    return means


def interval(means: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of resampled means."""
    low, high = np.quantile(means, INTERVAL)
    return float(low), float(high)
