"""What each term of a query gives to one point, asked of the engine itself."""

from __future__ import annotations

from dataclasses import replace

from qdrant_client import models

from trivet.store.leg_query import LegQuery
from trivet.store.neighbours import only_points
from trivet.types import SparseVector


def term_requests(leg: LegQuery, point: str) -> list[models.QueryRequest]:
    """One request for each term of a sparse leg; its answer holds the point, or nothing."""
    assert isinstance(leg.vector, SparseVector)
    only = only_points([point])
    alone = [
        SparseVector(leg.vector.indices[at : at + 1], leg.vector.values[at : at + 1])
        for at in range(len(leg.vector.indices))
    ]
    return [
        models.QueryRequest.model_construct(
            query=replace(leg, vector=vector).query, using=leg.vector_name, filter=only,
            limit=1, with_payload=False, with_vector=False,
        )
        for vector in alone
    ]  # fmt: skip
