"""Embedded documents on their way into the store: looked up once more, made points, committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trivet.errors import DocumentExistsError, InvalidDocumentError, TrivetError
from trivet.index import lexicon
from trivet.index.documents import CheckedDocument
from trivet.index.vectors import CutDocument, rendered
from trivet.reports import FailedDocument, IngestReport
from trivet.store.journal import JournalEntry
from trivet.store.points import Chunk, check_points, make_point
from trivet.store.store import DocumentWrite, Store
from trivet.types import Representations, Space


@dataclass(frozen=True)
class Plan:
    """What is to become of some documents.

    Attributes:
        wanted: these have to be written.
        skipped: so many are stored as they are.
        failed: these are stored with other content, and may not be replaced.
    """

    wanted: tuple[CheckedDocument, ...]
    skipped: int
    failed: tuple[FailedDocument, ...]


@dataclass(frozen=True)
class Writer:
    """Writes documents for one call of `add` or `upsert`; holds no state of its own.

    Attributes:
        store: where the documents go.
        replace_existing: `upsert`; else `add`.
        replace_unchanged: also where the content is as stored, since the vectors may differ.
        raise_errors: stop at the first document that fails.
    """

    store: Store
    replace_existing: bool
    replace_unchanged: bool
    raise_errors: bool

    def plan(self, documents: Sequence[CheckedDocument]) -> Plan:
        """What is to become of documents, by what the journal says now."""
        entries = self.store.journal.entries([document.id for document in documents])
        wanted: list[CheckedDocument] = []
        failed: list[FailedDocument] = []
        for document in documents:
            entry = entries.get(document.id)
            is_same = entry is not None and entry.digest == document.digest
            if entry is None or (self.replace_existing and (self.replace_unchanged or not is_same)):
                wanted.append(document)
            elif not is_same:
                failed.append(_failed(document, _exists(document)))
        skipped = len(documents) - len(wanted) - len(failed)
        return Plan(tuple(wanted), skipped, tuple(failed))

    def write(
        self, batch: Sequence[CutDocument], results: Sequence[Representations | TrivetError]
    ) -> IngestReport:
        """Write a batch and commit it.

        Args:
            batch: documents with distinct ids.
            results: their representations, or why they have none.

        Returns:
            What became of the batch.
        """
        failed = [
            _failed(cut.document, result)
            for cut, result in zip(batch, results, strict=True)
            if isinstance(result, TrivetError)
        ]
        embedded = {
            cut.document.id: (cut, result)
            for cut, result in zip(batch, results, strict=True)
            if isinstance(result, Representations)
        }
        with self.store.writing:
            # Another thread may have stored one of them since it was planned.
            plan = self.plan([cut.document for cut, _ in embedded.values()])
            failed += plan.failed
            entries = self.store.journal.entries([document.id for document in plan.wanted])
            writes = [
                self._document_write(*embedded[document.id], entries.get(document.id))
                for document in plan.wanted
            ]
            try:
                self._commit(writes)
            except InvalidDocumentError:
                documents = [embedded[write.entry.id][0].document for write in writes]
                writes, refused = self._sifted(writes, documents)
                failed += refused
                self._commit(writes)
        replaced = sum(write.replaces is not None for write in writes)
        return IngestReport(
            added=len(writes) - replaced,
            replaced=replaced,
            skipped=plan.skipped,
            failed=tuple(failed),
            chunks=sum(write.entry.chunks for write in writes),
        )

    def _commit(self, writes: Sequence[DocumentWrite]) -> None:
        if writes:
            self.store.write(writes)
            if lexicon.has_lexical_leg(self.store.manifest):
                lexicon.keep_up(self.store, at_end=False)

    def _sifted(
        self, writes: Sequence[DocumentWrite], documents: Sequence[CheckedDocument]
    ) -> tuple[list[DocumentWrite], list[FailedDocument]]:
        """The writes that may be done, and the documents of the others."""
        sound: list[DocumentWrite] = []
        refused: list[FailedDocument] = []
        spaces = self.store.manifest.vector_spaces
        for write, document in zip(writes, documents, strict=True):
            refusal = _refusal(write, spaces)
            if refusal is None:
                sound.append(write)
                continue
            refused.append(_failed(document, refusal))
            if self.raise_errors:
                break
        return sound, refused

    def _document_write(
        self, cut: CutDocument, vectors: Representations, existing: JournalEntry | None
    ) -> DocumentWrite:
        manifest = self.store.manifest
        document = cut.document
        terms = 0
        if manifest.lexical is not None:
            bm25 = lexicon.bm25_for(manifest.lexical)
            texts = rendered(manifest.lexical, cut)
            terms = sum(bm25.count_terms(texts))
            if vectors.sparse is None or vectors.sparse.space != bm25.space:
                # None was given, or BM25 was weighted anew since it was.
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


def _refusal(write: DocumentWrite, spaces: Mapping[str, Space]) -> InvalidDocumentError | None:
    """Why a document's points may not be written."""
    try:
        check_points(write.points, spaces)
    except InvalidDocumentError as error:
        return error
    return None


def _failed(document: CheckedDocument, error: Exception) -> FailedDocument:
    return FailedDocument(document.id, document.position, error)


def _exists(document: CheckedDocument) -> TrivetError:
    return DocumentExistsError(
        f"document {document.id!r} is stored with other content or metadata: use upsert to "
        "replace it, or give this one another id"
    )
