"""The dense floor of an index: the cosine below which its embedder says nothing, found once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from trivet.errors import ModelNotFoundError
from trivet.index.lasting import LastingFigure
from trivet.plan import Plan
from trivet.query import Query
from trivet.store.store import Store
from trivet.thinking.guard import guard_texts
from trivet.types import DenseVectors, Representations

if TYPE_CHECKING:
    from trivet.index.model import IndexModel

_KEPT_AS = "dense-floor"
# The share of passages on something else in the same field that do not reach the floor. With
# all-MiniLM-L6-v2 that is a cosine of .36; nDCG@10 is the same from .25 to .40.
FOREIGN_BELOW = 0.9


class DenseFloor:
    """Finds the floor for the dense scores of an index, and keeps it with the index; thread-safe.

    Every embedder has its own scale: of some, all cosines are above .8, and a fixed floor would
    never be reached.

    Args:
        store: of the index.
        model: of the index.
    """

    def __init__(self, store: Store, model: IndexModel) -> None:
        self._store = store
        self._model = model
        self._lasting = LastingFigure(store, "dense floor")

    def resolved(self, plan: Plan) -> Plan:
        """The plan with this floor, where it counts dense scores and names no floor of its own."""
        counts = plan.fuse == "scores" and plan.weights.get("dense", 0.0) > 0
        if plan.dense_floor is not None or not counts:
            return plan
        return replace(plan, dense_floor=self.cosine())

    def kept(self) -> float | None:
        """The floor, if it was found already."""
        name = self._name()
        return None if name is None else self._lasting.kept(name)

    def cosine(self) -> float:
        """The floor, found at the first call: a moment of embedding.

        Raises:
            ModelError: the model cannot be had, or fails.
        """
        name = self._name()
        assert name is not None  # who asks has a dense leg
        return self._lasting.figure(name, self._made)

    def _name(self) -> str | None:
        """What it is kept under: another embedder has another floor.

        Whoever keeps to the older model of an upgrade searches its vectors, by its floor.
        """
        space = self._model.searched.spaces.get("dense")
        return None if space is None else f"{_KEPT_AS}:{space.fingerprint[:16]}"

    def _made(self) -> float:
        texts = guard_texts()
        queries, passages = list(texts.queries), list(texts.thoughts[: len(texts.queries)])
        asked: Representations | None
        stored: Representations | None
        try:
            embedder = self._model.found_of(self._model.searched).only(["dense"])
            asked = embedder.embed_queries(queries, truncate=True)
            stored = embedder.embed_documents(passages, truncate=True)
        except ModelNotFoundError:
            # In an upgrade that compensates, the newer model stands in for the older one.
            asked = self._model.queries([Query(text) for text in queries], ["dense"])
            stored = self._model.documents(passages, ["dense"])
        assert asked is not None
        assert stored is not None
        foreign = texts.is_foreign[:, : len(passages)]
        # Two digits: the last ones are another machine's business.
        return round(float(np.quantile(_cosines(asked, stored)[foreign], FOREIGN_BELOW)), 2)


def _cosines(queries: Representations, documents: Representations) -> np.ndarray:
    cosines: np.ndarray = _units(queries.dense) @ _units(documents.dense).T
    return cosines


def _units(vectors: DenseVectors | None) -> np.ndarray:
    assert vectors is not None  # the leg that was asked for
    values = vectors.values.astype(np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    units: np.ndarray = values / np.where(lengths > 0, lengths, 1.0)
    return units
