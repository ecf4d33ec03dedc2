"""A server is reached as it was asked for, and what is wrong with it is told at once."""

from __future__ import annotations

import logging

import pytest
from pydantic import ValidationError
from qdrant_client import models
from stored import FakeTime, machine, manifest, write
from stub_server import StubServer, refuse

from trivet import ServerSettings
from trivet.errors import (
    IndexClosedError,
    InsecureConnectionError,
    InvalidInputError,
    ServerTooOldError,
    ServerUnavailableError,
    StoreError,
)
from trivet.plan import PRESETS, best_plan
from trivet.store.connection import check_url, connect
from trivet.store.store import Store

pytestmark = pytest.mark.loopback
KEY = "hush-a-secret"


@pytest.fixture
def server() -> StubServer:
    with StubServer() as server:
        yield server


@pytest.mark.parametrize(
    "url",
    [
        "http://qdrant:6333",
        "http://10.0.0.5:6333",
        "http://localhost.example.com",
        "http://[2001:db8::1]",
    ],
)
def test_a_key_is_refused_over_plain_http_to_another_host(url: str) -> None:
    with pytest.raises(InsecureConnectionError, match="use https") as caught:
        check_url(url, ServerSettings(api_key=KEY))
    assert KEY not in str(caught.value)
    check_url(url, ServerSettings(api_key=KEY, allow_insecure=True))
    check_url(url, ServerSettings())
    check_url(url.replace("http:", "https:"), ServerSettings(api_key=KEY))


@pytest.mark.parametrize(
    "key", ["hush\n", " hush", "", "hush-\N{GREEK SMALL LETTER ALPHA}", "hush\x00"]
)
def test_a_key_that_cannot_be_a_header_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(InvalidInputError, match="expected an API key") as caught:
        check_url("https://qdrant:6333", ServerSettings(api_key=key))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1:6333", "[::1]:6333"])
def test_this_host_may_have_the_key(host: str) -> None:
    check_url(f"http://{host}", ServerSettings(api_key=KEY))


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{KEY}@qdrant:6333",
        f"https://{KEY}@qdrant:6333",
        f"https://qdrant:6333?api-key={KEY}",
        f"https://qdrant:6333#{KEY}",
        "http://",
        "http://host:port",
    ],
)
def test_a_url_with_too_much_or_too_little_in_it_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_url(url, ServerSettings())
    assert KEY not in str(caught.value)


def test_the_key_is_shown_nowhere(
    server: StubServer, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    server.api_key = KEY
    settings = ServerSettings(api_key=KEY, retry_attempts=2)
    assert KEY not in repr(settings) + str(settings) + settings.model_dump_json()
    with (
        caplog.at_level(logging.DEBUG),
        machine(server.url, time=FakeTime(), api_key=KEY, retry_attempts=2) as store,
    ):
        store.write([write(store, "a", 2, "text")])
        server.fail("POST .*/count", refuse(500), times=99)
        with pytest.raises(ServerUnavailableError) as caught:
            store.engine.count()
        shown = [
            caught.value,
            caught.value.__cause__,
            store,
            store.engine,
            store.journal,
            vars(store.engine),
        ]
        assert KEY not in " ".join(map(repr, shown)) + str(caught.value)
    assert KEY not in caplog.text
    assert len(caplog.records) > 10
    assert list(recwarn) == []
    assert {headers.get("api-key") for headers in server.headers} == {KEY}


def test_a_missing_key_is_named(server: StubServer) -> None:
    server.api_key = KEY
    with (
        pytest.raises(StoreError, match=r"401.*ServerSettings\(api_key="),
        machine(server.url, time=FakeTime()),
    ):
        pass


@pytest.mark.parametrize("version", ["1.16.3", "1.9.0", "0.11.0"])
def test_an_older_server_is_refused_by_name(version: str) -> None:
    with StubServer(version) as server:
        with pytest.raises(ServerTooOldError, match=rf"1\.17 or later, got {version}"):
            connect(server.url, ServerSettings(), FakeTime().timing)
        assert set(server.routes) == {"GET /"}


@pytest.mark.parametrize(
    ("version", "adds"), [("1.17.0", False), ("1.18.0-dev", True), ("2.0.1", True)]
)
def test_what_a_server_can_do_is_asked_once(version: str, adds: bool) -> None:
    with StubServer(version) as server:
        connection = connect(server.url, ServerSettings(), FakeTime().timing)
        assert connection.adds_vectors == adds
        assert connection.adds_vectors == adds
        connection.close()
        assert server.routes == ["GET /"]


def test_something_else_than_qdrant_is_told(server: StubServer) -> None:
    server.version = "latest"
    with pytest.raises(StoreError, match="a version of Qdrant such as"):
        connect(server.url, ServerSettings(), FakeTime().timing)


def test_an_address_where_nobody_answers_is_told_soon() -> None:
    with StubServer() as server:
        url = server.url
    time = FakeTime()
    with pytest.raises(ServerUnavailableError, match=f"did not answer at {url}"):
        connect(url, ServerSettings(), time.timing)
    assert time.now - 1e9 < 5


def test_a_closed_connection_says_so(server: StubServer) -> None:
    connection = connect(server.url, ServerSettings(), FakeTime().timing)
    connection.close()
    connection.close()
    with pytest.raises(IndexClosedError, match="open it again"):
        connection.call("look", lambda client: client.get_collections())


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout_s": 0},
        {"shards": 0},
        {"grpc_port": 70_000},
        {"consistency": "some"},
        {"retries": 3},
    ],
)
def test_settings_are_checked(settings: dict) -> None:
    with pytest.raises(ValidationError):
        ServerSettings(**settings)


def created(server: StubServer, name: str) -> tuple:
    params = server.params[name]
    return tuple(
        params[k] for k in ("shard_number", "replication_factor", "write_consistency_factor")
    )


def test_shards_and_copies_are_passed_on(server: StubServer) -> None:
    with machine(server.url, "plain"):
        assert created(server, "plain") == (1, 1, 1)
    with machine(server.url, "spread", shards=6, replication=3):
        # More than half of the copies hold what counts as written.
        assert created(server, "spread") == (6, 3, 2)
        # One order of all conditional writes: one shard.
        assert created(server, "spread__journal") == (1, 3, 2)
    with machine(server.url, "asked", replication=2, write_consistency=1):
        assert created(server, "asked") == (1, 2, 1)


def reads(server: StubServer) -> dict[str, set[str | None]]:
    """What was asked of replicas, for each kind of reading."""
    found: dict[str, set[str | None]] = {}
    for route, query in server.queries:
        kind = route.rpartition("/")[2]
        if route.startswith("POST") and kind in ("points", "scroll", "batch"):
            found.setdefault(kind, set()).add(query.get("consistency"))
    return found


def use(store: Store) -> None:
    store.write([write(store, "a", 1, "text")])
    vector = models.NearestQuery(nearest=[1.0, 0.0, 0.0, 0.0])
    name = store.manifest.spaces["dense"].vector_name
    store.query([models.QueryRequest(query=vector, using=name, limit=1)])


@pytest.mark.parametrize("consistency", ["majority", "quorum", "all", 2])
def test_consistency_is_passed_on(server: StubServer, consistency: str | int) -> None:
    with machine(server.url, consistency=consistency) as store:
        use(store)
    assert reads(server) == {kind: {str(consistency)} for kind in ("points", "scroll", "batch")}


def test_what_was_written_to_copies_is_read_back_from_most_of_them(server: StubServer) -> None:
    with machine(server.url, replication=3) as store:
        use(store)
    # A search is not a proof: it asks one copy, as the server does by default.
    assert reads(server) == {"points": {"majority"}, "scroll": {"majority"}, "batch": {None}}
    writes = [(route, query["ordering"]) for route, query in server.queries if "ordering" in query]
    assert {order for route, order in writes if "__journal/" in route} == {"strong"}
    assert {order for route, order in writes if "__journal/" not in route} == {"medium"}


def test_grpc_is_spoken_where_it_is_asked_for() -> None:
    """Without a server: what would be sent can be said in gRPC."""
    from qdrant_client.conversions.conversion import RestToGrpc

    from trivet.store.client_models import point_struct, vector_name_config
    from trivet.store.leg_query import LegQuery
    from trivet.store.request import PlannedQuery

    store_manifest = manifest()
    dense, sparse = store_manifest.spaces["dense"], store_manifest.spaces["sparse"]

    class Unwritten:
        entries = staticmethod(lambda ids: {})

    class Fake:
        journal, manifest = Unwritten, store_manifest

    (document,) = [write(Fake, "a", 1, "text")]
    point = document.points[0]
    sent = RestToGrpc.convert_point_struct(point_struct(point))
    assert sorted(sent.vectors.vectors.vectors) == sorted([dense.vector_name, sparse.vector_name])
    legs = {
        space.mode: LegQuery(space.mode, space.vector_name, point.vectors[space.vector_name])
        for space in (dense, sparse)
    }
    for plan in (best_plan(("dense", "sparse"), depth=9), PRESETS["rrf"], PRESETS["dbsf"]):
        for request in PlannedQuery(plan, legs, 3, None).requests():
            asked = RestToGrpc.convert_query_request(request, "collection")
            assert asked.limit in (3, 18, 200)
    assert vector_name_config(dense).dense.size == 4
