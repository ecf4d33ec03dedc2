"""The flat results of a batch become one value a text, and values go back to the order of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from trivet.types import SparseVector, Vectors

T = TypeVar("T")


def split_rows(rows: Vectors, counts: NDArray[np.int64]) -> list[Vectors]:
    """Cut (sum of counts, m) rows into n arrays of (count, m)."""
    ends = np.cumsum(counts).tolist()
    return [rows[end - count : end] for end, count in zip(ends, counts.tolist(), strict=True)]


def strongest_by_id(
    ids: NDArray[np.int64], weights: Vectors, kept: NDArray[np.bool_]
) -> list[SparseVector]:
    """One sparse vector a text: of each token id the largest of its weights, where above 0.

    Args:
        ids: (n, t) token ids.
        weights: (n, t) float32.
        kept: (n, t), which tokens count.
    """
    rows, columns = np.nonzero(kept & (weights > 0))
    found = ids[rows, columns]
    order = np.lexsort((found, rows))
    rows, found, came = rows[order], found[order], weights[rows, columns][order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (rows[1:] != rows[:-1]) | (found[1:] != found[:-1])
    starts = np.flatnonzero(first)
    values = np.maximum.reduceat(came, starts) if len(starts) else came
    counts = np.bincount(rows[starts], minlength=len(ids))
    return _sparse_vectors(found[starts], values, counts)


def above_zero(weights: Vectors) -> list[SparseVector]:
    """One sparse vector a text, of the positive entries of (n, vocabulary) weights."""
    rows, columns = np.nonzero(weights > 0)
    counts = np.bincount(rows, minlength=len(weights))
    return _sparse_vectors(columns, weights[rows, columns], counts)


def reordered(parts: Sequence[Sequence[T]], batches: Sequence[Sequence[int]]) -> tuple[T, ...]:
    """Put the values of all batches back in the order of the texts.

    Args:
        parts: one value a text, batch by batch.
        batches: the positions that `plan_batches` gave.
    """
    positions = (position for batch in batches for position in batch)
    values = (value for part in parts for value in part)
    found = dict(zip(positions, values, strict=True))
    return tuple(found[position] for position in range(len(found)))


def _sparse_vectors(
    indices: NDArray[np.int64], values: Vectors, counts: NDArray[np.int64]
) -> list[SparseVector]:
    unsigned = indices.astype(np.uint32)
    values = values.astype(np.float32, copy=False)
    ends = np.cumsum(counts).tolist()
    return [
        SparseVector(unsigned[end - count : end], values[end - count : end])
        for end, count in zip(ends, counts.tolist(), strict=True)
    ]
