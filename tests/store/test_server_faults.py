"""Whatever a server does to single requests, every document is there whole and once, or told of."""

from __future__ import annotations

import pytest
from stored import FakeTime, contents, machine, write
from stub_server import Effect, StubServer, acknowledge, drop, refuse, stall

from trivet.errors import ServerRefusedError, ServerUnavailableError, StoreError
from trivet.store.store import Store

pytestmark = pytest.mark.loopback

LIMITS = {"retry_attempts": 4, "retry_s": 20.0}
PASSING: dict[str, Effect] = {
    "429": refuse(429, "slow down", Retry_After="2"),
    "429 without a word": refuse(429),
    "500": refuse(500),
    "503": refuse(503, "starting", Retry_After="1"),
    "dropped before": drop(applied=False),
    "dropped after": drop(applied=True),
}


@pytest.fixture
def server() -> StubServer:
    with StubServer() as server:
        yield server


def ingest(store: Store) -> None:
    """One of everything: inserts, a replacement that leaves chunks behind, a deletion."""
    store.write(
        [write(store, "a", 3, "one"), write(store, "b", 2, "one"), write(store, "c", 1, "one")]
    )
    store.write([write(store, "a", 1, "other"), write(store, "d", 1, "one")])
    store.delete(["c", "missing"])


WHOLE = {"a": ["other 0"], "b": ["one 0", "one 1"], "d": ["one 0"]}


def journal_kinds(server: StubServer) -> set[str]:
    records, _ = server.local.scroll("trivet__journal", limit=1000)
    return {record.payload["kind"] for record in records}


def requests_of_ingest() -> int:
    with StubServer() as server, machine(server.url, time=FakeTime()) as store:
        before = len(server.routes)
        ingest(store)
        return len(server.routes) - before


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_of_every_request_that_passes_is_overcome(server: StubServer, name: str) -> None:
    with machine(server.url, time=FakeTime(), **LIMITS) as store:
        # Every request fails once, and succeeds when it is sent again.
        for number in range(2 * requests_of_ingest()):
            server.fail(".*", PASSING[name], after=2 * number)
        started = len(server.routes)
        ingest(store)
        assert len(server.routes) - started >= 2 * requests_of_ingest()
        server.faults.clear()
        assert contents(store) == WHOLE
        assert journal_kinds(server) == {"document"}


def test_a_machine_that_dies_at_any_request_leaves_whole_documents() -> None:
    """From one answer on, nothing arrives any more; another machine goes on in its place."""
    seen = set()
    for request in range(requests_of_ingest()):
        with StubServer() as server:
            time = FakeTime()
            with machine(server.url, time=time, **LIMITS) as store:
                server.fail(".*", drop(applied=True), after=request)
                server.fail(".*", drop(applied=False), after=request, times=10**6)
                with pytest.raises(StoreError):
                    ingest(store)
                server.faults.clear()
            time.now += 3600
            with machine(server.url, time=time, **LIMITS) as other:
                found = contents(other)
                seen.add(tuple(sorted((id, *chunks) for id, chunks in found.items())))
                assert journal_kinds(server) <= {"document"}
                ingest(other)
                assert contents(other) == WHOLE
    a, b, c, d = (
        ("a", "one 0", "one 1", "one 2"),
        ("b", "one 0", "one 1"),
        ("c", "one 0"),
        ("d", "one 0"),
    )
    # Documents are whole, not batches: a replacement is finished where an insert is taken back.
    new = ("a", "other 0")
    assert seen == {(), (a, b, c), (new, b, c), (new, b, c, d), (new, b, d)}


@pytest.mark.parametrize("status", ["acknowledged", "wait_timeout"])
@pytest.mark.parametrize(
    "route", ["PUT .*/points", "POST .*/points/delete", "POST .*/points/payload"]
)
def test_what_is_taken_and_done_later_is_waited_for(
    server: StubServer, route: str, status: str
) -> None:
    with machine(server.url) as store:
        for after in range(2):
            server.fail(route, acknowledge(after_s=0.3, status=status), after=after)
        ingest(store)
        assert contents(store) == WHOLE
        assert journal_kinds(server) == {"document"}


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_what_is_taken_and_done_in_part_is_sent_again(server: StubServer, share: float) -> None:
    with machine(server.url, time=FakeTime(), **LIMITS) as store:
        for after in range(12):
            effect = acknowledge(after_s=0.0 if share else None, share=share)
            server.fail("(PUT .*/points|POST .*/points/delete)", effect, after=3 * after)
        ingest(store)
        assert contents(store) == WHOLE
        assert journal_kinds(server) == {"document"}


def test_what_is_taken_and_never_done_is_told(server: StubServer) -> None:
    with machine(server.url, time=FakeTime(), **LIMITS) as store:
        server.fail("PUT /collections/trivet/points", acknowledge(after_s=None), times=99)
        with pytest.raises(ServerUnavailableError, match="acknowledged and cannot be read back"):
            store.write([write(store, "a", 3, "one")])
        server.faults.clear()
        assert contents(store) == {}
        assert journal_kinds(server) == set()


def test_a_server_that_says_yes_and_forgets_is_found_out(server: StubServer) -> None:
    lie = acknowledge(after_s=None, status="completed")
    with machine(server.url, time=FakeTime(), **LIMITS) as store:
        server.fail("PUT /collections/trivet/points", lie)
        with pytest.raises(StoreError, match="does not give it back"):
            store.write([write(store, "a", 3, "one")])
        assert contents(store) == {}


def test_a_slow_write_is_halved(server: StubServer) -> None:
    server.fail("PUT /collections/trivet/points", stall(1.6), times=1)
    with machine(server.url, timeout_s=1) as store:
        store.write([write(store, str(n), 1, "one") for n in range(8)])
        assert len(contents(store)) == 8
    # Whole, and its halves; on a machine that takes a second for one of them, its halves as well.
    assert server.routes.count("PUT /collections/trivet/points") >= 3


def test_a_slow_answer_to_a_question_is_asked_for_again(server: StubServer) -> None:
    server.fail("POST .*/points/scroll", stall(1.6), times=1, after=1)
    with machine(server.url, timeout_s=1) as store:
        store.write([write(store, "a", 2, "one")])
        assert contents(store) == {"a": ["one 0", "one 1"]}


LIMIT_WORDS = "JSON payload (9000 bytes) is larger than allowed (limit: 3000 bytes)."


@pytest.mark.parametrize(
    "words", [refuse(413, "Request Entity Too Large"), refuse(400, LIMIT_WORDS)]
)
def test_a_batch_that_is_too_large_is_split(server: StubServer, words: Effect) -> None:
    with machine(server.url) as store:
        server.max_bytes, server.too_large = 3000, words
        store.write([write(store, str(n), 1, "one") for n in range(60)])
        server.max_bytes = None
        assert len(contents(store)) == 60


def test_a_document_that_is_too_large_alone_is_refused(server: StubServer) -> None:
    with machine(server.url) as store:
        server.max_bytes = 3000
        with pytest.raises(ServerRefusedError, match="413"):
            store.write([write(store, "a", 1, "long " * 1000)])
        assert contents(store) == {}


def test_no_request_is_much_larger_than_four_megabytes(server: StubServer) -> None:
    sizes: list[int] = []
    with machine(server.url) as store:
        real = server.serve
        server.serve = lambda request, headers: (
            sizes.append(request.size_bytes),
            real(request, headers),
        )
        store.write([write(store, str(n), 1, "long " * 100_000) for n in range(12)])
        store.write([write(store, "0", 600, "long " * 1_600)])
        assert len(contents(store)) == 12
    assert 2_000_000 < max(sizes) < 5_000_000


def test_a_refusal_is_not_repeated(server: StubServer) -> None:
    with machine(server.url, time=FakeTime()) as store:
        server.fail("PUT /collections/trivet/points", refuse(400, "Wrong input"), times=99)
        with pytest.raises(ServerRefusedError, match="400 Wrong input"):
            store.write([write(store, "a", 1, "one")])
        assert server.routes.count("PUT /collections/trivet/points") == 1


def test_garbled_answers_are_asked_again(server: StubServer) -> None:
    def garble(request: object) -> None:
        request.handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html>bad")
        request.handler.close_connection = True

    with machine(server.url, time=FakeTime(), **LIMITS) as store:
        server.fail("POST .*/points", garble, times=2)
        ingest(store)
        assert contents(store) == WHOLE
