"""An index on a server: opened by its URL, written by several machines, and honest about faults."""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from forked import Writer
from stored import FakeTime
from stub_server import StubServer, drop, refuse

import trivet
from trivet import Document, ServerSettings, errors
from trivet.index.shared import Shared
from trivet.store.connecting import ServerIndex

pytestmark = pytest.mark.loopback

POINTS = "PUT /collections/docs/points"


@pytest.fixture
def server() -> Iterator[StubServer]:
    with StubServer() as server:
        yield server


@pytest.fixture
def machine(
    server: StubServer, tiny_embedder: trivet.Embedder
) -> Iterator[Callable[..., trivet.Index]]:
    """Opens the index "docs" as one of several machines, in time that the test makes."""
    opened: list[trivet.Index] = []

    def open_it(
        time: FakeTime | None = None, batch_chunks: int = 4, **settings: object
    ) -> trivet.Index:
        two = ["dense", "sparse"]
        trivet.open(server.url, collection="docs", model=tiny_embedder, modes=two).close()
        timing = None if time is None else time.timing
        place = ServerIndex(server.url, "docs", ServerSettings(**settings), timing)
        chosen = trivet.Settings(batch_chunks=batch_chunks)
        opened.append(
            trivet.Index(
                Shared(place.location, place.open(), lambda: tiny_embedder.only(("dense",)), chosen)
            )
        )
        return opened[-1]

    yield open_it
    for index in opened:
        index.close()


def texts(n: int) -> list[str]:
    return [f"anchor {i} sail wind" for i in range(n)]


def ids(n: int) -> list[str]:
    return [str(i) for i in range(n)]


def assert_whole(index: trivet.Index, count: int) -> None:
    info = index.describe()
    assert (info.documents, index.count()) == (count, count)
    assert info.chunks == index._store.engine.count()
    stored = index.get(ids(count))
    assert [document.text for document in stored] == texts(count)


def test_an_index_is_opened_as_it_was_made(
    server: StubServer, tiny_embedder: trivet.Embedder, tiny_model_other: Path
) -> None:
    with trivet.open(server.url, model=tiny_embedder) as index:
        index.add(texts(3), ids=ids(3))
        assert repr(index) == f"Index('{server.url}/collections/trivet')"
    with trivet.open(f"{server.url}/", server=ServerSettings(timeout_s=5)) as index:
        assert_whole(index, 3)
        assert index.search("anchor 2", k=1)[0].id == "2"
        info = index.describe()
        assert info.engine == "qdrant 1.19.0 on a server"
        assert info.size_bytes == 0
    with pytest.raises(errors.SpaceMismatchError, match="weights"):
        trivet.open(server.url, model=tiny_model_other)
    with pytest.raises(errors.SpaceMismatchError, match="modes"):
        trivet.open(server.url, modes=["dense"])
    with trivet.open(server.url, collection="other", model=tiny_model_other) as other:
        assert other.count() == 0


def test_server_settings_are_for_servers(tmp_path: Path, server: StubServer) -> None:
    with pytest.raises(errors.InvalidInputError, match="no server settings"):
        trivet.open(tmp_path / "new", server=ServerSettings())
    with pytest.raises(errors.InvalidInputError, match=r"trivet\.ServerSettings, got dict"):
        trivet.open(server.url, server={"timeout_s": 3})
    with pytest.raises(errors.InsecureConnectionError):
        trivet.open("http://qdrant:6333", server=ServerSettings(api_key="hush"))
    assert not (tmp_path / "new").exists()


def test_a_model_that_cannot_be_found_makes_no_collection(
    server: StubServer, tmp_path: Path
) -> None:
    with pytest.raises(errors.ModelNotFoundError):
        trivet.open(server.url, model=tmp_path / "no model")
    assert server.local.get_collections().collections == []


def test_declared_indexes_are_made_wherever_the_index_is(
    open_index: Callable[..., trivet.Index],
) -> None:
    index = open_index(indexes={"year": "integer", "team": "tenant"})
    index.add(texts(4), ids=ids(4), metadatas=[{"year": 1990 + i, "team": "a"} for i in range(4)])
    hits = index.search("anchor", k=9, filter={"year": {"gte": 1992}, "team": "a"})
    assert {hit.id for hit in hits} == {"2", "3"}
    assert index._store.manifest.indexes == {"year": "integer", "team": "tenant"}
    for wrong in ({"year": "number"}, ["year"], {"": "integer"}):
        with pytest.raises(errors.InvalidInputError):
            open_index(indexes=wrong)


def test_a_short_outage_costs_nothing(
    server: StubServer, machine: Callable[..., trivet.Index]
) -> None:
    index = machine(FakeTime())
    server.fail(POINTS, refuse(503, Retry_After="20"), times=2, after=1)
    server.fail(".*", drop(applied=True), times=3, after=60)
    report = index.add(texts(20), ids=ids(20))
    assert (report.added, report.failed) == (20, ())
    assert_whole(index, 20)


def test_an_outage_costs_one_batch_and_tells_which(
    server: StubServer, machine: Callable[..., trivet.Index]
) -> None:
    index = machine(FakeTime(), retry_attempts=3)
    server.fail(POINTS, refuse(503), times=3, after=1)
    report = index.add(texts(12), ids=ids(12))
    assert report.added == 8
    assert [failed.id for failed in report.failed] == ["4", "5", "6", "7"]
    assert all(isinstance(f.error, errors.ServerUnavailableError) for f in report.failed)
    assert index.count() == 8
    again = index.add(texts(12), ids=ids(12))
    assert (again.added, again.skipped, again.failed) == (4, 8, ())
    assert_whole(index, 12)


def test_a_server_that_stays_away_stops_the_call(
    server: StubServer, machine: Callable[..., trivet.Index]
) -> None:
    index = machine(FakeTime(), retry_attempts=3)
    server.fail(POINTS, refuse(503), times=10**6, after=1)
    told: list[trivet.IngestReport] = []
    with pytest.raises(errors.ServerUnavailableError, match="503"):
        index.add(texts(40), ids=ids(40), progress=told.append)
    assert told[-1].added == 4
    assert [failed.id for failed in told[-1].failed] == ids(12)[4:]
    server.faults.clear()
    assert index.count() == 4
    assert index.add(texts(40), ids=ids(40)).added == 36
    assert_whole(index, 40)


def test_one_document_that_the_server_refuses_fails_alone(
    server: StubServer, machine: Callable[..., trivet.Index]
) -> None:
    def poisoned(request: object) -> None:
        bad = "poison" in str(request.body)
        request.reply(400, {"status": {"error": "Wrong input"}}) if bad else request.reply(
            *request.result()
        )

    index = machine(FakeTime())
    server.fail(POINTS, poisoned, times=10**6)
    documents = [*texts(5), "poison", *texts(9)[5:]]
    report = index.add(documents)
    assert report.added == 9
    (failed,) = report.failed
    assert failed.position == 5
    assert isinstance(failed.error, errors.ServerRefusedError)
    assert index.count() == 9
    with pytest.raises(errors.ServerRefusedError):
        index.upsert([Document("more poison", "x")], on_error="raise")


def test_access_that_is_lost_stops_the_call(
    server: StubServer, machine: Callable[..., trivet.Index]
) -> None:
    index = machine(FakeTime())
    index.add(texts(4), ids=ids(4))
    server.fail(".*", refuse(403, "Forbidden"), times=10**6)
    with pytest.raises(errors.StoreError, match="403 Forbidden"):
        index.add(texts(40), ids=ids(40))
    server.faults.clear()
    assert_whole(index, 4)


def test_machines_that_add_the_same_documents_at_once_store_each_once(
    machine: Callable[..., trivet.Index],
) -> None:
    indexes = [machine() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda index: index.add(texts(60), ids=ids(60)), indexes))
    assert [report.failed for report in reports] == [(), (), ()]
    assert sum(report.added for report in reports) == 60
    assert sum(report.skipped for report in reports) == 120
    assert_whole(indexes[0], 60)


def average(index: trivet.Index) -> float:
    return index._store.manifest.lexical.average_tokens


def test_a_search_follows_a_weighting_of_another_machine(
    server: StubServer, machine: Callable[..., trivet.Index]
) -> None:
    one, two = machine(batch_chunks=64), machine(batch_chunks=64)
    one.add(["anchor sail wind wave"], ids=["first"])
    assert two.search("wave", modes=["sparse"])[0].id == "first"
    before = average(two)
    one.add([f"anchor sail{i}" for i in range(9)])
    assert average(one) != before == average(two)
    (hit,) = two.search("wave", modes=["sparse"])
    assert average(two) == average(one)
    assert hit.score == pytest.approx(one.search("wave", modes=["sparse"])[0].score)
    # And so does what it adds: nothing is stored with weights of before.
    one.add([f"storm{i} " * 6 for i in range(20)])
    stale = average(two)
    assert two.add(["rope mast deck"], ids=["last"]).added == 1
    assert average(two) != stale
    assert [hit.id for hit in one.search("mast", modes=["sparse"])] == ["last"]


def test_a_server_of_1_17_serves_all_but_a_new_weighting(
    tiny_embedder: trivet.Embedder, caplog: pytest.LogCaptureFixture
) -> None:
    with StubServer("1.17.1") as server, trivet.open(server.url, model=tiny_embedder) as index:
        assert index.add([f"anchor sail{i}" for i in range(5)], ids=ids(5)).failed == ()
        # The average length is that of the first batch ...
        assert average(index) == 2.0
        with caplog.at_level(logging.WARNING):
            assert index.add([f"storm{i} rope " * 6 for i in range(20)]).added == 20
        # ... and stays, with a word to the one who can update the server.
        assert average(index) == 2.0
        assert re.search("average length of 2 words where it is 10.*1.18", caplog.text)
        assert index.upsert(["one new anchor"], ids=["0"]).replaced == 1
        assert index.delete(["1"]) == 1
        assert [hit.id for hit in index.search("new", k=1)] == ["0"]
        assert_counts(index, 24)
        caplog.clear()
        index.add(["one more"])
        assert caplog.text == ""
    with StubServer("1.16.3") as server, pytest.raises(errors.ServerTooOldError, match=r"1\.17"):
        trivet.open(server.url, model=tiny_embedder)


def assert_counts(index: trivet.Index, count: int) -> None:
    assert index.count() == index.describe().chunks == index._store.engine.count() == count


@pytest.mark.slow
@pytest.mark.parametrize("request_number", [25, 60, 93, 140])
def test_a_process_that_is_killed_loses_nothing_that_it_reported(
    server: StubServer,
    machine: Callable[..., trivet.Index],
    tiny_model: Path,
    request_number: int,
) -> None:
    opened = {"collection": "docs", "model": str(tiny_model), "modes": ["dense", "sparse"]}
    writer = Writer(server.url, texts(80), 8, **opened)
    server.fail(".*", lambda request: writer.process.kill(), after=request_number)
    writer.start()
    reported = writer.committed()
    assert writer.process.exitcode == -signal.SIGKILL
    server.faults.clear()
    index = machine(FakeTime(2e9))  # long after the lease is over
    assert index.count() >= reported
    assert_whole(index, index.count())
    assert index.add(texts(80), ids=ids(80)).failed == ()
    assert_whole(index, 80)
