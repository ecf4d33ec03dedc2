"""Stored vectors carried into the newer model's space, beside the old ones."""

from __future__ import annotations

import numpy as np

from trivet.drift.map import DriftMap
from trivet.index.carrying import carried
from trivet.index.upgrade.lease import Lease
from trivet.store.room import require_room, vectors_bytes
from trivet.store.store import Store
from trivet.store.upgrading import alone, open_beside, swap
from trivet.types import require_same_space


def translate_index(store: Store, translation: DriftMap, lease: Lease) -> None:
    """Give every point a vector of the newer model's space, then let these serve.

    Points that have one, from an earlier run or because they were written meanwhile, keep it.

    Args:
        store: of the index.
        translation: from the stored vectors to the newer model's.
        lease: that is held, and renewed at every page.

    Raises:
        UpgradeStateError: another thread or machine has taken the upgrade elsewhere, or the lease.
        SpaceMismatchError: the map does not begin where the stored vectors are.
        StoreError: the engine failed, or the disk has no room; the next call goes on.
    """
    require_same_space(store.manifest.spaces["dense"], translation.source)
    # To load a model may have lasted.
    lease.go_on_at("verified", "refused", "bridged", "translating")
    lease.renew()
    open_beside(store)
    lease.go_on_at("translating")
    for page in store.engine.pages():
        lease.renew()
        # Alone, so that no document changes between the reading of its vector and the writing.
        with alone(store):
            # Another thread or machine may have rolled it back, or have the lease by now.
            lease.require()
            _translate(store, translation, list(page))
    store.engine.flush()
    swap(store, lease.require)


def _translate(store: Store, translation: DriftMap, ids: list[str]) -> None:
    names = translation.source.vector_name, translation.target.vector_name
    there = store.engine.vectors(ids, names[1])
    old = store.engine.vectors([id for id in ids if id not in there], names[0])
    if old:
        rows = carried(translation, np.stack(list(old.values())))
        vectors = {id: {names[1]: row} for id, row in zip(old, rows, strict=True)}
        require_room(store.folder, vectors_bytes(vectors.values()))
        store.engine.set_vectors(vectors)
