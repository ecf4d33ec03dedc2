"""Fewer token vectors for a text: those of like tokens become their mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trivet.embedding.spec import TokenPooling
from trivet.types import Vectors


def pool_tokens(vectors: Vectors, pooling: TokenPooling) -> Vectors:
    """Pool the token vectors of one text (Clavié et al. 2024, hierarchical).

    Args:
        vectors: (t, m) float32, of any length; they are compared by their cosine.
        pooling: how.

    Returns:
        (p + max(1, ⌊(t - p) / factor⌋), m) float32, p being the protected ones, which come first.
    """
    free = vectors[pooling.protected :]
    clusters = max(1, int(len(free) // pooling.factor))
    if clusters >= len(free):
        return vectors
    directions = _scaled(free)
    distances = np.clip(1 - directions @ directions.T, 0, 2).astype(np.float64)
    labels = ward_clusters(distances, clusters)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    sums = np.add.reduceat(free[order], starts, axis=0)
    means = (sums / sizes[:, None]).astype(np.float32)
    return np.concatenate([vectors[: pooling.protected], _scaled(means) if pooling.unit else means])


def ward_clusters(distances: NDArray[np.float64], clusters: int) -> NDArray[np.int64]:
    """Merge n points by Ward's criterion until so many clusters are left.

    Args:
        distances: (n, n), symmetric; its squares are updated as Lance and Williams do.
        clusters: 1 ≤ clusters ≤ n.

    Returns:
        (n,), for each point the number of one of its cluster.
    """
    n = len(distances)
    squares = distances**2
    np.fill_diagonal(squares, np.inf)
    sizes = np.ones(n)
    labels = np.arange(n)
    # Each row's nearest is kept, so that a merge costs n instead of n². Ward's distances only
    # grow by a merge, so only rows whose nearest was one of the two have to look again.
    nearest = squares.argmin(axis=1)
    nearness = squares[labels, nearest]
    for _ in range(n - clusters):
        kept = int(nearness.argmin())
        gone = int(nearest[kept])
        row = (sizes[kept] + sizes) * squares[kept] + (sizes[gone] + sizes) * squares[gone]
        row = (row - sizes * squares[kept, gone]) / (sizes[kept] + sizes[gone] + sizes)
        row[[kept, gone]] = np.inf
        squares[kept], squares[:, kept] = row, row
        squares[gone], squares[:, gone] = np.inf, np.inf
        sizes[kept] += sizes[gone]
        labels[labels == gone] = kept
        nearness[gone] = np.inf
        nearest[gone] = gone
        stale = np.flatnonzero((nearest == kept) | (nearest == gone))
        stale = np.append(stale[stale != gone], kept)
        nearest[stale] = squares[stale].argmin(axis=1)
        nearness[stale] = squares[stale, nearest[stale]]
    return labels


def _scaled(rows: Vectors) -> Vectors:
    """Rows of length 1."""
    scaled: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return scaled
