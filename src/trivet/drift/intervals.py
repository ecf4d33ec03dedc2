"""How far a measured mean or ratio can be trusted: 95 % intervals by resampling queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1_000


@dataclass(frozen=True)
class Estimate:
    """A measured value.

    Attributes:
        value: as measured.
        low: lower end of its 95 % interval.
        high: upper end.
        n: queries that it was measured on; of a ratio, those that say anything.
    """

    value: float
    low: float
    high: float
    n: int


def mean(values: NDArray[np.float64]) -> Estimate:
    """Of values that were measured on queries."""
    drawn = _draws(len(values))
    return _estimate(float(values.mean()), values[drawn].mean(axis=1), len(values))


def ratio(values: NDArray[np.float64], to: NDArray[np.float64]) -> Estimate:
    """Of two means over the same queries, which are drawn in pairs.

    A query that has nothing on either side says nothing, however many there are of them: it is
    not counted, and of such queries alone the ratio is 1 and may be anything.
    """
    telling = int(np.count_nonzero((values > 0) | (to > 0)))
    if not telling:
        return Estimate(1.0, 0.0, float(np.inf), 0)
    drawn = _draws(len(values))
    above, below = values[drawn].mean(axis=1), to[drawn].mean(axis=1)
    return _estimate(_divided(values.mean(), to.mean()), _divided(above, below), telling)


def _divided(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    quotient: NDArray[np.float64] = np.where(
        below > 0, above / np.where(below > 0, below, 1.0), np.where(above > 0, np.inf, 1.0)
    )
    return quotient


def _estimate(value: object, drawn: NDArray[np.float64], n: int) -> Estimate:
    # Without interpolation: a ratio to nothing is infinite.
    low, high = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")
    return Estimate(float(np.asarray(value)), float(low), float(high), n)


def _draws(n: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
