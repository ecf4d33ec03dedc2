"""A document and its vectors, made into what the store writes."""

from __future__ import annotations

from trivet.index import lexicon
from trivet.index.vectors import CutDocument, rendered
from trivet.store.journal import JournalEntry
from trivet.store.manifest import Manifest
from trivet.store.points import Chunk, make_point
from trivet.store.store import DocumentWrite
from trivet.types import Representations


def document_write(
    manifest: Manifest, cut: CutDocument, existing: JournalEntry | None, vectors: Representations
) -> DocumentWrite:
    """The points and the journal entry of a document.

    Args:
        manifest: of the index.
        cut: the document in pieces.
        existing: what is stored under its id.
        vectors: of each piece. A BM25 leg that is missing, or of another weighting, is computed.
    """
    document = cut.document
    terms = 0
    if manifest.lexical is not None:
        bm25 = lexicon.bm25_for(manifest.lexical)
        texts = rendered(manifest.lexical, cut)
        terms = sum(bm25.count_terms(texts))
        if vectors.sparse is None or vectors.sparse.space != bm25.space:
            vectors = vectors.with_sparse(bm25.embed_documents(texts))
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
            ),
            vectors[sequence],
        )
        for sequence, span in enumerate(cut.pieces)
    )
    entry = JournalEntry(document.id, document.digest, len(points), revision, terms)
    return DocumentWrite(entry, existing, points)
