"""Documents on their way in: planned, cut and embedded batch by batch, each written meanwhile."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from trivet.errors import TrivetError
from trivet.index import lexicon
from trivet.index.arguments import Progress
from trivet.index.behind import WriteBehind
from trivet.index.committing import Committer, Embedded
from trivet.index.documents import CheckedDocument
from trivet.index.planning import Planner
from trivet.index.tally import Tally
from trivet.index.vectors import CutDocument, EmbeddedDocument, VectorSource
from trivet.reports import FailedDocument, IngestReport
from trivet.store.store import Store

logger = logging.getLogger(__name__)

# Documents that are looked up in the journal and cut together.
PLAN_BATCH = 256


class Ingest:
    """One call of `add` or `upsert`.

    Documents are read, planned, cut and embedded in the thread of the call; a batch is written in
    another one while the next is made, and counts when that is done.

    Args:
        store: where the documents go.
        source: where their vectors come from.
        replace_existing: `upsert`; else `add`.
        raise_errors: stop at the first document that fails.
        batch_chunks: chunks to embed and commit together.
        progress: called with the report so far after every batch.
        expected: documents of the call; None = not known.
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
        expected: int | None,
    ) -> None:
        self._store = store
        self._source = source
        self._tally = Tally(raise_errors=raise_errors, expected=expected)
        self._planner = Planner(store.journal, self._tally, replace_existing, source.are_given)
        self._underway: Counter[str] = Counter()
        self._batch_chunks = batch_chunks
        self._progress = progress
        # One after the other where the first failure stops the call.
        self._window = 1 if raise_errors else PLAN_BATCH

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
        try:
            self._take_in(cut)
        except (KeyboardInterrupt, TrivetError):
            self._tell()  # what was committed stays
            raise
        # Also after nothing was written: an earlier call may have died before it came to this.
        if lexicon.has_lexical_leg(self._store.manifest):
            replaced = self._tally.report().replaced > 0
            lexicon.keep_up(self._store, at_end=True, replaced=replaced)
        if was_fast and self._store.optimize_pays:
            logger.warning("the index has grown: Index.optimize makes its searches faster")
        report = self._tell()
        if self._tally.is_over and (error := self._tally.first_error) is not None:
            raise error
        if report.failed:
            _warn_of_failures(report)
        return report

    def _tell(self) -> IngestReport:
        report = self._tally.report()
        if self._progress is not None:
            self._progress(report)
        return report

    def _take_in(self, documents: Iterable[CutDocument]) -> None:
        """Embed batch after batch, each while the one before it is written."""
        committer = Committer(self._store, self._planner, self._tally, self._source)
        handed_over: list[CutDocument] = []
        with WriteBehind(committer.commit) as behind:
            for batch in self._batches(documents):
                if batch[0].document.position > self._tally.end:
                    break
                embedded = self._embedded(batch)
                if behind.settle():
                    self._tell()
                self._settled([cut.document for cut in handed_over])
                behind.hand_over(embedded)
                handed_over = batch

    def _cut(self, documents: Iterable[CheckedDocument | FailedDocument]) -> Iterator[CutDocument]:
        """The documents that must be embedded, in pieces; the others go into the report."""
        incoming = iter(documents)
        while window := list(islice(incoming, self._window)):
            checked: list[CheckedDocument] = []
            for document in window:
                if isinstance(document, FailedDocument):
                    self._tally.fail(document.id, document.position, document.error)
                    if self._tally.is_over:
                        break
                else:
                    checked.append(document)
            wanted = [document for document, _ in self._planner.wanted(checked, self._underway)]
            self._underway.update(document.key for document in wanted)
            for document, result in zip(wanted, self._source.cut(wanted), strict=True):
                if isinstance(result, CutDocument):
                    yield result
                else:
                    self._settled([document])
                    self._tally.fail(document.id, document.position, result)
            if self._tally.is_over:
                return

    def _settled(self, documents: Sequence[CheckedDocument]) -> None:
        """From now on the journal tells of these documents, unless they come again."""
        self._underway.subtract(document.key for document in documents)
        for document in documents:
            if self._underway[document.key] <= 0:
                del self._underway[document.key]

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

    def _embedded(self, batch: Sequence[CutDocument]) -> list[Embedded]:
        """The documents of a batch that have vectors now; the others go into the report."""
        embedded = []
        for cut, result in zip(batch, self._source.embed(batch), strict=True):
            if isinstance(result, EmbeddedDocument):
                embedded.append(Embedded(cut, result))
            else:
                self._tally.fail(cut.document.id, cut.document.position, result)
        return embedded


def _warn_of_failures(report: IngestReport) -> None:
    """Say that documents are missing, to who never looks at the report."""
    logger.warning(
        "documents that were not stored: %d of %d, %s (the report's `failed` names them all; "
        'on_error="raise" stops at the first)',
        len(report.failed),
        report.total,
        report.failed[0].error,
    )
