"""Several machines write one index: no document is half written, lost or overwritten unseen."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from stored import FakeTime, Killed, contents, die_in, machine, write
from stub_server import StubServer, drop

from trivet.errors import DocumentBusyError, StoreError

pytestmark = pytest.mark.loopback

LIMITS = {"retry_attempts": 2, "retry_s": 5.0}


@pytest.fixture
def server() -> StubServer:
    with StubServer() as server:
        yield server


@pytest.mark.parametrize("verb", ["upsert", "retrieve", "delete"])
def test_another_machine_resumes_a_dead_writer_when_its_lease_is_over(
    server: StubServer, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = FakeTime()
    with machine(server.url, time=time) as dead, machine(server.url, time=time) as other:
        dead.write([write(dead, "a", 3, "old"), write(dead, "kept", 1, "old")])
        die_in(dead, verb, monkeypatch, after=True)
        with pytest.raises(Killed):
            dead.write([write(dead, "a", 1, "newer"), write(dead, "b", 2, "newer")])
        # Nobody else may touch the two documents now; all others may be written.
        assert other.recover() == 0
        with pytest.raises(DocumentBusyError) as caught:
            other.write([write(other, "b", 1, "mine"), write(other, "c", 1, "mine")])
        assert caught.value.documents == {"b"}
        assert "until 2001-09-09" in str(caught.value)
        other.write([write(other, "c", 1, "mine")])
        time.now += dead.journal._writer.lease_s + 1
        assert other.recover() == 2
        assert contents(other) == {"a": ["newer 0"], "kept": ["old 0"], "c": ["mine 0"]}
        other.write([write(other, "b", 1, "mine")])
        assert contents(other)["b"] == ["mine 0"]


def test_a_deletion_of_a_dead_writer_is_finished(
    server: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = FakeTime()
    with machine(server.url, time=time) as dead, machine(server.url, time=time) as other:
        dead.write([write(dead, "a", 3, "old"), write(dead, "b", 1, "old")])
        die_in(dead, "delete", monkeypatch)
        with pytest.raises(Killed):
            dead.delete(["a"])
        time.now += 3600
        assert other.recover() == 1
        assert contents(other) == {"b": ["old 0"]}


def test_a_writer_that_wakes_up_too_late_writes_nothing(server: StubServer) -> None:
    time = FakeTime()
    with machine(server.url, time=time) as slow, machine(server.url, time=time) as other:
        slow.write([write(slow, "a", 2, "old")])
        planned = [write(slow, "a", 1, "newer"), write(slow, "b", 1, "newer")]
        read_back = slow.engine.retrieve

        def sleeping(*args: object, **options: object) -> object:
            found = read_back(*args, **options)
            time.now += 3600
            assert other.recover() == 2
            other.write([write(other, "b", 1, "mine")])
            return found

        slow.engine.retrieve = sleeping
        with pytest.raises(StoreError, match="taken over by another writer"):
            slow.write(planned)
        slow.engine.retrieve = read_back
        # The replacement was finished by the other from the journal, the insert taken back.
        assert contents(other) == {"a": ["newer 0"], "b": ["mine 0"]}


def test_a_long_write_keeps_its_documents(server: StubServer) -> None:
    time = FakeTime()
    with machine(server.url, time=time) as long, machine(server.url, time=time) as other:
        upsert = long.engine.upsert

        def slow(points: object) -> None:
            time.now += 0.6 * long.journal._writer.lease_s
            assert other.recover() == 0
            upsert(points)

        long.engine.upsert = slow
        long.write([write(long, "a", 1000, "long")])
        assert len(contents(other)["a"]) == 1000


def test_of_two_machines_that_write_one_document_one_is_told(server: StubServer) -> None:
    with machine(server.url) as one, machine(server.url) as two:
        first, second = write(one, "a", 1, "one"), write(two, "a", 2, "two")
        one.write([first])
        with pytest.raises(DocumentBusyError, match="changed by another writer") as caught:
            two.write([second, write(two, "b", 1, "two")])
        assert caught.value.documents == {"a"}
        assert contents(two) == {"a": ["one 0"]}
        # Planned anew, it is a replacement.
        two.write([write(two, "a", 2, "two")])
        assert contents(one) == {"a": ["two 0", "two 1"]}
        stale = write(one, "a", 1, "three")
        two.delete(["a"])
        with pytest.raises(DocumentBusyError):
            one.write([stale])
        assert contents(one) == {}


def test_many_machines_write_the_same_documents_at_once(server: StubServer) -> None:
    """Each adds, replaces and deletes the same few documents until all of its turns are done."""
    told, planned = [], threading.Barrier(4)

    def work(number: int) -> None:
        with machine(server.url) as store:
            first = [write(store, str(n), 1, f"{number}") for n in range(3)]
            planned.wait()  # all mean to add the same three: all but one are told
            try:
                store.write(first)
            except DocumentBusyError as error:
                told.append(error)
            for turn in range(6):
                try:
                    if turn % 3 == 2:
                        store.delete([str(number % 2)])
                    store.write(
                        [write(store, str(n), 1 + (turn + n) % 3, f"{number}") for n in range(3)]
                    )
                except DocumentBusyError as error:  # noqa: PERF203
                    told.append(error)

    with machine(server.url):
        pass
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert told
    with machine(server.url) as store:
        for id, chunks in contents(store).items():
            assert {chunk.split()[0] for chunk in chunks} < set("0123"), id
        kinds = {r.payload["kind"] for r in server.local.scroll("trivet__journal", limit=999)[0]}
        assert kinds <= {"document"}


def test_reading_during_a_foreign_write_waits_for_it(server: StubServer) -> None:
    with machine(server.url) as writer, machine(server.url) as reader:
        writer.write([write(writer, "a", 3, "old")])
        upserted, seen = threading.Event(), []
        upsert = writer.engine.upsert

        def slow(points: object) -> None:
            upsert(points)
            upserted.set()
            threading.Event().wait(0.3)

        writer.engine.upsert = slow
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(writer.write, [write(writer, "a", 2, "newer")])
            upserted.wait()
            seen.append([chunk.text for chunk in reader.chunks(["a"])["a"]])
            writing.result()
        assert seen == [["newer 0", "newer 1"]]


def test_a_replacement_of_many_megabytes_is_finished_from_its_pieces(
    server: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = FakeTime()
    monkeypatch.setattr("trivet.store.server_redo.PIECE_BYTES", 1000)
    with machine(server.url, time=time) as dead, machine(server.url, time=time) as other:
        dead.write([write(dead, "a", 40, "old")])
        die_in(dead, "upsert", monkeypatch)
        with pytest.raises(Killed):
            dead.write([write(dead, "a", 50, "newer")])
        assert server.local.count("trivet__journal").count > 20
        time.now += 3600
        assert other.recover() == 1
        assert len(contents(other)["a"]) == 50
        assert server.local.count("trivet__journal").count == 1


def test_pieces_that_belong_to_nothing_are_swept_away(server: StubServer) -> None:
    time = FakeTime()
    with machine(server.url, time=time, **LIMITS) as dead:
        dead.write([write(dead, "a", 2, "old")])
        # It dies between the pieces and the entry that they belong to.
        server.fail("PUT .*__journal/points", drop(applied=True), after=0)
        server.fail(".*", drop(applied=False), after=0, times=10**6)
        with pytest.raises(StoreError):
            dead.write([write(dead, "a", 1, "newer")])
        server.faults.clear()
    assert server.local.count("trivet__journal").count in (1, 2)
    time.now += 24 * 3600
    with machine(server.url, time=time) as other:
        assert contents(other) == {"a": ["old 0", "old 1"]}
        assert server.local.count("trivet__journal").count == 1


def test_waiting_for_a_writer_whose_clock_is_wrong_ends(
    server: StubServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ahead, time = FakeTime(1e9 + 1e6), FakeTime()
    with machine(server.url, time=ahead) as dead, machine(server.url, time=time) as other:
        dead.write([write(dead, "a", 1, "old")])
        die_in(dead, "delete", monkeypatch)
        with pytest.raises(Killed):
            dead.delete(["a"])
        with pytest.raises(DocumentBusyError, match="until 2001-09-20"):
            other.delete(["a"])
        assert time.now - 1e9 < 3 * other.journal._writer.lease_s
        # A wait of more than a moment is told, once.
        assert caplog.text.count(f"held by writer {dead.journal._writer.name}") == 1


def test_a_deletion_waits_for_the_other_writer(server: StubServer) -> None:
    with machine(server.url) as one, machine(server.url) as two, ThreadPoolExecutor(1) as pool:
        one.write([write(one, "a", 2, "text")])
        begin, deletions = one.journal.begin, []

        def begun(entries: object) -> None:
            begin(entries)
            deletions.append(pool.submit(two.delete, ["a"]))
            threading.Event().wait(0.3)

        one.journal.begin = begun
        one.write([write(one, "a", 1, "newer")])
        assert deletions[0].result() == 1
        assert contents(two) == {}
