"""A batch is embedded while the one before it is written, and nothing else changes by that."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from indexes import contents, make_index, require_clean, vectors
from waiting import PATIENCE_S

import trivet
from trivet.errors import DocumentExistsError, InvalidDocumentError, StoreError
from trivet.index import lexicon
from trivet.index.documents import checked_documents
from trivet.index.ingest import PLAN_BATCH, Ingest
from trivet.reports import IngestReport
from trivet.types import Document

from .behind import BATCH, Source, Written, documents, ids, ingest


@pytest.fixture
def index() -> Iterator[trivet.Index]:
    before = threading.enumerate()
    with make_index(":memory:") as made:
        yield made
    assert set(threading.enumerate()) <= set(before)  # no thread is left behind


@pytest.fixture
def source(index: trivet.Index) -> Source:
    return Source(index._store)


@pytest.fixture
def written(index: trivet.Index, monkeypatch: pytest.MonkeyPatch) -> Written:
    return Written(index._store, monkeypatch)


def test_one_batch_is_embedded_while_another_is_written(
    index: trivet.Index, source: Source, written: Written
) -> None:
    embedding = [threading.Event() for _ in range(3)]
    met = []

    def embeds(batch: list[str]) -> None:
        embedding[len(source.batches) - 1].set()

    def writes(batch: list[str]) -> None:
        number = len(written.batches)
        if number < 2:  # nothing is embedded after the last
            met.append(embedding[number + 1].wait(PATIENCE_S))

    source.before, written.before = embeds, writes
    report = ingest(index, source, documents(ids(3 * BATCH)))
    assert met == [True, True]
    assert (report.added, report.failed) == (3 * BATCH, ())
    assert source.batches == written.batches == [ids(BATCH, start) for start in (0, 4, 8)]


def test_a_stream_is_read_only_a_few_batches_ahead_of_what_is_committed(
    index: trivet.Index, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexicon, "FIRST_SAMPLE", 16)
    read, ahead = 0, []

    def stream() -> Iterator[Document]:
        nonlocal read
        for document in documents(ids(2000)):
            read += 1
            yield document

    def embeds(batch: list[str]) -> None:
        ahead.append(read - index.count())

    source.before = embeds
    assert ingest(index, source, stream()).added == 2000
    assert len(ahead) == 500
    # One window is planned; one batch is made, one is written, one was committed and not seen.
    assert max(ahead[5:]) <= PLAN_BATCH + 3 * BATCH


def test_what_is_reported_is_committed(
    index: trivet.Index, source: Source, written: Written
) -> None:
    told: list[IngestReport] = []

    def embeds(batch: list[str]) -> None:
        assert all(report.added <= index.count() for report in told)

    source.before = embeds
    ingest(index, source, documents(ids(3 * BATCH)), told=told)
    assert [report.added for report in told] == [4, 8, 12]


def test_an_error_of_the_writing_reaches_the_caller(
    index: trivet.Index, source: Source, written: Written
) -> None:
    def writes(batch: list[str]) -> None:
        if "9" in batch:
            raise StoreError("the disk is gone")

    written.before = writes
    told: list[IngestReport] = []
    with pytest.raises(StoreError, match="the disk is gone"):
        ingest(index, source, documents(ids(40)), told=told)
    assert told[-1].added == index.count() == 8
    assert len(source.batches) <= 4  # the third one failed while the fourth was made
    written.before = lambda batch: None
    report = ingest(index, source, documents(ids(40)))
    assert (report.added, report.skipped) == (32, 8)
    require_clean(index)


def test_the_last_batch_fails_in_the_call_too(
    index: trivet.Index, source: Source, written: Written
) -> None:
    def writes(batch: list[str]) -> None:
        raise StoreError("the disk is gone")

    written.before = writes
    with pytest.raises(StoreError, match="the disk is gone"):
        ingest(index, source, documents(ids(2)))
    assert index.count() == 0


@pytest.mark.parametrize("bad", [0, 3, 4, 6, 11])
def test_the_first_failure_stops_the_call_with_all_before_it_stored(
    index: trivet.Index, source: Source, bad: int
) -> None:
    incoming = documents(ids(12))
    incoming[bad] = Document("", str(bad))
    with pytest.raises(InvalidDocumentError, match=f"'{bad}'"):
        ingest(index, source, incoming, raises=True)
    assert set(contents(index, ids(12))) == set(ids(bad))
    assert sum(map(len, source.batches)) == bad


@pytest.mark.parametrize("bad", [0, 3, 5])
def test_a_document_without_vectors_stops_the_call_there(
    index: trivet.Index, source: Source, bad: int
) -> None:
    names = ids(8)
    names[bad] = f"bare {bad}"
    with pytest.raises(InvalidDocumentError, match="no vector"):
        ingest(index, source, documents(names), raises=True)
    assert set(contents(index, names)) == set(names[:bad])


def test_of_two_failures_the_one_that_comes_first_in_the_call_is_raised(
    index: trivet.Index, source: Source, written: Written
) -> None:
    incoming = documents(ids(8))
    incoming[6] = Document("", "6")
    was_read = threading.Event()

    def embeds(batch: list[str]) -> None:
        if "5" in batch:  # the bad document after it was read
            was_read.set()

    def writes(batch: list[str]) -> None:
        if len(batch) > 1 or batch == ["2"]:
            assert was_read.wait(PATIENCE_S)
            raise InvalidDocumentError(f"not {batch}")

    source.before, written.before = embeds, writes
    with pytest.raises(InvalidDocumentError, match="not"):
        ingest(index, source, incoming, raises=True)
    assert set(contents(index, ids(8))) == {"0", "1"}


def test_failed_documents_are_named_in_the_order_of_the_call(
    index: trivet.Index, source: Source, written: Written
) -> None:
    ingest(index, source, [Document("another text", "9", metadata={"length": 12})])
    names = [*ids(3), "bare 3", *ids(8, 4)]
    incoming = documents(names)
    incoming[10] = Document("", "10")

    def writes(batch: list[str]) -> None:
        if "5" in batch:
            raise InvalidDocumentError("refused")

    written.before = writes
    report = ingest(index, source, incoming)
    assert [(f.id, f.position) for f in report.failed] == [
        ("bare 3", 3), ("5", 5), ("9", 9), ("10", 10),
    ]  # fmt: skip
    assert isinstance(report.failed[2].error, DocumentExistsError)
    assert report.added == 8


@pytest.fixture
def obeys_ctrl_c() -> Iterator[None]:
    """A shell starts what runs in the background with Ctrl-C switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("obeys_ctrl_c")
@pytest.mark.parametrize("moment", ["embedding", "writing"])
def test_ctrl_c_stops_at_a_document_and_tells_what_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    threads = threading.enumerate()
    with make_index(tmp_path / "index") as index:
        source, told = Source(index._store), []
        written = Written(index._store, monkeypatch)

        def interrupt(batch: list[str]) -> None:
            if "9" in batch:
                os.kill(os.getpid(), signal.SIGINT)

        if moment == "embedding":
            source.before = interrupt
        else:
            written.before = interrupt
        with pytest.raises(KeyboardInterrupt):
            ingest(index, source, documents(ids(40)), told=told)
        assert set(threading.enumerate()) <= set(threads)
        stored = index.count()
        assert told[-1].added == stored
        # What was under way is finished; nothing is begun after it.
        assert stored in ((8,) if moment == "embedding" else (12, 16))
        require_clean(index)
        written.before = source.before = lambda batch: None
        assert ingest(index, source, documents(ids(40))).added == 40 - stored
        require_clean(index)


def test_an_error_of_the_stream_keeps_what_came_before(index: trivet.Index, source: Source) -> None:
    def stream() -> Iterator[Document]:
        yield from documents(ids(2 * PLAN_BATCH))
        raise RuntimeError("the file ends here")

    ingest(index, source, documents(ids(BATCH)))
    with pytest.raises(RuntimeError, match="ends here"):
        ingest(index, source, stream())
    assert index.count() == 2 * PLAN_BATCH
    require_clean(index)


def test_the_same_id_twice_in_a_stream_is_stored_once(index: trivet.Index, source: Source) -> None:
    twice = iter([*documents(ids(6)), *documents(ids(6))])
    report = ingest(index, source, twice)
    assert (report.added, report.skipped, index.count()) == (6, 6, 6)


@pytest.mark.parametrize("between", [0, 1, 2 * PLAN_BATCH])
def test_of_an_id_that_comes_twice_in_a_stream_the_last_stays(
    index: trivet.Index, source: Source, between: int
) -> None:
    first, other = Document("as it is stored", "a"), Document("another text", "a")
    assert ingest(index, source, [first]).added == 1
    report = ingest(index, source, iter([other, *documents(ids(between)), first]), replace=True)
    assert (report.replaced, report.skipped) == (2, 0)
    assert index.get(["a"]) == [first]
    again = ingest(index, source, iter([first, other, first, first]), replace=True)
    assert (again.replaced, again.skipped) == (2, 2)
    assert index.get(["a"]) == [first]
    require_clean(index)


def test_what_is_under_way_is_forgotten_when_it_is_written(
    index: trivet.Index, source: Source
) -> None:
    made = Ingest(
        index._store, source, replace_existing=True, raise_errors=False, batch_chunks=BATCH,
        progress=None, expected=None,
    )  # fmt: skip
    report = made.run(checked_documents(documents([*ids(1200), "bare"]), None, None))
    assert report.added == 1200
    assert len(made._underway) <= BATCH


def test_a_report_tells_the_rate_and_how_long_the_rest_takes(index: trivet.Index) -> None:
    half = IngestReport(added=30, skipped=20, elapsed_s=5.0, expected=80)
    assert (half.documents_per_s, half.remaining_s) == (10.0, 3.0)
    assert IngestReport(added=30, elapsed_s=5.0).remaining_s is None
    assert IngestReport(expected=80).remaining_s is None
    told: list[IngestReport] = []
    texts = [f"anchor {i}" for i in range(6)]
    index.upsert(texts, representations=vectors(texts), progress=told.append)
    assert [(report.expected, report.remaining_s) for report in told][-1] == (6, 0.0)
    unknown = index.upsert(iter(texts[:2]), representations=vectors(texts[:2]))
    assert unknown.expected == 2  # the vectors are counted, and so are the texts
