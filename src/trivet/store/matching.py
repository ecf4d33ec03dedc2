"""Stored documents that a filter selects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trivet.store.points import Chunk
from trivet.store.store import Store

if TYPE_CHECKING:
    from qdrant_client import models


def matching_ids(store: Store, where: models.Filter | None) -> Iterator[list[str]]:
    """Ids of the documents whose first chunk matches, a page at a time, each once.

    Every chunk of a document has its metadata. A document that is written meanwhile may be there
    or not.

    Args:
        store: of the index.
        where: None = all documents.
    """
    for page in store.engine.pages(where):
        chunks = (Chunk.from_payload(payload) for payload in page.values())
        yield [chunk.document for chunk in chunks if chunk.sequence == 0]
