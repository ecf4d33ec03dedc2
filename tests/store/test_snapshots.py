"""A snapshot is an index at one moment, both collections or nothing, whatever a server does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from stored import FakeTime, contents, machine, write
from stub_server import StubServer, drop, refuse, stall
from waiting import until

import trivet
from trivet import ServerSettings, errors
from trivet.store.snapshots import ServerSnapshots

pytestmark = pytest.mark.loopback

MAKE_POINTS = "POST /collections/docs/snapshots"
MAKE_JOURNAL = "POST /collections/docs__journal/snapshots"
RECOVER = "PUT /collections/{}/snapshots/recover"
WHOLE = {"a": ["one 0", "one 1", "one 2"], "b": ["one 0"]}


@pytest.fixture
def server() -> Iterator[StubServer]:
    with StubServer() as server:
        with machine(server.url, "docs", time=FakeTime()) as store:
            store.write([write(store, "a", 3, "one"), write(store, "b", 1, "one")])
        yield server


def snapshots(server: StubServer, **settings: object) -> ServerSnapshots:
    chosen = ServerSettings(**{"retry_attempts": 3, "retry_s": 9.0, **settings})
    return ServerSnapshots(server.url, "docs", chosen, 60.0, FakeTime().timing)


def change(server: StubServer) -> None:
    with machine(server.url, "docs", time=FakeTime()) as store:
        store.write([write(store, "a", 1, "other"), write(store, "c", 2, "new")])
        store.delete(["b"])


def files(server: StubServer) -> list[str]:
    return [name for kept in server.snapshots.values() for name in kept]


def restored(server: StubServer, name: str) -> dict[str, list[str]]:
    with machine(server.url, name, time=FakeTime()) as store:
        return contents(store)


def test_a_snapshot_is_restored_beside_the_index(server: StubServer) -> None:
    with snapshots(server) as kept:
        taken = kept.take()
        change(server)
        kept.restore(taken.id, "copy")
        assert kept.all() == [taken]
    assert (taken.documents, taken.chunks) == (2, 4)
    assert taken.size_bytes > 0
    assert restored(server, "copy") == WHOLE
    assert restored(server, "docs") == {"a": ["other 0"], "c": ["new 0", "new 1"]}
    # Nobody is kept out by the writer that took it: it can be written to at once.
    with machine(server.url, "copy", time=FakeTime()) as store:
        store.write([write(store, "d", 1, "its own life")])
        assert contents(store).keys() == {"a", "b", "d"}


def test_a_lost_index_is_restored_in_its_place(server: StubServer) -> None:
    with snapshots(server) as kept:
        first = kept.take()
        change(server)
        kept._timing.sleep(1.0)
        second = kept.take()
        with pytest.raises(errors.StoreError, match="expected none of that name"):
            kept.restore(first.id, None)
        for collection in ("docs", "docs__journal"):
            server.local.delete_collection(collection)
        assert kept.all() == [first, second]
        kept.restore(first.id, None)
    assert restored(server, "docs") == WHOLE


def test_an_index_that_lost_its_points_is_restored_over_its_journal(server: StubServer) -> None:
    with snapshots(server) as kept:
        taken = kept.take()
        change(server)
        server.local.delete_collection("docs")
        kept.restore(taken.id, None)
    assert restored(server, "docs") == WHOLE


def test_the_journal_that_another_index_left_alone_is_not_overwritten(server: StubServer) -> None:
    with machine(server.url, "other", time=FakeTime()) as store:
        store.write([write(store, "kept", 1, "its points are gone")])
    server.local.delete_collection("other")
    with snapshots(server) as kept:
        taken = kept.take()
        with pytest.raises(errors.StoreError, match="what another index has written; delete it"):
            kept.restore(taken.id, "other")
        journal, _ = server.local.scroll("other__journal", with_payload=True)
        assert [p.payload["document"] for p in journal if "document" in p.payload] == ["kept"]
        assert not server.local.collection_exists("other")
        server.local.delete_collection("other__journal")
        kept.restore(taken.id, "other")
    assert restored(server, "other") == WHOLE


def test_a_snapshot_is_deleted_with_its_files(server: StubServer) -> None:
    with snapshots(server) as kept:
        first, second = kept.take(), kept.take()
        kept.delete(first.id)
        assert kept.all() == [second]
        assert set(files(server)) == {second.points, second.journal}
        for unknown in (first.id, "latest", ""):
            with pytest.raises(errors.NotAnIndexError, match="list them first"):
                kept.delete(unknown)
            with pytest.raises(errors.NotAnIndexError, match="list them first"):
                kept.restore(unknown, "copy")


def test_a_snapshot_that_lost_a_file_is_none(server: StubServer) -> None:
    with snapshots(server) as kept:
        taken = kept.take()
        del server.snapshots["docs__journal"][taken.journal]
        assert kept.all() == []
        with pytest.raises(errors.ServerRefusedError, match="snapshots_url"):
            kept.restore(taken.id, "copy")
        assert not server.local.collection_exists("copy")
        kept.delete(taken.id)
    assert files(server) == []


@pytest.mark.parametrize("name", ["", "a/b", "a b", 7])
def test_only_names_of_collections_are_restored_into(server: StubServer, name: str) -> None:
    with snapshots(server) as kept:
        taken = kept.take()
        with pytest.raises(errors.InvalidInputError, match="a collection's name"):
            kept.restore(taken.id, name)
        assert not any(route.endswith("recover") for route in server.routes)
    with pytest.raises(errors.InvalidInputError, match="a collection's name"):
        trivet.Snapshots(server.url, collection=name).all()


def test_files_that_a_server_cannot_delete_any_more_are_named(
    server: StubServer, caplog: pytest.LogCaptureFixture
) -> None:
    with snapshots(server) as kept:
        taken = kept.take()
        for collection in ("docs", "docs__journal"):
            server.local.delete_collection(collection)
        kept.delete(taken.id)
        assert kept.all() == []
    assert f"{taken.points} stays" in caplog.text
    assert f"{taken.journal} stays" in caplog.text


@pytest.mark.parametrize("route", [MAKE_POINTS, MAKE_JOURNAL])
def test_half_a_snapshot_is_none_and_leaves_nothing(server: StubServer, route: str) -> None:
    with snapshots(server) as kept:
        server.fail(route, refuse(500, "no space left"), times=10**6)
        with pytest.raises(errors.ServerUnavailableError, match="no space left"):
            kept.take()
        assert (kept.all(), files(server)) == ([], [])
        server.faults.clear()
        taken = kept.take()
        assert kept.all() == [taken]
    change(server)  # and no lock is left


@pytest.mark.parametrize(
    "effect", [refuse(503), drop(applied=False), drop(applied=True), refuse(429, Retry_After="1")]
)
def test_a_fault_of_every_third_request_is_overcome(server: StubServer, effect) -> None:
    for number in range(200):
        server.fail(".*", effect, after=3 * number)
    with snapshots(server) as kept:
        taken = kept.take()
        assert kept.all() == [taken]
        kept.restore(taken.id, "copy")
    assert len(files(server)) == 2  # none was made twice
    server.faults.clear()
    assert restored(server, "copy") == WHOLE


def test_a_server_that_makes_nothing_is_not_waited_for_for_ever(server: StubServer) -> None:
    def accept(request) -> None:
        request.reply(202, {"result": None, "status": "accepted", "time": 0})

    server.fail(MAKE_JOURNAL, accept)
    with snapshots(server) as kept, pytest.raises(errors.StoreError, match="within 60 s"):
        kept.take()
    assert files(server) == []


def test_a_restore_that_fails_leaves_nothing_to_open(server: StubServer) -> None:
    with snapshots(server) as kept:
        taken = kept.take()
        fault = server.fail(RECOVER.format("copy"), refuse(500, "broken pipe"), times=10**6)
        with pytest.raises(errors.ServerUnavailableError, match="broken pipe"):
            kept.restore(taken.id, "copy")
        assert not server.local.collection_exists("copy")
        with pytest.raises(errors.IndexDamagedError, match="restore that one from a snapshot"):
            restored(server, "copy")
        fault.times = 0
        kept.restore(taken.id, "copy")
    assert restored(server, "copy") == WHOLE


def test_a_file_that_was_changed_is_not_restored(server: StubServer) -> None:
    with snapshots(server) as kept:
        taken = kept.take()
        del server.snapshots["docs"][taken.points]["points"][0]
        with pytest.raises(errors.StoreError, match="got 3"):
            kept.restore(taken.id, "copy")
        assert not server.local.collection_exists("copy")


def test_writers_wait_until_both_files_are_there(server: StubServer) -> None:
    """What a writer does between the two files would be in one of them alone."""
    stop, counts = threading.Event(), list[str]()

    def add() -> None:
        with machine(server.url, "docs") as store:
            while not stop.is_set():
                new = f"new {len(counts)}"
                try:
                    store.write([write(store, new, 2, "new")])
                    counts.append(new)
                except errors.DocumentBusyError:
                    store.journal.wait([new])

    writer = threading.Thread(target=add)
    writer.start()
    server.fail(MAKE_JOURNAL, stall(0.3))
    try:
        until(lambda: len(counts) >= 2)
        with ServerSnapshots(server.url, "docs", ServerSettings(), 60.0) as kept:
            taken = [kept.take()]
            wanted = len(counts) + 2
            until(lambda: len(counts) >= wanted)
            taken.append(kept.take())
            for number, one in enumerate(taken):
                kept.restore(one.id, f"copy{number}")
    finally:
        stop.set()
        writer.join()
    for number, one in enumerate(taken):
        found = restored(server, f"copy{number}")  # journal and points agree
        assert len(found) == one.documents


def test_an_index_on_several_nodes_is_refused(server: StubServer) -> None:
    server.remote_shards = [{"shard_id": 1, "peer_id": 2, "state": "Active"}]
    with snapshots(server) as kept, pytest.raises(errors.InvalidInputError, match="node by node"):
        kept.take()


def test_an_index_that_contradicts_its_journal_is_refused(server: StubServer) -> None:
    point = server.local.scroll("docs", limit=1)[0][0].id
    server.local.delete("docs", [point])
    with snapshots(server) as kept, pytest.raises(errors.IndexDamagedError, match="got 3"):
        kept.take()
    assert files(server) == []


def test_a_key_that_is_no_index_has_no_snapshots(server: StubServer) -> None:
    other = trivet.Snapshots(server.url, collection="none")
    assert other.all() == []
    with pytest.raises(errors.NotAnIndexError, match="got none"):
        other.take()
    assert not server.local.collection_exists("none__journal")


def test_the_public_door(server: StubServer) -> None:
    kept = trivet.Snapshots(server.url, collection="docs")
    taken = kept.take()
    assert kept.all() == [taken]
    kept.restore(taken.id, into="copy")
    kept.delete(taken.id)
    assert kept.all() == []
    assert restored(server, "copy") == WHOLE
    for wrong in ("./folder", ":memory:", 5):
        with pytest.raises(errors.InvalidInputError, match=r"Index\.backup"):
            trivet.Snapshots(wrong)
    with pytest.raises(errors.InvalidInputError, match="timeout_s"):
        trivet.Snapshots(server.url, timeout_s=0)
    with pytest.raises(errors.InvalidInputError, match="ServerSettings"):
        trivet.Snapshots(server.url, server={"grpc": True})
    with pytest.raises(errors.UnknownKeywordError):
        trivet.Snapshots(server.url, name="docs")
