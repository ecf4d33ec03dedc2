"""Reads the dense vectors of stored documents, so that they can be stored again without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trivet.errors import InvalidInputError
from trivet.store.keys import shown
from trivet.store.points import point_ids
from trivet.store.store import Store
from trivet.types import DenseVectors


def dense_vectors_of(store: Store, keys: Sequence[str]) -> DenseVectors:
    """The dense vector of each document, in their order.

    Args:
        store: of the index.
        keys: of documents that are one chunk each.

    Raises:
        InvalidInputError: an index without a dense leg, or a document that is not there or has
            several chunks.
    """
    if "dense" not in store.manifest.spaces:
        raise InvalidInputError("expected an index with a dense leg, got one without")
    space = store.manifest.spaces["dense"]
    points = store.chunk_ids(keys)
    for key in keys:
        if len(points.get(key, ())) != 1:
            raise InvalidInputError(
                "expected documents that are there and have one chunk, got one that has "
                f"{len(points[key]) if key in points else 'none'}: {shown(key)}"
            )
    ids = [points[key][0] for key in keys]
    found = store.engine.vectors(ids, space.vector_name)
    missing = [key for key, id in zip(keys, ids, strict=True) if id not in found]
    if missing:
        raise InvalidInputError(f"expected a stored vector of {shown(missing[0])}, found none")
    rows = np.array([found[id] for id in ids], dtype=np.float32)
    return DenseVectors(space, rows.reshape(len(ids), space.dims or 0))


def chunk_vectors_of(store: Store, chunks: Mapping[str, int]) -> dict[str, DenseVectors]:
    """The dense vectors of each document's chunks; a document that lacks one is left out.

    Args:
        store: of the index.
        chunks: how many each document has, by its key.

    Raises:
        StoreError: the engine fails.
    """
    space = store.manifest.spaces.get("dense")
    if space is None:
        return {}
    namespace = store.manifest.namespace
    ids = {key: point_ids(namespace, key, range(count)) for key, count in chunks.items()}
    found = store.engine.vectors([id for some in ids.values() for id in some], space.vector_name)
    return {
        key: DenseVectors(space, np.array([found[id] for id in some], dtype=np.float32))
        for key, some in ids.items()
        if all(id in found for id in some)
    }
