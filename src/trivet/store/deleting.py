"""Deletes documents by a filter, each one whole, as a deletion by ids does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from trivet.errors import InvalidFilterError
from trivet.store.filters import payload_filter
from trivet.store.scope import ALL, Everything
from trivet.store.store import Store
from trivet.store.verifying import read_chunk

if TYPE_CHECKING:
    from qdrant_client import models


def delete_where(store: Store, where: models.Filter | None) -> int:
    """Delete the documents of which a chunk matches.

    A page of chunks after the other is found, and their documents are deleted. A document that is
    replaced in between stays, as if it had been replaced after the deletion.

    Args:
        store: of the index.
        where: what chunks match; None = all.

    Returns:
        How many documents are gone.

    Raises:
        InvalidFilterError: a filter that the engine does not know.
        DocumentBusyError: another writer held one of them for too long; others may be gone.
    """
    deleted = 0
    for page in store.engine.pages(where):
        chunks = [read_chunk(payload) for payload in page.values()]
        # A point that is no chunk is of no document: `verify` finds it.
        versions = {c.key: (c.revision, c.digest) for c in chunks if c is not None}
        deleted += store.delete(list(versions), versions)
    return deleted


def checked_where(
    filter: models.Filter | Mapping[str, object] | Literal[Everything.ALL] | None,
) -> models.Filter | None:
    """The filter of a deletion in Qdrant's terms; None for `ALL`.

    Raises:
        InvalidFilterError: it cannot be understood, or has no condition in it.
    """
    if filter is ALL:
        return None
    where = None if isinstance(filter, Mapping) and not filter else payload_filter(filter)
    if where is None or not _has_conditions(where):
        raise InvalidFilterError(
            "expected a filter with a condition, got an empty one, which every document passes: to "
            "delete all documents, pass filter=trivet.ALL"
        )
    return where


def _has_conditions(filter: models.Filter) -> bool:
    """Whether a condition is anywhere in a filter, filters within it included."""
    from qdrant_client import models

    clauses: list[object] = []
    for clause in (filter.must, filter.must_not, filter.should):
        clauses += clause if isinstance(clause, list) else [] if clause is None else [clause]
    if filter.min_should is not None:
        clauses += filter.min_should.conditions
    return any(not isinstance(c, models.Filter) or _has_conditions(c) for c in clauses)
