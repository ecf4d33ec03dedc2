"""Documents kept with the vectors of their chunks, to be stored again without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trivet.errors import TrivetError
from trivet.index.chunking import Span
from trivet.index.documents import CheckedDocument, checked_documents, put_together
from trivet.index.index import Index
from trivet.index.vectors import CutDocument, EmbeddedDocument, with_beside, with_bm25
from trivet.store.stored_vectors import chunk_vectors_of
from trivet.types import Document, Representations


@dataclass(frozen=True)
class Kept:
    """A document as it was stored.

    Attributes:
        document: its content.
        pieces: where each of its chunks stands in its text.
        vectors: of each of them, dense and of tokens; None where there are none.
        carried: names of vectors that were carried over from another model's.
    """

    document: Document
    pieces: tuple[Span, ...]
    vectors: Representations | None
    carried: tuple[str, ...]


def keep(index: Index, ids: Sequence[str]) -> list[Kept]:
    """The documents of these ids with their vectors; those that are not there are left out.

    Raises:
        StoreError: the engine or the journal cannot be read.
    """
    found = index._store.chunks([index._scope.key(id) for id in dict.fromkeys(ids)])
    vectors = chunk_vectors_of(index._store, {key: len(some) for key, some in found.items()})
    return [
        Kept(
            put_together(chunks),
            tuple(chunk.span for chunk in chunks),
            vectors.get(key),
            tuple(sorted({name for chunk in chunks for name in chunk.carried})),
        )
        for key, chunks in found.items()
    ]


def put_back(index: Index, kept: Sequence[Kept]) -> None:
    """Store documents as they were, by the model only those without vectors.

    Of other legs BM25's is made anew; learned sparse vectors are not there until the document is
    stored again.

    Raises:
        ModelError, StoreError: as `Index.upsert`.
    """
    whole = [one for one in kept if one.vectors is not None]
    documents = checked_documents([one.document for one in whole], None, None, index._scope.name)
    source = _KeptVectors(index, whole)
    index._ingest(documents, source, "raise", None, len(whole), replace_existing=True)
    others = [one.document for one in kept if one.vectors is None]
    if others:
        index.upsert(others, on_error="raise")


class _KeptVectors:
    """Cuts documents where they were cut, and gives each piece the vector that it had."""

    are_given = True

    def __init__(self, index: Index, kept: Sequence[Kept]) -> None:
        self._store = index._store
        self._model = index._model
        self._kept = kept

    def cut(self, documents: Sequence[CheckedDocument]) -> list[CutDocument | TrivetError]:
        return [CutDocument(one, self._kept[one.position].pieces) for one in documents]

    def embed(self, documents: Sequence[CutDocument]) -> list[EmbeddedDocument | TrivetError]:
        own = [self._kept[cut.document.position].vectors for cut in documents]
        there = [vectors for vectors in own if vectors is not None]  # all: `put_back` saw to it
        embedded = with_bm25(self._store.manifest.lexical, documents, there)
        marked = [
            replace(one, carried=self._kept[cut.document.position].carried)
            for one, cut in zip(embedded, documents, strict=True)
        ]
        return [*with_beside(self._store, self._model, documents, marked)]
