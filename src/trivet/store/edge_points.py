"""Points as Qdrant Edge takes and gives them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import qdrant_edge as edge

from trivet.store.points import FoundPoint, PointVector
from trivet.types import SparseVector


def found_point(point: edge.ScoredPoint) -> FoundPoint:
    """A point that a search found."""
    vectors = point.vector  # each look makes it anew, and the payload too
    held = vectors if isinstance(vectors, dict) else {}
    return FoundPoint(str(point.id), point.score, point.payload or {}, held)


def named_vectors(vectors: object, names: Collection[str]) -> dict[str, Any]:
    """Those vectors of a point that bear one of the names."""
    every = vectors if isinstance(vectors, dict) else {}
    return {name: vector for name, vector in every.items() if name in names}


def edge_vectors(vectors: Mapping[str, PointVector]) -> dict[str, Any]:
    """As Edge takes them; it reads a list twice as fast as an array."""
    return {
        name: edge.SparseVector(v.indices.tolist(), v.values.tolist())
        if isinstance(v, SparseVector)
        else v.tolist()
        for name, v in vectors.items()
    }
