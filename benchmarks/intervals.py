"""How far a measured value can be trusted: 95 % intervals by resampling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000


def mean(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each resample: (..., n) to (...)."""
    return sample.mean(axis=-1)


def median(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each resample: (..., n) to (...)."""
    return np.median(sample, axis=-1)


def bootstrap(
    sample: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> tuple[float, float]:
    """The middle 95 % of a statistic over resamples, drawn with replacement, of n values.

    Paired values are handed in as their differences (or ratios): then pairs are drawn.
    """
    drawn = np.random.default_rng(0).integers(0, len(sample), (RESAMPLES, len(sample)))
    low, high = np.quantile(statistic(sample[drawn]), [0.025, 0.975])
    return float(low), float(high)
