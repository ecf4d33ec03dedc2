"""A service whose vectors tests can work out, and a model wrapped around it."""

from __future__ import annotations

import numpy as np

from trivet import Embedder

DIMS = 8
TEXTS = ["a kedge is a light anchor", "leeway", "what keeps a ship in place?", "rope", "sail"]


def vector(text, salt=0):
    """Some numbers that a text alone decides."""
    generator = np.random.default_rng([salt, *text.encode()])
    return generator.normal(size=DIMS) * 3


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Service:
    """Keeps every list of texts that it was sent."""

    def __init__(self, salt=0):
        self.sent, self._salt = [], salt

    def __call__(self, texts):
        self.sent.append(texts)
        return [vector(text, self._salt).tolist() for text in texts]


def wrapped(documents=None, **changes):
    return Embedder.wrap(
        **{"name": "vendor/m", "dims": DIMS, "documents": documents or Service(), **changes}
    )


def words(text):
    return len(text.split())
