"""Documents on their way in: planned, cut, embedded, written and committed batch by batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import TypeAlias

from trivet.errors import DocumentExistsError, InvalidDocumentError, TrivetError
from trivet.index import lexicon
from trivet.index.documents import CheckedDocument
from trivet.index.vectors import CutDocument, EmbeddedDocument, VectorSource, with_bm25
from trivet.reports import FailedDocument, IngestReport
from trivet.store.journal import JournalEntry
from trivet.store.points import Chunk, make_point
from trivet.store.store import DocumentWrite, Store

Progress: TypeAlias = Callable[[IngestReport], None]

# Documents that are looked up in the journal and cut together.
PLAN_BATCH = 256


class Ingest:
    """One call of `add` or `upsert`.

    Args:
        store: where the documents go.
        source: where their vectors come from.
        replace_existing: `upsert`; else `add`.
        raise_errors: stop at the first document that fails.
        batch_chunks: chunks to embed and commit together.
        progress: called with the report so far after every batch.
    """

    def __init__(
        self,
        store: Store,
        source: VectorSource,
        *,
        replace_existing: bool,
        raise_errors: bool,
        batch_chunks: int,
        progress: Progress | None,
    ) -> None:
        self._store = store
        self._source = source
        self._replace_existing = replace_existing
        self._raise_errors = raise_errors
        self._batch_chunks = batch_chunks
        self._progress = progress
        self._report = IngestReport()
        self._failed: list[FailedDocument] = []
        # One after the other where the first failure stops the call.
        self._window = 1 if raise_errors else PLAN_BATCH
        self._started = time.monotonic()

    def run(self, documents: Iterable[CheckedDocument | FailedDocument]) -> IngestReport:
        """Take the documents in.

        Raises:
            TrivetError: of the first document that failed, if errors are raised; the documents
                before it are stored.
            StoreError: the engine failed; what was committed before stays.
        """
        cut = self._cut(documents)
        if lexicon.is_unseen(self._store):
            head = list(islice(cut, lexicon.FIRST_SAMPLE))
            if head:
                lexicon.estimate(self._store, [cut.titled_texts for cut in head])
            cut = chain(head, cut)
        for batch in self._batches(cut):
            self._take_in(batch)
            self._tell()
            if self._stopped:
                break
        if self._report.chunks and lexicon.has_lexical_leg(self._store.manifest):
            lexicon.keep_up(self._store, at_end=True)
        self._tell()
        if self._stopped:
            raise self._failed[0].error
        return self._report

    @property
    def _stopped(self) -> bool:
        return self._raise_errors and bool(self._failed)

    def _tell(self) -> None:
        self._report = replace(
            self._report,
            failed=tuple(self._failed),
            elapsed_s=time.monotonic() - self._started,
        )
        if self._progress is not None:
            self._progress(self._report)

    def _fail(self, document: CheckedDocument, error: Exception) -> None:
        self._record(FailedDocument(document.id, document.position, error))

    def _record(self, failed: FailedDocument) -> None:
        self._failed.append(failed)

    def _cut(self, documents: Iterable[CheckedDocument | FailedDocument]) -> Iterator[CutDocument]:
        """The documents that must be embedded, in pieces; the others go into the report."""
        incoming = iter(documents)
        while window := list(islice(incoming, self._window)):
            checked: list[CheckedDocument] = []
            for document in window:
                if isinstance(document, FailedDocument):
                    self._record(document)
                    if self._stopped:
                        break
                else:
                    checked.append(document)
            wanted = self._wanted(checked)
            for document, result in zip(wanted, self._source.cut(wanted), strict=True):
                if isinstance(result, CutDocument):
                    yield result
                else:
                    self._fail(document, result)
            if self._stopped:
                return

    def _wanted(self, documents: Sequence[CheckedDocument]) -> list[CheckedDocument]:
        """The documents that have to be written, by what the journal says now."""
        entries = self._store.journal.entries([document.id for document in documents])
        wanted = []
        for document in documents:
            entry = entries.get(document.id)
            if entry is None or (self._replace_existing and self._differs(document, entry)):
                wanted.append(document)
            elif entry.digest == document.digest:
                self._report = replace(self._report, skipped=self._report.skipped + 1)
            else:
                self._fail(document, _exists(document))
        return wanted

    def _differs(self, document: CheckedDocument, entry: JournalEntry) -> bool:
        """Whether a document has to be written over the stored one."""
        return self._source.are_given or entry.digest != document.digest

    def _batches(self, documents: Iterable[CutDocument]) -> Iterator[list[CutDocument]]:
        """Batches of about `batch_chunks` chunks, in which no id comes twice."""
        batch: dict[str, CutDocument] = {}
        chunks = 0
        for cut in documents:
            if cut.document.id in batch:
                yield list(batch.values())
                batch, chunks = {}, 0
            batch[cut.document.id] = cut
            chunks += len(cut.pieces)
            if chunks >= self._batch_chunks:
                yield list(batch.values())
                batch, chunks = {}, 0
        if batch:
            yield list(batch.values())

    def _take_in(self, batch: Sequence[CutDocument]) -> None:
        embedded: dict[str, EmbeddedDocument] = {}
        for cut, result in zip(batch, self._source.embed(batch), strict=True):
            if isinstance(result, EmbeddedDocument):
                embedded[cut.document.id] = result
            else:
                self._fail(cut.document, result)
        with self._store.writing:
            # Another thread may have stored one of them since it was planned.
            documents = [c.document for c in batch if c.document.id in embedded]
            wanted = {document.id for document in self._wanted(documents)}
            ready = [c for c in batch if c.document.id in wanted]
            if not ready:
                return
            try:
                self._write(ready, embedded)
            except InvalidDocumentError:
                for cut in ready:
                    if not self._stopped:
                        self._write_alone(cut, embedded)
            if lexicon.has_lexical_leg(self._store.manifest):
                lexicon.keep_up(self._store, at_end=False)

    def _write_alone(self, cut: CutDocument, embedded: dict[str, EmbeddedDocument]) -> None:
        try:
            self._write([cut], embedded)
        except InvalidDocumentError as error:
            self._fail(cut.document, error)

    def _write(
        self, documents: Sequence[CutDocument], embedded: dict[str, EmbeddedDocument]
    ) -> None:
        entries = self._store.journal.entries([cut.document.id for cut in documents])
        writes = [
            self._document_write(cut, entries.get(cut.document.id), embedded[cut.document.id])
            for cut in documents
        ]
        self._store.write(writes)
        replaced = sum(write.replaces is not None for write in writes)
        report = self._report
        self._report = replace(
            report,
            added=report.added + len(writes) - replaced,
            replaced=report.replaced + replaced,
            chunks=report.chunks + sum(write.entry.chunks for write in writes),
        )

    def _document_write(
        self, cut: CutDocument, existing: JournalEntry | None, embedded: EmbeddedDocument
    ) -> DocumentWrite:
        manifest = self._store.manifest
        document = cut.document
        sparse = embedded.vectors.sparse
        if sparse is not None and sparse.space != manifest.spaces["sparse"]:
            # BM25 was weighted anew since it was embedded.
            (embedded,) = with_bm25(manifest.lexical, [cut], [embedded.vectors])
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
                ),
                embedded.vectors[sequence],
            )
            for sequence, span in enumerate(cut.pieces)
        )
        entry = JournalEntry(document.id, document.digest, len(points), revision, embedded.terms)
        return DocumentWrite(entry, existing, points)


def _exists(document: CheckedDocument) -> TrivetError:
    return DocumentExistsError(
        f"document {document.id!r} is stored with other content or metadata: use upsert to "
        "replace it, or give this one another id"
    )
