"""Spaces, and pairs of vectors in them, for the tests of drift maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trivet.drift.pairs import Pairs
from trivet.types import Space, Vectors


def space(name: str, dims: int) -> Space:
    return Space("dense", name, dims, {"weights": name})


def unit(rows: NDArray[np.floating]) -> Vectors:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def rotation(dims: int, seed: int) -> NDArray[np.float64]:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dims, dims)))[0]


def clustered(n: int, dims: int, seed: int) -> Vectors:
    """Unit rows around as many centres as a quarter of them, as texts on shared topics lie."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((max(2, n // 4), dims))
    return unit(
        centres[random.integers(0, len(centres), n)] + 0.6 * random.standard_normal((n, dims))
    )


def paired(before: Vectors, after: Vectors, kind: str = "document") -> Pairs:
    names = tuple(f"d{i}" for i in range(len(before)))
    source, target = space("new", before.shape[1]), space("old", after.shape[1])
    return Pairs(source, target, before, after, names, (kind,) * len(before))


def noisy(n: int, dims: int = 12, to: int | None = None, seed: int = 0) -> Pairs:
    """Pairs of an unknown linear map, a shift and noise."""
    random = np.random.default_rng(seed)
    before = unit(random.standard_normal((n, dims)) + 0.3)
    matrix = random.standard_normal((dims, to or dims))
    after = before @ matrix + 0.2 + 0.3 * random.standard_normal((n, to or dims))
    return paired(before, unit(after))
