"""Vectors carried over into another model's space, so that they can be told from its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trivet.drift.map import DriftMap
from trivet.types import Vectors

# A carried vector comes back from the engine as it was written, to the last bits.
SAME = 1e-4
# Where two models agree, a map is the identity and a carried vector is the native one. So each is
# turned by this much towards the first axis: its cosines change by less than a millionth.
MARK = 1e-3
MOSTLY = 0.9


def carried(drift: DriftMap, rows: Vectors) -> Vectors:
    """Vectors of another model, of length 1 and marked: (n, d) to (n, d') float32."""
    made = drift.apply_rows(rows)
    # A vector along that axis cannot be turned towards it: it is turned towards the second.
    numbers, axes = np.arange(len(made)), (np.abs(made[:, 0]) > MOSTLY).astype(np.intp)
    along = made[numbers, axes]
    made[numbers, axes] += np.where(along < 0, -MARK, MARK)
    # Of a row of length 1, this is the length now; to measure it again would take as long as the
    # map itself.
    made /= np.sqrt(1 + 2 * MARK * np.abs(along) + MARK**2)[:, None]
    return made


def is_carried(drift: DriftMap, older: Vectors, newer: Vectors) -> NDArray[np.bool_]:
    """Of n points, whether the newer vector is the older one's, carried over, and so not native.

    This is the work list of a migration: no mark beside the vectors can be lost or be wrong.

    Args:
        drift: that vectors were carried by.
        older: (n, d).
        newer: (n, d').
    """
    same: NDArray[np.bool_] = np.abs(carried(drift, older) - newer).max(axis=1) < SAME
    return same
