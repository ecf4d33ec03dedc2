"""Searches of which the caller brings the dense vectors."""

from __future__ import annotations

import numpy as np

from trivet.errors import InvalidInputError, InvalidPlanError, UnknownModeError
from trivet.index.search import SearchOptions, answer_legs
from trivet.store.leg_query import LegQuery
from trivet.store.store import Store
from trivet.types import DenseVectors, Hit, require_same_space


def answer_vectors(store: Store, queries: DenseVectors, options: SearchOptions) -> list[list[Hit]]:
    """The hits of each query, best first, in one request to the engine.

    Raises:
        UnknownModeError: an index without a dense leg.
        SpaceMismatchError: vectors of another space.
        InvalidPlanError: a plan of more than the dense leg.
        InvalidInputError: vectors of another size, or with values that are not finite.
    """
    space = store.manifest.spaces.get("dense")
    if space is None:
        raise UnknownModeError("expected an index with a dense leg, got one without: search texts")
    require_same_space(space, queries.space)
    if options.plan.legs != ("dense",):
        raise InvalidPlanError(
            f"expected a plan of the dense leg alone, got one of {', '.join(options.plan.legs)}: "
            "search by a text, of which every leg can be made"
        )
    values = np.asarray(queries.values, dtype=np.float32)
    if values.ndim != 2 or values.shape[1] != space.dims or not np.isfinite(values).all():
        raise InvalidInputError(
            f"expected finite vectors of {space.dims} dims, got an array of shape {values.shape}"
        )
    name, storage = space.vector_name, store.manifest.storage
    legs = [{space.mode: LegQuery("dense", name, row, storage=storage)} for row in values]
    return answer_legs(store, legs, [options] * len(legs)) if legs else []
