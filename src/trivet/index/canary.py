"""Canary vectors: what a model makes of a few fixed texts, to know it again by."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np

from trivet.embedding import Embedder
from trivet.errors import EmbeddingError, SpaceMismatchError
from trivet.types import Leg, MultiVectors, SparseVectors, Vectors

# Words, numbers and code, in several scripts: a change of tokenizer, weights or pooling shows.
TEXTS = (
    "The old lighthouse keeper counted 417 ships before the storm.",
    "def mean(values): return sum(values) / len(values)  # raises ZeroDivisionError",
    "Die Größe der Übung; хранить и искать; 東京の図書館で本を探す。",
)
# bfloat16 against float32 is .9999 or more; weights that were trained on differ by .99 or less.
LEAST_COSINE = 0.999
# Sparse vectors have a number for every word: folded, they are kept in as many.
FOLDED_DIMS = 256


def make_canaries(embedder: Embedder) -> dict[str, str]:
    """The canaries of each leg, as JSON keeps them: base64 of (texts, d) float16.

    Raises:
        EmbeddingError: the model made numbers that are not finite.
    """
    made = embedder.embed_documents(list(TEXTS), truncate=True)
    return {mode: _packed(_rows(leg), embedder.name) for mode, leg in made.legs.items()}


def require_same_canaries(expected: Mapping[str, str], came: Mapping[str, str], model: str) -> None:
    """Refuse a model that bears the right name and makes other vectors.

    Args:
        expected: as stored.
        came: as made now.
        model: how people call it.

    Raises:
        SpaceMismatchError: a leg's canaries point elsewhere.
    """
    for mode, cosine in canary_cosines(expected, came).items():
        if cosine < LEAST_COSINE:
            raise SpaceMismatchError(
                f"the index holds {mode} vectors of {model!r}, got a model of that name that makes "
                f"others: a test text has cosine {cosine:.3f} with its stored vector (at least "
                f"{LEAST_COSINE} expected). Its weights, its service or the software that runs it "
                "changed: open the index with the model as it was, or index the documents anew in "
                "another location"
            )


def canary_cosines(expected: Mapping[str, str], came: Mapping[str, str]) -> dict[str, float]:
    """The least cosine of a text's two vectors, for each leg that both have."""
    cosines = {}
    for mode in sorted(set(expected) & set(came)):
        stored, made = _unpacked(expected[mode]), _unpacked(came[mode])
        cosines[mode] = _least_cosine(stored, made) if stored.shape == made.shape else 0.0
    return cosines


def _least_cosine(stored: Vectors, made: Vectors) -> float:
    """Of two texts' vectors; two of no length are the same."""
    both_empty = ~np.any(stored, axis=1) & ~np.any(made, axis=1)
    return float(np.min(np.sum(stored * made, axis=1) + both_empty))


def _rows(leg: Leg) -> Vectors:
    """One row for each text."""
    if isinstance(leg, SparseVectors):
        rows = np.zeros((len(leg), FOLDED_DIMS), dtype=np.float32)
        for row, vector in zip(rows, leg.values, strict=True):
            np.add.at(row, vector.indices % FOLDED_DIMS, vector.values)
        return rows
    if isinstance(leg, MultiVectors):
        return np.stack([tokens.sum(axis=0) for tokens in leg.values])
    return leg.values


def _packed(rows: Vectors, model: str) -> str:
    if not np.all(np.isfinite(rows)):
        raise EmbeddingError(
            f"expected finite vectors of three test texts from {model!r}, got NaN or an infinity: "
            "check the checkpoint"
        )
    return base64.b64encode(_unit(rows).astype("<f2").tobytes()).decode("ascii")


def _unpacked(text: str) -> Vectors:
    """Unit rows, float32, (texts, d)."""
    flat = np.frombuffer(base64.b64decode(text), dtype="<f2").astype(np.float32)
    return _unit(flat.reshape(len(TEXTS), -1))


def _unit(rows: Vectors) -> Vectors:
    """Rows of length 1; a text that the model knows no word of may have made none, and stays so."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    unit: Vectors = (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return unit
