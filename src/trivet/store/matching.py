"""Finds the stored documents that a filter selects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trivet.store.store import Store
from trivet.store.verifying import read_chunk

if TYPE_CHECKING:
    from qdrant_client import models


def matching_keys(store: Store, where: models.Filter | None) -> Iterator[list[str]]:
    """Keys of the documents whose first chunk matches, a page at a time, each once.

    Every chunk of a document has its metadata. A document that is written meanwhile may be there
    or not.

    Args:
        store: of the index.
        where: None = all documents.

    Raises:
        InvalidFilterError: a filter that the engine does not know.
    """
    for page in store.engine.pages(where):
        chunks = [read_chunk(payload) for payload in page.values()]
        yield [chunk.key for chunk in chunks if chunk is not None and chunk.sequence == 0]
