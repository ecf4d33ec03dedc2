"""Filters by fields that have no index: they work, and a server reads every payload for them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from trivet.store.points import PAYLOAD_METADATA
from trivet.store.store import Store

if TYPE_CHECKING:
    from qdrant_client import models

logger = logging.getLogger(__name__)


def warn_of_undeclared(store: Store, filter: models.Filter | None, warned: set[str]) -> None:
    """Warn, once for each field, where a server has no index of what a filter asks for.

    Args:
        store: of the index.
        filter: as the engine gets it.
        warned: fields that were warned of; more are added.
    """
    if filter is None or store.engine.is_near or store.is_adopted:  # whose maker makes its indexes
        return
    declared = store.manifest.payload_indexes
    for path in _paths(filter):
        if path not in declared and path.startswith(f"{PAYLOAD_METADATA}.") and path not in warned:
            warned.add(path)
            field = path.removeprefix(f"{PAYLOAD_METADATA}.")
            logger.warning(
                "a filter asks for %r, which has no index: the server reads every document for it; "
                'declare it with trivet.open(…, indexes={"%s": "keyword"}) or of its own kind',
                field,
                field,
            )


def _paths(filter: models.Filter) -> Iterator[str]:
    """The payload paths that a filter compares."""
    clauses = [filter.must, filter.should, filter.must_not]
    if filter.min_should is not None:
        clauses.append(filter.min_should.conditions)
    for clause in clauses:
        for condition in clause if isinstance(clause, list) else [clause]:
            if hasattr(condition, "must_not"):
                yield from _paths(cast("models.Filter", condition))
            elif isinstance(key := getattr(condition, "key", None), str):
                yield key
