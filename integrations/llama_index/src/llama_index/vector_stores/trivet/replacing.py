"""Nodes of a document that is being replaced, kept until their successors are stored.

An `IngestionPipeline` deletes a changed document before its new text is embedded. Where that fails,
the nodes that were deleted are put back with their own vectors, marked, and deleted as soon as
nodes of the same document are stored.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from llama_index.core.schema import BaseNode
from llama_index.vector_stores.trivet.filters import SOURCE_PATH, among
from llama_index.vector_stores.trivet.nodes import OWN
from llama_index.vector_stores.trivet.selecting import from_sources
from qdrant_client import models

from trivet import Document, Index
from trivet.errors import TrivetError
from trivet.index.keeping import Kept, keep, put_back
from trivet.store.filters import payload_path

logger = logging.getLogger(__name__)

MARK = "put_back"
_MARK_PATH = payload_path(f"{OWN}.{MARK}")
# Nodes that are kept at most; older ones are forgotten.
MOST_KEPT = 20_000


class Replacing:
    """Keeps what was deleted last, for one store. Thread-safe.

    Args:
        index: of the store.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._deleted: dict[str, list[Kept]] = {}
        self._changing = threading.Lock()

    def delete(self, source: str) -> None:
        """Delete the nodes of a document, and keep them for a while."""
        where = from_sources([source])
        ids = [document.id or "" for document in self._index.documents(filter=where)]
        if not ids:
            return
        deleted = keep(self._index, ids)
        self._index.delete(filter=where)
        with self._changing:
            self._deleted[source] = deleted
            while sum(len(each) for each in self._deleted.values()) > MOST_KEPT:
                del self._deleted[next(iter(self._deleted))]

    @contextmanager
    def storing(self, nodes: Sequence[BaseNode]) -> Iterator[None]:
        """Around the storing of nodes: what they replace is put back if it fails."""
        sources = list(dict.fromkeys(node.ref_doc_id or node.node_id for node in nodes))
        try:
            yield
        except BaseException:
            for source, deleted in self._taken(sources).items():
                self._put_back(source, deleted)
            raise
        self._taken(sources)
        self._drop_replaced(sources)

    def _taken(self, sources: Sequence[str]) -> dict[str, list[Kept]]:
        """What was deleted of these documents; all that is kept is forgotten."""
        with self._changing:
            kept, self._deleted = self._deleted, {}
        return {source: kept[source] for source in sources if source in kept}

    def _put_back(self, source: str, deleted: Sequence[Kept]) -> None:
        marked = [replace(one, document=_marked(one.document, source)) for one in deleted]
        try:
            self._index.delete(filter=from_sources([source]))  # what was stored of its successor
            put_back(self._index, marked)
        except TrivetError as error:
            logger.warning("nodes of %r are lost until it is ingested again: %s", source, error)

    def _drop_replaced(self, sources: Sequence[str]) -> None:
        """Delete what was put back of documents that are stored anew."""
        if not sources:
            return
        put_back = models.FieldCondition(key=_MARK_PATH, match=models.MatchValue(value=True))
        self._index.delete(filter=models.Filter(must=[among(SOURCE_PATH, sources), put_back]))


def _marked(document: Document, source: str) -> Document:
    own = document.metadata.get(OWN)
    if own is None:
        return document
    metadata = {**document.metadata, OWN: {**own, "ref_doc_id": source, MARK: True}}
    return replace(document, metadata=metadata)
