"""Documents on their way in: planned, cut, embedded, written and committed batch by batch."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, islice

from trivet.errors import DocumentExistsError, InvalidDocumentError, TrivetError
from trivet.index import lexicon
from trivet.index.arguments import Progress
from trivet.index.documents import CheckedDocument, Incoming
from trivet.index.vectors import CutDocument, VectorSource
from trivet.index.writes import document_write
from trivet.reports import FailedDocument, IngestReport
from trivet.store.journal import JournalEntry
from trivet.store.points import check_points
from trivet.store.store import DocumentWrite, Store
from trivet.types import Representations, Space

logger = logging.getLogger(__name__)

# Documents that are looked up in the journal and cut together.
PLAN_BATCH = 256
# Where nothing is embedded, most of the time goes into bringing each batch to the disk, be it
# large or small: so many are committed together.
GIVEN_BATCHES = 8


class Ingest:
    """One call of `add` or `upsert`.

    A batch is written in a thread of its own while the next one is embedded. Ctrl-C reaches the
    caller's thread alone: what is under way is committed first, then the call ends.

    Args:
        store: where the documents go.
        source: where their vectors come from.
        replace_existing: `upsert`; else `add`.
        raise_errors: stop at the first document that fails.
        batch_chunks: chunks to embed and commit together; eight times as many if they are given.
        progress: called with the report so far after every batch.
    """

    def __init__(
        self,
        store: Store,
        *,
        source: VectorSource,
        replace_existing: bool,
        raise_errors: bool,
        batch_chunks: int,
        progress: Progress | None,
    ) -> None:
        self._store = store
        self._source = source
        self._replace_existing = replace_existing
        self._raise_errors = raise_errors
        self._batch_chunks = batch_chunks * (GIVEN_BATCHES if source.are_given else 1)
        self._progress = progress
        self._report = IngestReport()
        self._failed: list[FailedDocument] = []
        # Both threads add to the report.
        self._reporting = threading.Lock()
        # One after the other where the first failure stops the call.
        self._window = 1 if raise_errors else PLAN_BATCH
        self._started = time.monotonic()

    def run(self, documents: Iterable[Incoming]) -> IngestReport:
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
                titled = [text for c in head for text in c.titled_texts]
                lexicon.estimate(self._store, titled, len(head))
            cut = chain(head, cut)
        was_fast = not self._store.optimize_pays
        self._take_in_all(cut)
        # Also after nothing was written: an earlier call may have died before it came to this.
        if lexicon.has_lexical_leg(self._store.manifest):
            lexicon.keep_up(self._store, at_end=True)
        if was_fast and self._store.optimize_pays:
            logger.warning("the index has grown: Index.optimize makes its searches faster")
        self._tell()
        if self._stopped:
            raise self._report.failed[0].error
        return self._report

    def _take_in_all(self, cut: Iterable[CutDocument]) -> None:
        """Write each batch while the next one is embedded."""
        under_way: Future[None] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="trivet-write") as thread:
            for batch in self._batches(cut):
                results = self._source.embed(batch)
                if under_way is not None:
                    under_way.result()
                    self._tell()
                    if self._stopped_before(batch):
                        return
                under_way = thread.submit(self._take_in, batch, results)
            if under_way is not None:
                under_way.result()
                self._tell()

    @property
    def _stopped(self) -> bool:
        return self._raise_errors and bool(self._failed)

    def _stopped_before(self, batch: Sequence[CutDocument]) -> bool:
        """Whether a document before those of a batch has failed, and stops the call."""
        first = min(cut.document.position for cut in batch)
        return self._raise_errors and any(failed.position < first for failed in self._failed)

    def _tell(self) -> None:
        with self._reporting:
            self._report = replace(
                self._report,
                failed=tuple(sorted(self._failed, key=lambda failed: failed.position)),
                elapsed_s=time.monotonic() - self._started,
            )
        if self._progress is not None:
            self._progress(self._report)

    def _fail(self, document: CheckedDocument, error: Exception) -> None:
        self._record(FailedDocument(document.id, document.position, error))

    def _record(self, failed: FailedDocument) -> None:
        self._failed.append(failed)

    def _add(self, **counts: int) -> None:
        """Add to the counts of the report."""
        with self._reporting:
            fields = {name: getattr(self._report, name) + n for name, n in counts.items()}
            self._report = replace(self._report, **fields)

    def _cut(self, documents: Iterable[Incoming]) -> Iterator[CutDocument]:
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
                self._add(skipped=1)
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

    def _take_in(
        self, batch: Sequence[CutDocument], results: Sequence[Representations | TrivetError]
    ) -> None:
        """Write a batch and commit it."""
        embedded: dict[str, Representations] = {}
        for cut, result in zip(batch, results, strict=True):
            if isinstance(result, Representations):
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
                self._write(self._sifted(ready, embedded), embedded)
            if lexicon.has_lexical_leg(self._store.manifest):
                lexicon.keep_up(self._store, at_end=False)

    def _sifted(
        self, documents: Sequence[CutDocument], embedded: Mapping[str, Representations]
    ) -> list[CutDocument]:
        """The documents that may be written; the others go into the report."""
        sound: list[CutDocument] = []
        spaces = self._store.manifest.vector_spaces
        for cut in documents:
            write = document_write(self._store.manifest, cut, None, embedded[cut.document.id])
            refusal = _refusal(write, spaces)
            if refusal is None:
                sound.append(cut)
                continue
            self._fail(cut.document, refusal)
            if self._raise_errors:
                break
        return sound

    def _write(
        self, documents: Sequence[CutDocument], embedded: Mapping[str, Representations]
    ) -> None:
        if not documents:
            return
        entries = self._store.journal.entries([cut.document.id for cut in documents])
        writes = [
            document_write(
                self._store.manifest,
                cut,
                entries.get(cut.document.id),
                embedded[cut.document.id],
            )
            for cut in documents
        ]
        self._store.write(writes)
        replaced = sum(write.replaces is not None for write in writes)
        chunks = sum(write.entry.chunks for write in writes)
        self._add(added=len(writes) - replaced, replaced=replaced, chunks=chunks)


def _refusal(write: DocumentWrite, spaces: Mapping[str, Space]) -> InvalidDocumentError | None:
    """Why a document's points may not be written."""
    try:
        check_points(write.points, spaces)
    except InvalidDocumentError as error:
        return error
    return None


def _exists(document: CheckedDocument) -> TrivetError:
    return DocumentExistsError(
        f"document {document.id!r} is stored with other content or metadata: use upsert to "
        "replace it, or give this one another id"
    )
