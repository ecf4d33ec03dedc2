"""Stored vectors carried into the newer model's space, beside the old ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trivet.drift.map import DriftMap
from trivet.store.store import Store
from trivet.store.upgrading import alone, open_beside, swap
from trivet.types import Vectors

# A translated vector comes back from the engine as it was written, to the last bits.
SAME = 1e-4


def translate_index(store: Store, translation: DriftMap) -> None:
    """Give every point a vector of the newer model's space, then let these serve.

    Points that have one, from an earlier run or because they were written meanwhile, keep it.
    """
    open_beside(store)
    for page in store.engine.pages():
        # Alone, so that no document changes between the reading of its vector and the writing.
        with alone(store):
            _translate(store, translation, list(page))
    store.engine.flush()
    swap(store)


def is_translated(stored: Vectors, newer: Vectors, translation: DriftMap) -> NDArray[np.bool_]:
    """Of n points, whether the newer vector is the older one's translation, and so not native.

    This is the work list of a migration: no mark can be lost or be wrong.

    Args:
        stored: (n, d) of the older model.
        newer: (n, d') of the newer one.
        translation: that was used.
    """
    differences = np.abs(translation.apply_rows(stored) - newer).max(axis=1)
    same: NDArray[np.bool_] = differences < SAME
    return same


def _translate(store: Store, translation: DriftMap, ids: list[str]) -> None:
    names = translation.source.vector_name, translation.target.vector_name
    there = store.engine.vectors(ids, names[1])
    old = store.engine.vectors([id for id in ids if id not in there], names[0])
    if old:
        rows = translation.apply_rows(np.stack(list(old.values())))
        store.engine.set_vectors({id: {names[1]: row} for id, row in zip(old, rows, strict=True)})
