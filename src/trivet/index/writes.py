"""A document and its vectors, made into what the store writes."""

from __future__ import annotations

from dataclasses import replace

from trivet.index.vectors import CutDocument, EmbeddedDocument, with_bm25
from trivet.store.journal import JournalEntry
from trivet.store.manifest import Manifest
from trivet.store.points import Chunk, make_point
from trivet.store.writes import DocumentWrite


def document_write(
    manifest: Manifest,
    cut: CutDocument,
    existing: JournalEntry | None,
    embedded: EmbeddedDocument,
) -> DocumentWrite:
    """The points and the journal entry of a document.

    Args:
        manifest: of the index.
        cut: the document in pieces.
        existing: what is stored under its id.
        embedded: its vectors. If BM25 was weighted anew since, they get the new weights.
    """
    document = cut.document
    sparse = embedded.vectors.sparse
    if sparse is not None and sparse.space != manifest.spaces["sparse"]:
        (weighed,) = with_bm25(manifest.lexical, [cut], [embedded.vectors])
        embedded = replace(weighed, beside=embedded.beside, carried=embedded.carried)
    revision = 1 if existing is None else existing.revision + 1
    points = tuple(
        make_point(
            manifest.namespace,
            Chunk(
                document=document.id,
                sequence=sequence,
                text=document.text[slice(*span)],
                span=span,
                title=document.title,
                metadata=document.metadata,
                digest=document.digest,
                revision=revision,
                chunks=len(cut.pieces),
                tenant=document.tenant,
                carried=embedded.carried,
            ),
            embedded.vectors,
            sequence,
            embedded.beside,
        )
        for sequence, span in enumerate(cut.pieces)
    )
    entry = JournalEntry(document.key, document.digest, len(points), revision, embedded.terms)
    return DocumentWrite(entry, existing, points)
