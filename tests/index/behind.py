"""Batches whose embedding and writing tests look into, and hold up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from indexes import vectors

import trivet
from trivet.errors import InvalidDocumentError, TrivetError
from trivet.index.documents import CheckedDocument, checked_documents
from trivet.index.ingest import Ingest
from trivet.index.vectors import CutDocument, EmbeddedDocument, with_bm25
from trivet.reports import IngestReport
from trivet.store.store import Store
from trivet.store.writes import DocumentWrite
from trivet.types import Document

BATCH = 4


class Source:
    """Vectors from texts: one piece for each document, and a hook before each batch."""

    are_given = False

    def __init__(self, store: Store) -> None:
        self.batches: list[list[str]] = []
        self.store = store

    def before(self, ids: list[str]) -> None:
        """Called with the ids of a batch that is about to be embedded."""

    def cut(self, documents: Sequence[CheckedDocument]) -> list[CutDocument | TrivetError]:
        return [CutDocument(d, ((0, len(d.text)),)) for d in documents]

    def embed(self, documents: Sequence[CutDocument]) -> list[EmbeddedDocument | TrivetError]:
        ids = [cut.document.id for cut in documents]
        self.batches.append(ids)
        self.before(ids)
        made = vectors([cut.document.text for cut in documents])
        state = self.store.manifest.lexical
        every: list[EmbeddedDocument | TrivetError] = [
            *with_bm25(state, documents, [made[i] for i in range(len(documents))])
        ]
        return [
            InvalidDocumentError(f"document {id!r}: no vector") if id.startswith("bare") else one
            for id, one in zip(ids, every, strict=True)
        ]


class Written:
    """Takes the place of `Store.write`: does what it does, after a hook."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[list[str]] = []
        self._write = store.write
        monkeypatch.setattr(store, "write", self)

    def before(self, ids: list[str]) -> None:
        """Called with the ids of a batch that is about to be written, in the writing thread."""

    def __call__(self, writes: Sequence[DocumentWrite]) -> None:
        ids = [write.entry.id for write in writes]
        self.before(ids)
        self._write(writes)
        self.batches.append(ids)


def documents(ids: Sequence[str]) -> list[Document]:
    return [Document(f"anchor {id} sail", id, metadata={"length": len(id) + 12}) for id in ids]


def ids(n: int, start: int = 0) -> list[str]:
    return [str(i) for i in range(start, start + n)]


def ingest(
    index: trivet.Index,
    source: Source,
    incoming: Sequence[Document] | Iterator[Document],
    *,
    raises: bool = False,
    replace: bool = False,
    told: list[IngestReport] | None = None,
) -> IngestReport:
    call = Ingest(
        index._store,
        source,
        replace_existing=replace,
        raise_errors=raises,
        batch_chunks=BATCH,
        progress=None if told is None else told.append,
        expected=None,
    )
    return call.run(checked_documents(incoming, None, None))
