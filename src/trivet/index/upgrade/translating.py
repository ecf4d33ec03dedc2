"""Stored vectors carried into the newer model's space, beside the old ones."""

from __future__ import annotations

import numpy as np

from trivet.drift.map import DriftMap
from trivet.index.carrying import carried
from trivet.store.room import require_room, vectors_bytes
from trivet.store.store import Store
from trivet.store.upgrading import alone, open_beside, require_state, swap
from trivet.types import require_same_space


def translate_index(store: Store, translation: DriftMap) -> None:
    """Give every point a vector of the newer model's space, then let these serve.

    Points that have one, from an earlier run or because they were written meanwhile, keep it.

    Raises:
        UpgradeStateError: another thread or machine has taken the upgrade elsewhere.
        SpaceMismatchError: the map does not begin where the stored vectors are.
        StoreError: the engine failed, or the disk has no room; the next call goes on.
    """
    require_same_space(store.manifest.spaces["dense"], translation.source)
    open_beside(store)
    for page in store.engine.pages():
        # Alone, so that no document changes between the reading of its vector and the writing.
        with alone(store):
            # Another thread or machine may have rolled it back, or have been faster.
            require_state(store.manifest.upgrade, "translating", "translating")
            _translate(store, translation, list(page))
    store.engine.flush()
    swap(store)


def _translate(store: Store, translation: DriftMap, ids: list[str]) -> None:
    names = translation.source.vector_name, translation.target.vector_name
    there = store.engine.vectors(ids, names[1])
    old = store.engine.vectors([id for id in ids if id not in there], names[0])
    if old:
        rows = carried(translation, np.stack(list(old.values())))
        vectors = {id: {names[1]: row} for id, row in zip(old, rows, strict=True)}
        require_room(store.folder, vectors_bytes(vectors.values()))
        store.engine.set_vectors(vectors)
