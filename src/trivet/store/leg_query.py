"""One leg's part of a query, and what an engine is asked by it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from qdrant_client import models

from trivet.store.points import PointVector
from trivet.store.storage import Storage
from trivet.types import Mode, SparseVector


@dataclass(frozen=True)
class LegQuery:
    """One leg's part of a query.

    Attributes:
        mode: of the leg.
        vector_name: that it searches.
        vector: of the query; of multi-vectors divided by their number, so that scores are means.
        scale: what a score of the engine is multiplied with to be the leg's.
        shift: what is added then.
        storage: how the vectors of a dense leg are kept.
        is_everywhere: whether every point has a vector of this name; False = some may lack it.
    """

    mode: Mode
    vector_name: str
    vector: PointVector
    scale: float = 1.0
    shift: float = 0.0
    storage: Storage = "full"
    is_everywhere: bool = True

    def score(self, engine_score: float) -> float:
        """The leg's score."""
        return engine_score * self.scale + self.shift

    @cached_property
    def query(self) -> models.NearestQuery:
        """What an engine is asked for what is near to it, the same at every place of a request."""
        vector = self.vector
        nearest: object
        if isinstance(vector, SparseVector):
            nearest = models.SparseVector.model_construct(
                indices=vector.indices.tolist(), values=vector.values.tolist()
            )
        else:
            nearest = vector.tolist()
        return models.NearestQuery.model_construct(nearest=nearest)
