"""The points that lack a named vector."""

from __future__ import annotations

from qdrant_client import models

from trivet.store.store import Store
from trivet.store.verifying import read_chunk


def lacking(store: Store, name: str) -> tuple[int, int]:
    """How many points have no vector of a name, and how many documents these are of.

    Raises:
        StoreError: the engine cannot be read.
    """
    without = models.Filter(must_not=[models.HasVectorCondition(has_vector=name)])
    points, documents = 0, set[str]()
    for page in store.engine.pages(without):
        points += len(page)
        chunks = [read_chunk(payload) for payload in page.values()]
        documents.update(chunk.key for chunk in chunks if chunk is not None)
    return points, len(documents)
