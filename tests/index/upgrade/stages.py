"""An upgrade taken to a state, and what is looked at in an index."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import trivet
from trivet.index.upgrade import Upgrade
from trivet.store.points import point_id


def verified(index: trivet.Index, new: Path) -> Upgrade:
    upgrade = index.upgrade(new)
    upgrade.plan()
    upgrade.fit()
    upgrade.verify()
    return upgrade


def bridged(index: trivet.Index, new: Path) -> Upgrade:
    upgrade = verified(index, new)
    upgrade.cutover("query")
    return upgrade


def translated(index: trivet.Index, new: Path) -> Upgrade:
    upgrade = verified(index, new)
    upgrade.cutover("translate")
    return upgrade


def state(index: trivet.Index) -> str | None:
    current = index.current_upgrade
    return None if current is None else current.status().state


def stored(index: trivet.Index, ids: list[str], name: str) -> dict[str, np.ndarray]:
    """The vectors of a name, by document."""
    store = index._shared.store
    points = {point_id(store.manifest.namespace, id, 0): id for id in ids}
    return {points[p]: v for p, v in store.engine.vectors(list(points), name).items()}


def found(index: trivet.Index, query: str, k: int = 5) -> list[str]:
    return [hit.id for hit in index.search(query, k=k, modes=["dense"])]


def exact(query: np.ndarray, vectors: dict[str, np.ndarray], k: int = 5) -> list[str]:
    """The k documents with the highest cosine."""
    cosines = {id: float(v @ query / np.linalg.norm(v)) for id, v in vectors.items()}
    return sorted(cosines, key=lambda id: -cosines[id])[:k]


def require_untouched(
    index: trivet.Index, before: dict[str, np.ndarray], after: dict[str, np.ndarray]
) -> None:
    """Fail unless vectors are as before: to the last bit in a folder. Qdrant's exact mode, which
    the stub of a server answers by, scales its vectors to length 1 again with every reading."""
    assert before.keys() == after.keys()
    for id, vector in before.items():
        if "://" in repr(index):
            np.testing.assert_allclose(after[id], vector, atol=1e-6)
        else:
            np.testing.assert_array_equal(after[id], vector)
