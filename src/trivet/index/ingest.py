"""Documents on their way in: planned, cut, embedded, written and committed batch by batch."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from trivet.errors import (
    DocumentBusyError,
    DocumentExistsError,
    InvalidDocumentError,
    ServerRefusedError,
    ServerUnavailableError,
    SpaceMismatchError,
    TrivetError,
)
from trivet.index import lexicon
from trivet.index.arguments import Progress
from trivet.index.documents import CheckedDocument
from trivet.index.vectors import CutDocument, EmbeddedDocument, VectorSource
from trivet.index.writes import document_write
from trivet.reports import FailedDocument, IngestReport
from trivet.store.journal import JournalEntry
from trivet.store.store import Store

logger = logging.getLogger(__name__)

# Documents that are looked up in the journal and cut together.
PLAN_BATCH = 256


@dataclass(frozen=True)
class _Ready:
    """A document that can be written: its pieces, what is stored under its id, its vectors."""

    cut: CutDocument
    existing: JournalEntry | None
    vectors: EmbeddedDocument

    @property
    def key(self) -> str:
        return self.cut.document.key


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
        self._batches_lost = 0
        # One after the other where the first failure stops the call.
        self._window = 1 if raise_errors else PLAN_BATCH
        self._started = time.monotonic()

    def run(self, documents: Iterable[CheckedDocument | FailedDocument]) -> IngestReport:
        """Take the documents in.

        Raises:
            TrivetError: of the first document that failed, if errors are raised; the documents
                before it are stored.
            StoreError: the engine failed; what was committed before stays. A server that does not
                answer for a while costs the batch, which is reported, and not the call.
        """
        cut = self._cut(documents)
        if lexicon.is_unseen(self._store):
            head = list(islice(cut, lexicon.FIRST_SAMPLE))
            if head:
                lexicon.estimate(self._store, [cut.titled_texts for cut in head])
            cut = chain(head, cut)
        was_fast = not self._store.optimize_pays
        for batch in self._batches(cut):
            self._take_in(batch)
            self._tell()
            if self._stopped:
                break
        # Also after nothing was written: an earlier call may have died before it came to this.
        if lexicon.has_lexical_leg(self._store.manifest):
            lexicon.keep_up(self._store, at_end=True)
        if was_fast and self._store.optimize_pays:
            logger.warning("the index has grown: Index.optimize makes its searches faster")
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
            wanted = [document for document, _ in self._wanted(checked)]
            for document, result in zip(wanted, self._source.cut(wanted), strict=True):
                if isinstance(result, CutDocument):
                    yield result
                else:
                    self._fail(document, result)
            if self._stopped:
                return

    def _wanted(
        self, documents: Sequence[CheckedDocument]
    ) -> list[tuple[CheckedDocument, JournalEntry | None]]:
        """The documents that have to be written, by what the journal says now, and what it says."""
        entries = self._store.journal.entries([document.key for document in documents])
        wanted = []
        for document in documents:
            entry = entries.get(document.key)
            if entry is None or (self._replace_existing and self._differs(document, entry)):
                wanted.append((document, entry))
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
        waiting: Sequence[CutDocument] = [c for c in batch if c.document.id in embedded]
        while waiting:
            chunks = self._report.chunks
            with self._store.writing:
                # Another thread or machine may have stored one of them since it was planned.
                wanted = {d.id: entry for d, entry in self._wanted([c.document for c in waiting])}
                ready = [
                    _Ready(c, wanted[c.document.id], embedded[c.document.id])
                    for c in waiting
                    if c.document.id in wanted
                ]
                held = [one.cut for one in self._write_free(ready)]
                if self._report.chunks > chunks and lexicon.has_lexical_leg(self._store.manifest):
                    lexicon.keep_up(self._store, at_end=False)
            waiting = self._released(held)

    def _write_free(self, documents: Sequence[_Ready]) -> list[_Ready]:
        """Write the documents that no other writer holds; returns the others."""
        held: list[_Ready] = []
        ready = list(documents)
        while ready:
            try:
                self._write(ready)
                break
            except DocumentBusyError as error:
                held += [r for r in ready if r.key in error.documents]
                ready = [r for r in ready if r.key not in error.documents]
            except (InvalidDocumentError, ServerRefusedError) as error:
                if len(ready) > 1:
                    for one in ready:
                        held += [] if self._stopped else self._write_free([one])
                else:
                    self._fail(ready[0].cut.document, error)
                break
            except ServerUnavailableError as error:
                self._give_up(ready, error)
                break
        return held

    def _released(self, held: Sequence[CutDocument]) -> Sequence[CutDocument]:
        """Wait for the other writers; those that are not worth waiting for have failed."""
        try:
            if held:
                self._store.journal.wait([cut.document.key for cut in held])
        except DocumentBusyError as error:
            for cut in held:
                self._fail(cut.document, error)
            return []
        return held

    def _give_up(self, batch: Sequence[_Ready], error: ServerUnavailableError) -> None:
        """Report a batch that a server did not take; go on, unless it is the second on end.

        Raises:
            ServerUnavailableError: it is.
        """
        for ready in batch:
            self._fail(ready.cut.document, error)
        self._batches_lost += 1
        if self._batches_lost > 1:
            self._tell()
            raise error

    def _write(self, documents: Sequence[_Ready]) -> None:
        manifest = self._store.manifest
        writes = [document_write(manifest, r.cut, r.existing, r.vectors) for r in documents]
        try:
            self._store.write(writes)
        except SpaceMismatchError as error:
            if self._store.manifest is manifest:
                raise
            # Another machine has weighted the index anew since, and a search has found out.
            raise DocumentBusyError(str(error), [w.entry.id for w in writes]) from error
        self._batches_lost = 0
        replaced = sum(write.replaces is not None for write in writes)
        report = self._report
        self._report = replace(
            report,
            added=report.added + len(writes) - replaced,
            replaced=report.replaced + replaced,
            chunks=report.chunks + sum(write.entry.chunks for write in writes),
        )


def _exists(document: CheckedDocument) -> TrivetError:
    return DocumentExistsError(
        f"document {document.id!r} is stored with other content or metadata: use upsert to "
        "replace it, or give this one another id"
    )
