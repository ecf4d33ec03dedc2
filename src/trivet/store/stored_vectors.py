"""Reads the vectors of stored documents, so that they can be stored again without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from trivet.errors import InvalidInputError
from trivet.store.keys import shown
from trivet.store.manifest import Manifest
from trivet.store.points import point_ids
from trivet.store.store import Store
from trivet.types import DenseVectors, Mode, MultiVectors, Representations, Space, Vectors

# What a model makes and an engine gives back: learned sparse vectors it does not.
READABLE: tuple[Mode, ...] = ("dense", "multi")
# The vectors of one point.
PointRows: TypeAlias = Mapping[Mode, Vectors]


def readable_spaces(manifest: Manifest) -> dict[Mode, Space]:
    """The spaces of legs whose vectors can be read back, and which every document has."""
    held = manifest.complete([mode for mode in READABLE if mode in manifest.spaces])
    return {mode: manifest.spaces[mode] for mode in held}


def point_rows(
    store: Store, ids: Sequence[str], spaces: Mapping[Mode, Space]
) -> dict[str, PointRows]:
    """The vectors of points, by id; a point that lacks one of the legs is left out."""
    read = {mode: store.engine.vectors(ids, space.vector_name) for mode, space in spaces.items()}
    return {
        id: {mode: rows[id] for mode, rows in read.items()}
        for id in ids
        if all(id in rows for rows in read.values())
    }


def represented(spaces: Mapping[Mode, Space], rows: Sequence[PointRows]) -> Representations:
    """The vectors of points as one value.

    Args:
        spaces: of the legs, dense or multi.
        rows: of each point, one of each leg; one point or more.
    """
    dense, multi = spaces.get("dense"), spaces.get("multi")
    return Representations(
        dense=None
        if dense is None
        else DenseVectors(dense, np.array([row["dense"] for row in rows], dtype=np.float32)),
        multi=None if multi is None else MultiVectors(multi, tuple(row["multi"] for row in rows)),
    )


def vectors_of(store: Store, keys: Sequence[str]) -> Representations:
    """The dense and the token vectors of each document, in their order.

    Args:
        store: of the index.
        keys: of documents that are one chunk each.

    Raises:
        InvalidInputError: an index without a dense leg, or a document that is not there or has
            several chunks.
    """
    spaces = readable_spaces(store.manifest)
    if "dense" not in spaces:
        raise InvalidInputError("expected an index with a dense leg, got one without")
    points = store.chunk_ids(keys)
    for key in keys:
        if len(points.get(key, ())) != 1:
            raise InvalidInputError(
                "expected documents that are there and have one chunk, got one that has "
                f"{len(points[key]) if key in points else 'none'}: {shown(key)}"
            )
    ids = [points[key][0] for key in keys]
    if not ids:
        empty = np.empty((0, spaces["dense"].dims or 0), dtype=np.float32)
        return Representations(dense=DenseVectors(spaces["dense"], empty))
    found = point_rows(store, ids, spaces)
    missing = [key for key, id in zip(keys, ids, strict=True) if id not in found]
    if missing:
        raise InvalidInputError(f"expected stored vectors of {shown(missing[0])}, found none")
    return represented(spaces, [found[id] for id in ids])


def chunk_vectors_of(store: Store, chunks: Mapping[str, int]) -> dict[str, Representations]:
    """The vectors of each document's chunks; a document that lacks one is left out.

    Args:
        store: of the index.
        chunks: how many each document has, by its key.

    Raises:
        StoreError: the engine fails.
    """
    manifest = store.manifest
    spaces = readable_spaces(manifest)
    if not spaces:
        return {}
    ids = {key: point_ids(manifest.namespace, key, range(count)) for key, count in chunks.items()}
    found = point_rows(store, [id for some in ids.values() for id in some], spaces)
    return {
        key: represented(spaces, [found[id] for id in some])
        for key, some in ids.items()
        if all(id in found for id in some)
    }
