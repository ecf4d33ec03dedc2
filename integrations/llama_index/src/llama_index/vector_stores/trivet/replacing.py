"""Nodes of a document that is being replaced, kept until their successors are stored.

An `IngestionPipeline` deletes a changed document before its new text is cut and embedded. Where
that fails, whatever failed, the nodes that were deleted are put back with their own vectors,
marked, and deleted as soon as nodes of the same document are stored.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from llama_index.core.schema import BaseNode
from llama_index.vector_stores.trivet.filters import SOURCE_PATH, among
from llama_index.vector_stores.trivet.nodes import OWN
from llama_index.vector_stores.trivet.runs import FailedRun, current_span, when_ended
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


@dataclass(frozen=True)
class Caller:
    """Who deletes and stores; what one of them deletes is no concern of the others.

    Attributes:
        span: of LlamaIndex, such as a pipeline's run; None outside of any.
        place: there, the task or the thread.
    """

    span: str | None
    place: int

    @classmethod
    def here(cls) -> Caller:
        """Whoever calls this; in a coroutine, its task."""
        span = current_span()
        if span is not None:
            return cls(span, 0)
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no event loop
            task = None
        return cls(None, threading.get_ident() if task is None else id(task))


@dataclass(frozen=True)
class Work:
    """What a caller has done so far.

    Attributes:
        deleted: the nodes of documents that it deleted, by the document.
        unstored: the ids of nodes that it could not store, or not with all others, by the document.
    """

    deleted: dict[str, list[Kept]] = field(default_factory=dict)
    unstored: dict[str, list[str]] = field(default_factory=dict)


class Replacing:
    """Keeps what was deleted last, for one store. Thread-safe.

    Args:
        index: of the store.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._work: dict[Caller, Work] = {}
        self._changing = threading.Lock()

    def delete(self, source: str, caller: Caller) -> None:
        """Delete the nodes of a document, and keep them for a while."""
        where = from_sources([source])
        ids = [document.id or "" for document in self._index.documents(filter=where)]
        if not ids:
            return
        deleted = keep(self._index, ids)
        self._index.delete(filter=where)
        with self._changing:
            self._work_of(caller).deleted[source] = deleted
            self._forget_oldest()

    @contextmanager
    def storing(self, nodes: Sequence[BaseNode], caller: Caller) -> Iterator[None]:
        """Around the storing of nodes: what they replace is put back if it fails."""
        ids: dict[str, list[str]] = {}
        for node in nodes:
            ids.setdefault(node.ref_doc_id or node.node_id, []).append(node.node_id)
        try:
            yield
        except BaseException:
            taken = self._taken(ids, caller)
            for source, deleted in taken.items():
                self._put_back(source, deleted)
            if caller.span is not None:
                with self._changing:
                    new = {source: of for source, of in ids.items() if source not in taken}
                    self._work_of(caller).unstored.update(new)
            raise
        self._taken(ids, caller)
        self._drop_replaced(list(ids))

    def _work_of(self, caller: Caller) -> Work:
        if caller not in self._work:
            self._work[caller] = Work()
            if caller.span is not None:
                when_ended(caller.span, lambda failed: self._ended(caller, failed))
        return self._work[caller]

    def _forget_oldest(self) -> None:
        every = [work.deleted for work in self._work.values()]
        kept = sum(len(nodes) for deleted in every for nodes in deleted.values())
        while kept > MOST_KEPT:
            oldest = next(deleted for deleted in every if deleted)
            kept -= len(oldest.pop(next(iter(oldest))))
        self._work = {
            who: work for who, work in self._work.items() if work.deleted or work.unstored
        }

    def _taken(self, sources: Iterable[str], caller: Caller) -> dict[str, list[Kept]]:
        """What the caller deleted of these documents; without a span, it is done with the rest."""
        with self._changing:
            deleted = self._work.get(caller, Work()).deleted
            if caller.span is None:
                self._work.pop(caller, None)
            return {source: deleted.pop(source) for source in sources if source in deleted}

    def _ended(self, caller: Caller, failed: FailedRun | None) -> None:
        """A span is over: what a failed run was to replace, and has not, is put back.

        What it has stored of other documents, if not all of it, goes: the next run cuts them into
        nodes with other ids.
        """
        with self._changing:
            work = self._work.pop(caller, Work())
        if failed is None:
            return
        for source, deleted in work.deleted.items():
            if failed.was_given(source):
                self._put_back(source, deleted)
        torn = [id for source, ids in work.unstored.items() for id in ids if id != source]
        try:
            self._index.delete(torn)
        except TrivetError as error:
            logger.warning("nodes of a failed run are stored, and may come twice: %s", error)
        failed.forget(list(work.unstored))

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
