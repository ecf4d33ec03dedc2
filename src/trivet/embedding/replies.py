"""What a foreign model answered, read into vectors or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trivet.errors import EmbeddingError
from trivet.types import Vectors

# Texts → one vector for each: lists, arrays, or anything else that gives its rows in order.
EmbedCall: TypeAlias = Callable[[list[str]], Iterable[Sequence[float]]]


def complete(reply: object, count: int) -> object:
    """The rows of a reply that comes bit by bit, so that its failures are those of the call.

    Args:
        reply: what the model answered.
        count: rows that are expected; one more is enough to tell that there are too many.
    """
    if isinstance(reply, (str, bytes)) or not isinstance(reply, Iterable):
        return reply
    return list(islice(reply, count + 1))


def read_vectors(reply: object, count: int, dims: int, model: str) -> Vectors:
    """The vectors of a reply, scaled to length 1.

    Args:
        reply: what the model answered to `count` texts, as `complete` gives it.
        count: texts that were sent.
        dims: of every vector.
        model: how people call it.

    Returns:
        (count, dims) float32.

    Raises:
        EmbeddingError: fewer or more vectors, or one that is no row of `dims` finite numbers with
            a length.
    """
    if not isinstance(reply, list):
        raise EmbeddingError(
            f"expected a list of {count} vectors from {model!r}, got {type(reply).__name__}: "
            "let its call return one vector for each text"
        )
    if len(reply) != count:
        came = "more" if len(reply) > count else str(len(reply))
        raise EmbeddingError(
            f"expected {count} vectors from {model!r} for {count} texts, got {came}: let its call "
            "return one vector for each text"
        )
    made = [_row(row, position, dims, model) for position, row in enumerate(reply)]
    return np.stack(made).astype(np.float32)


def _row(row: object, position: int, dims: int, model: str) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(row)
    except Exception as error:  # whatever a foreign array raises
        raise EmbeddingError(
            f"expected a vector of {dims} numbers from {model!r} at position {position}, got "
            f"{type(row).__name__} ({error}): let its call return lists of float"
        ) from error
    if numbers.dtype.kind not in "fiu" or numbers.shape != (dims,):
        raise EmbeddingError(
            f"expected a vector of {dims} numbers from {model!r} at position {position}, got "
            f"{type(row).__name__} of shape {numbers.shape} and type {numbers.dtype}: correct "
            "dims, or what its call returns"
        )
    numbers = numbers.astype(np.float64)
    length = float(np.linalg.norm(numbers))
    if not 0 < length < np.inf:  # also for NaN
        raise EmbeddingError(
            f"expected a vector with a length from {model!r} at position {position}, got one of "
            f"length {length}: a text that it cannot embed must be an error there"
        )
    return numbers / length
