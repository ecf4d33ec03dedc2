"""Query and thoughts become one vector, one set of weighted terms, one set of weighted tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trivet.errors import InvalidInputError
from trivet.types import SparseVector, Vectors

_EPSILON = 1e-12


@dataclass(frozen=True)
class Weights:
    """How much thoughts count against the query.

    Measured on three collections (`benchmarks/thoughts.py`).

    Attributes:
        dense: of a thought's unit vector, where the query's has 1.
        sparse: of a thought's terms: a term that comes tf times adds sparse·log2(1 + tf).
        multi: of all token vectors of all thoughts, where those of the query have 1.
        terms: the most terms that thoughts add; keywords come first.
        tokens: the most token vectors that are taken of a thought.

    Raises:
        InvalidInputError: a weight below 0, or a number below 1.
    """

    dense: float = 1.0
    sparse: float = 0.3
    multi: float = 1.0
    terms: int = 64
    tokens: int = 64

    def __post_init__(self) -> None:
        for name in ("dense", "sparse", "multi"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InvalidInputError(
                    f"expected the {name} weight of thoughts to be 0 or more, got "
                    f"{getattr(self, name)!r}"
                )
        for name in ("terms", "tokens"):
            if not getattr(self, name) >= 1:
                raise InvalidInputError(
                    f"expected at least one of {name}, got {getattr(self, name)!r}"
                )


@dataclass(frozen=True, eq=False)
class TermFrequencies:
    """The terms of a text.

    Attributes:
        terms: (t,) uint32, each once.
        counts: (t,) float64, how often each is in the text.
    """

    terms: NDArray[np.uint32]
    counts: NDArray[np.float64]


def mean_vector(
    query: Vectors, thoughts: Vectors, weights: Sequence[float], weight: float
) -> Vectors:
    """The weighted mean of unit vectors, as long as the query's vector was.

    Args:
        query: (d,) float32.
        thoughts: (n, d) float32.
        weights: of each thought.
        weight: of all thoughts against the query.

    Returns:
        (d,) float32; the query where the mean is nothing.
    """
    length = np.linalg.norm(query)
    shares = weight * np.asarray(weights, np.float64)
    summed = _unit(query[None])[0] + shares @ _unit(thoughts)
    size = np.linalg.norm(summed)
    if size < _EPSILON:
        return query
    mean: Vectors = (length * summed / size).astype(np.float32)
    return mean


def united_terms(
    query: SparseVector, thoughts: Sequence[TermFrequencies], weight: float, most: int
) -> SparseVector:
    """The query's weights, and of every term of a thought weight·log2(1 + tf) on top.

    Args:
        query: weights of its terms.
        thoughts: those that matter most first; a term's tf is summed over all.
        weight: of the thoughts.
        most: terms that are added to the query's own.
    """
    united = dict(zip(query.indices.tolist(), query.values.tolist(), strict=True))
    frequencies: dict[int, float] = {}
    for thought in thoughts:
        for term, count in zip(thought.terms.tolist(), thought.counts.tolist(), strict=True):
            if term in frequencies or term in united or len(frequencies.keys() - united) < most:
                frequencies[term] = frequencies.get(term, 0.0) + count
    for term, frequency in frequencies.items():
        united[term] = united.get(term, 0.0) + weight * float(np.log2(1.0 + frequency))
    return _sorted(united)


def united_weights(
    query: SparseVector, thoughts: Sequence[SparseVector], weight: float, most: int
) -> SparseVector:
    """The same of a learned sparse leg: of every term weight·its largest weight in a thought."""
    united = dict(zip(query.indices.tolist(), query.values.tolist(), strict=True))
    largest: dict[int, float] = {}
    for thought in thoughts:
        for term, value in zip(thought.indices.tolist(), thought.values.tolist(), strict=True):
            largest[term] = max(largest.get(term, 0.0), value)
    new = sorted((term for term in largest if term not in united), key=lambda t: -largest[t])[:most]
    for term in [*(t for t in largest if t in united), *new]:
        united[term] = united.get(term, 0.0) + weight * largest[term]
    return _sorted(united)


@dataclass(frozen=True, eq=False)
class WeightedTokens:
    """Token vectors of a query and its thoughts for one MaxSim.

    Attributes:
        vectors: (t, m) float32, those of the query first.
        weights: (t,) float64, which sum to 1.
    """

    vectors: Vectors
    weights: NDArray[np.float64]


def weighted_tokens(
    query: Vectors, thoughts: Sequence[Vectors], weights: Sequence[float], weight: float, most: int
) -> WeightedTokens:
    """The query's tokens, each 1/q, and those of thoughts, each weight/t, put to a sum of 1.

    Args:
        query: (q, m) float32.
        thoughts: n × (t, m) float32.
        weights: of each thought against the others.
        weight: of all thoughts together.
        most: tokens of a thought.
    """
    cut = [thought[:most] for thought in thoughts]
    shares = np.asarray(weights, np.float64) / max(_EPSILON, float(np.sum(weights)))
    parts = [np.full(len(query), 1.0 / max(1, len(query)))]
    parts += [
        np.full(len(tokens), weight * share / max(1, len(tokens)))
        for tokens, share in zip(cut, shares, strict=True)
    ]
    joined = np.concatenate(parts)
    return WeightedTokens(np.concatenate([query, *cut]), joined / max(_EPSILON, joined.sum()))


def _unit(rows: Vectors) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    unit: NDArray[np.float64] = wide / np.maximum(
        np.linalg.norm(wide, axis=1, keepdims=True), _EPSILON
    )
    return unit


def _sorted(weights: dict[int, float]) -> SparseVector:
    terms = sorted(weights)
    return SparseVector(
        np.array(terms, np.uint32), np.array([weights[term] for term in terms], np.float32)
    )
