"""Token vectors made small: 64 bytes each, in whole numbers whose products are the cosines'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trivet.errors import EmbeddingError, InvalidInputError
from trivet.types import MultiVectors, Space, Vectors

CALIBRATION_FILE = Path(__file__).parent / "calibration.txt"
# Of 384 dimensions, 63 cost .001 nDCG@10 on five collections (benchmarks/plans.py). One more is
# spent on keeping every vector's sum at zero.
COMPACT_DIMS = 64
DATATYPE = "uint8"
ZERO = 128
# A component of a unit vector of d dimensions is about 1/√d. Beyond 4.5 times that it is cut, which
# befell 3 of 100,000 components of MiniLM's.
_REACH = 4.5
_EPSILON = 1e-12
# Of weighted token vectors: what share of the steps the lightest should have, and how often the
# heaviest may be repeated for that.
LEAST_SHARE = 0.25
COPIES = 8


@dataclass(frozen=True, eq=False)
class TokenCodec:
    """Token vectors as bytes that an engine can compare.

    A vector is projected on the first principal axes, scaled to length 1, rotated into the
    hyperplane whose components sum to zero, and rounded to bytes around 128 such that the sum stays
    128 for every dimension. The product of two such byte vectors is then scale² · cosine plus a
    constant: an engine that multiplies bytes gives the order of the cosines, and an affine map
    gives the cosines.

    Attributes:
        projection: (m, dims - 1) float32, orthonormal columns.
    """

    projection: Vectors

    def __post_init__(self) -> None:
        shape = self.projection.shape
        if len(shape) != 2 or shape[0] < shape[1] or not np.all(np.isfinite(self.projection)):
            raise InvalidInputError(
                f"expected a projection of (m, d) finite numbers with m ≥ d, got shape {shape}"
            )

    @property
    def dims(self) -> int:
        """Bytes of a token vector."""
        return int(self.projection.shape[1]) + 1

    def space_of(self, full: Space) -> Space:
        """The space of the vectors of another one, made small."""
        return compact_space(full, self.dims)

    def encode(self, vectors: MultiVectors) -> MultiVectors:
        """Token vectors of documents or queries, made small.

        Args:
            vectors: n × (t, m) float32.

        Returns:
            n × (t, dims) float32 with whole numbers from 0 to 255.
        """
        if not vectors.values:
            return MultiVectors(self.space_of(vectors.space), ())
        rows = self._encoded(np.concatenate(vectors.values))
        ends = np.cumsum([len(value) for value in vectors.values])[:-1]
        return MultiVectors(self.space_of(vectors.space), tuple(np.split(rows, ends)))

    def affine(self, query_tokens: int) -> tuple[float, float]:
        """What turns the engine's sum over a query's tokens into the mean cosine.

        Returns:
            scale and shift: mean MaxSim = sum · scale + shift.
        """
        scale = 1.0 / (self._scale**2 * query_tokens)
        return scale, -float(ZERO**2 * self.dims) * query_tokens * scale

    def weighted(self, rows: Vectors, weights: NDArray[np.float64]) -> tuple[Vectors, float, float]:
        """A query's encoded token vectors, of which some count more than others.

        A vector that is drawn towards its middle counts less. So that the least of them keep enough
        of the 256 steps, the heavy ones are repeated instead.

        Args:
            rows: (t, dims), as `encode` makes them.
            weights: (t,), above 0.

        Returns:
            The vectors, and scale and shift: the sum of weight · best cosine = score · scale +
            shift.
        """
        copies_most = int(np.clip(np.ceil(LEAST_SHARE * weights.max() / weights.min()), 1, COPIES))
        base = float(weights.max()) / copies_most
        copies = np.maximum(1, np.ceil(weights / base - 1e-9)).astype(np.int64)
        shares = np.repeat(weights / copies / base, copies)[:, None]
        exact = (np.repeat(rows, copies, axis=0) - ZERO) * shares + ZERO
        made = _rounded_to_sum(exact.astype(np.float32), ZERO * self.dims)
        scale = base / self._scale**2
        return made, scale, -float(ZERO**2 * self.dims) * len(made) * scale

    def _encoded(self, rows: Vectors) -> Vectors:
        small = rows @ self.projection
        lengths = np.linalg.norm(small, axis=1, keepdims=True)
        flat = (small / np.maximum(lengths, _EPSILON)) @ self._hyperplane
        exact = flat * self._scale + ZERO
        return _rounded_to_sum(np.clip(exact, 0, 255), ZERO * self.dims)

    @property
    def _scale(self) -> float:
        return 127.0 * float(np.sqrt(self.dims)) / _REACH

    @cached_property
    def _hyperplane(self) -> Vectors:
        return _zero_sum_basis(self.dims)


def compact_space(full: Space, dims: int = COMPACT_DIMS) -> Space:
    """The space of token vectors made small."""
    # Of a model and of its first dims the axes are not the same, though as many of them are kept.
    axes = f"principal axes of {full.dims}, {CALIBRATION_FILE.stem} 1"
    facts = {**full.facts, "compact": axes, "datatype": DATATYPE}
    return Space("multi", full.model, min(dims, (full.dims or 0) + 1), facts)


def fit_codec(vectors: MultiVectors, dims: int = COMPACT_DIMS) -> TokenCodec:
    """The principal axes of token vectors: of their second moments, which cosines are made of.

    Raises:
        EmbeddingError: the vectors hold no finite numbers.
    """
    rows = np.concatenate(vectors.values).astype(np.float64)
    moments = rows.T @ rows
    if not np.all(np.isfinite(moments)):
        raise EmbeddingError("expected finite token vectors of the calibration text, got others")
    axes = np.linalg.eigh(moments)[1][:, ::-1]
    return TokenCodec(np.ascontiguousarray(axes[:, : dims - 1], dtype=np.float32))


def calibration_texts() -> Sequence[str]:
    """Sentences of many kinds, on which the principal axes are found."""
    return CALIBRATION_FILE.read_text(encoding="utf-8").splitlines()


def _rounded_to_sum(exact: Vectors, total: int) -> Vectors:
    """Rows rounded to bytes that sum to `total`: those nearest to the middle give way.

    Each round moves a component by one at most; a second is needed only where more are missing
    than there are components that are not at their end, as after cutting an extreme vector.
    """
    rounded = np.rint(exact)
    while (missing := total - rounded.sum(axis=1)).any():
        direction = np.sign(missing)[:, None]
        # Of the components that were rounded most in the wrong direction, as many as are missing;
        # none that is at its end already.
        wrong = (exact - rounded) * direction
        at_end = np.where(direction > 0, rounded == 255, rounded == 0)
        order = np.argsort(np.where(at_end, np.inf, -wrong), axis=1, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(exact.shape[1])[None, :], axis=1)
        moves = np.minimum(np.abs(missing), exact.shape[1] - at_end.sum(axis=1))
        rounded += direction * (ranks < moves[:, None])
    return rounded.astype(np.float32)


@lru_cache(maxsize=8)
def _zero_sum_basis(dims: int) -> Vectors:
    """(dims - 1, dims): orthonormal rows that each sum to zero, all cosines but the constant one.

    A principal axis is spread evenly over all components so, and none of them grows large.
    """
    waves, places = np.arange(1, dims)[:, None], np.arange(dims)[None, :]
    rows = np.sqrt(2.0 / dims) * np.cos(np.pi * waves * (2 * places + 1) / (2 * dims))
    basis: Vectors = rows.astype(np.float32)
    return basis
