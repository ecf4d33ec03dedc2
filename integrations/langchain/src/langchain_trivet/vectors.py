"""A vector that LangChain hands over, as one of an index's space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import trivet
from trivet.errors import InvalidInputError, UnknownModeError
from trivet.types import DenseVectors


def dense_query(index: trivet.Index, embedding: Sequence[float]) -> DenseVectors:
    """A query's dense vector, of unit length.

    Raises:
        UnknownModeError: an index without dense vectors.
        InvalidInputError: no vector, or one of zeros or of values that are not finite.
    """
    spaces = [space for space in index.spaces if space.mode == "dense"]
    if not spaces:
        raise UnknownModeError("expected an index with dense vectors, got one without")
    try:
        vector = np.asarray(embedding, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"expected a vector as a list of numbers, got {str(embedding)[:60]!r}"
        ) from error
    length = float(np.linalg.norm(vector)) if vector.ndim == 1 else 0.0
    if not 0 < length < np.inf:
        raise InvalidInputError(
            f"expected a vector of finite numbers, some of them not zero, got {str(embedding)[:60]}"
        )
    return DenseVectors(spaces[0], vector[None, :] / length)
