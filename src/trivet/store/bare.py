"""The points that lack a named vector."""

from __future__ import annotations

from qdrant_client import models

from trivet.store.points import PAYLOAD_CARRIED, PAYLOAD_OWN
from trivet.store.store import Store
from trivet.store.verifying import read_chunk


def without(name: str) -> models.Filter:
    """Points that have no vector of a name, and no mark that there was no model to make it."""
    marked = models.FieldCondition(
        key=f"{PAYLOAD_OWN}.{PAYLOAD_CARRIED}", match=models.MatchValue(value=name)
    )
    return models.Filter(must_not=[models.HasVectorCondition(has_vector=name), marked])


def lacking(store: Store, name: str) -> tuple[int, int]:
    """How many points `without` finds, and how many documents these are of.

    Raises:
        StoreError: the engine cannot be read.
    """
    points, documents = 0, set[str]()
    for page in store.engine.pages(without(name)):
        points += len(page)
        chunks = [read_chunk(payload) for payload in page.values()]
        documents.update(chunk.key for chunk in chunks if chunk is not None)
    return points, len(documents)
