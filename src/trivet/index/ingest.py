"""Documents on their way in: planned, cut and embedded batch by batch, one ahead of the writing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, islice

from trivet.index import lexicon
from trivet.index.arguments import Progress
from trivet.index.documents import CheckedDocument, Incoming
from trivet.index.vectors import CutDocument, VectorSource
from trivet.index.writing import Writer
from trivet.reports import FailedDocument, IngestReport
from trivet.store.store import Store

# Documents that are looked up in the journal and cut together.
PLAN_BATCH = 256
# Where nothing is embedded, most of the time goes into bringing each batch to the disk, large or
# small: so many are committed together.
GIVEN_BATCHES = 8


class Ingest:
    """One call of `add` or `upsert`.

    A batch is written in a thread of its own while the next one is embedded. Ctrl-C reaches the
    caller's thread alone: the batch under way is committed before it goes on its way.

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
        self._raise_errors = raise_errors
        self._batch_chunks = batch_chunks * (GIVEN_BATCHES if source.are_given else 1)
        self._progress = progress
        self._writer = Writer(store, replace_existing, source.are_given, raise_errors)
        self._report = IngestReport()
        self._failed: list[FailedDocument] = []
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
        self._write_all(self._cut(documents))
        if self._report.chunks and lexicon.has_lexical_leg(self._store.manifest):
            lexicon.keep_up(self._store, at_end=True)
        self._tell()
        if self._stopped:
            raise min(self._failed, key=_position).error
        return self._report

    def _write_all(self, cut: Iterator[CutDocument]) -> None:
        """Embed each batch while the one before it is written."""
        if lexicon.is_unseen(self._store):
            head = list(islice(cut, lexicon.FIRST_SAMPLE))
            if head:
                titled = [text for c in head for text in c.titled_texts]
                lexicon.estimate(self._store, titled, len(head))
            cut = chain(head, cut)
        under_way: Future[IngestReport] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="trivet-write") as thread:
            for batch in self._batches(cut):
                results = self._source.embed(batch)
                if under_way is not None:
                    self._settle(under_way.result())
                    under_way = None
                    if self._stopped_before(batch):
                        return
                under_way = thread.submit(self._writer.write, batch, results)
            if under_way is not None:
                self._settle(under_way.result())

    @property
    def _stopped(self) -> bool:
        return self._raise_errors and bool(self._failed)

    def _stopped_before(self, batch: list[CutDocument]) -> bool:
        """Whether a document before those of a batch has failed, and stops the call."""
        first = min(cut.document.position for cut in batch)
        return self._raise_errors and any(failed.position < first for failed in self._failed)

    def _settle(self, done: IngestReport) -> None:
        """Add what became of a batch to the report."""
        report = self._report
        self._report = replace(
            report,
            added=report.added + done.added,
            replaced=report.replaced + done.replaced,
            skipped=report.skipped + done.skipped,
            chunks=report.chunks + done.chunks,
        )
        self._failed += done.failed
        self._tell()

    def _tell(self) -> None:
        self._report = replace(
            self._report,
            failed=tuple(sorted(self._failed, key=_position)),
            elapsed_s=time.monotonic() - self._started,
        )
        if self._progress is not None:
            self._progress(self._report)

    def _cut(self, documents: Iterable[Incoming]) -> Iterator[CutDocument]:
        """The documents that must be embedded, in pieces; the others go into the report."""
        incoming = iter(documents)
        while window := list(islice(incoming, self._window)):
            checked: list[CheckedDocument] = []
            for document in window:
                if isinstance(document, FailedDocument):
                    self._failed.append(document)
                else:
                    checked.append(document)
            plan = self._writer.plan(checked)
            self._failed += plan.failed
            self._report = replace(self._report, skipped=self._report.skipped + plan.skipped)
            for document, result in zip(plan.wanted, self._source.cut(plan.wanted), strict=True):
                if isinstance(result, CutDocument):
                    yield result
                else:
                    self._failed.append(FailedDocument(document.id, document.position, result))
            if self._stopped:
                return

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


def _position(failed: FailedDocument) -> int:
    return failed.position
