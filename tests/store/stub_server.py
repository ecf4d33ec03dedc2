"""A Qdrant server in miniature: real HTTP on 127.0.0.1, answered by qdrant-client's local mode.

It speaks the REST routes that Trivet uses and can be told to fail on any of them. Where it is
known to differ from a real server, a comment that begins with "Gap:" says so.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from qdrant_client import models
from qdrant_client.local.qdrant_local import QdrantLocal

VERSION = "1.19.0"
COMPLETED = {"operation_id": 1, "status": "completed"}


class StubError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Request:
    """One request, and the means to answer it."""

    server: StubServer
    route: str
    query: dict[str, str]
    body: Any
    size_bytes: int
    handler: BaseHTTPRequestHandler

    def result(self) -> tuple[int, dict[str, Any]]:
        """Do what is asked for; status and body of the answer."""
        try:
            return 200, {"result": self.server.answer(self), "status": "ok", "time": 0.0}
        except StubError as error:
            return error.status, {"status": {"error": str(error)}, "time": 0.0}
        except (KeyError, ValueError) as error:
            is_missing = isinstance(error, KeyError) or re.search(
                "Collection .* not found", str(error)
            )
            status = 404 if is_missing else 400
            return status, {"status": {"error": f"Wrong input: {error}"}, "time": 0.0}

    def reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """Send an answer."""
        content = json.dumps(body).encode()
        try:
            self.handler.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.handler.send_header(name, value)
            self.handler.send_header("Content-Length", str(len(content)))
            self.handler.end_headers()
            self.handler.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has given up
        self.handler.close_connection = True

    def drop(self) -> None:
        """Close the connection without an answer."""
        self.handler.close_connection = True
        self.handler.connection.close()


Effect = Callable[[Request], None]


@dataclass
class Fault:
    """What happens to requests whose "METHOD /path" matches, `times` times after `after` others."""

    route: str
    effect: Effect
    times: int = 1
    after: int = 0
    seen: int = field(default=0, init=False)

    def takes(self, request: Request) -> bool:
        if not re.fullmatch(self.route, request.route):
            return False
        self.seen += 1
        return self.after < self.seen <= self.after + self.times


def refuse(status: int, message: str = "refused", **headers: str) -> Effect:
    """Answer an error; nothing is done."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: request.reply(status, {"status": {"error": message}}, named)


def drop(*, applied: bool) -> Effect:
    """Close the connection, with the work done or not."""

    def effect(request: Request) -> None:
        if applied:
            request.result()
        request.drop()

    return effect


def stall(seconds: float) -> Effect:
    """Do the work, and answer when the client may have gone."""

    def effect(request: Request) -> None:
        answer = request.result()
        time.sleep(seconds)
        request.reply(*answer)

    return effect


def acknowledge(
    *, after_s: float | None, share: float = 1.0, status: str = "acknowledged"
) -> Effect:
    """Answer at once; do the work on a share of the points later, or (None) never."""

    def effect(request: Request) -> None:
        points = request.body.get("points")
        if isinstance(points, list):
            request.body["points"] = points[: round(share * len(points))]
        if after_s is not None and (points is None or request.body["points"]):
            timer = threading.Timer(after_s, request.result)
            request.server.timers.append(timer)
            timer.start()
        request.reply(200, {"result": {**COMPLETED, "status": status}, "status": "ok", "time": 0})

    return effect


class StubServer:
    """The server; a context manager. `url` is where it listens."""

    def __init__(self, version: str = VERSION) -> None:
        self.version = version
        self.api_key: str | None = None
        self.max_bytes: int | None = None
        # What a real server says of a request beyond its limit; a proxy before it says 413.
        self.too_large = refuse(413, "Request Entity Too Large")
        # What a client of ":memory:" asks; each client costs a tenth of a second to make.
        self.local = QdrantLocal(":memory:")
        self.indexes: dict[str, dict[str, Any]] = {}
        self.params: dict[str, dict[str, Any]] = {}
        self.snapshots: dict[str, dict[str, Any]] = {}
        self.remote_shards: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.timers: list[threading.Timer] = []
        self.routes: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.queries: list[tuple[str, dict[str, str]]] = []
        self._lock = threading.RLock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> StubServer:
        return self

    def __exit__(self, *_: object) -> None:
        for timer in self.timers:
            timer.cancel()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self.local.close()

    def fail(self, route: str, effect: Effect, *, times: int = 1, after: int = 0) -> Fault:
        """From now on, let requests of a route fail."""
        self.faults.append(Fault(route, effect, times, after))
        return self.faults[-1]

    def serve(self, request: Request, headers: dict[str, str]) -> None:
        with self._lock:
            self.routes.append(request.route)
            self.headers.append(headers)
            self.queries.append((request.route, request.query))
            # Every fault counts every request, whichever fault takes it.
            taking = [fault for fault in self.faults if fault.takes(request)]
        if self.api_key is not None and headers.get("api-key") != self.api_key:
            request.reply(401, {"status": {"error": "Must provide an API key"}})
        elif taking:
            taking[0].effect(request)
        elif self.max_bytes is not None and request.size_bytes > self.max_bytes:
            self.too_large(request)
        else:
            request.reply(*request.result())

    def answer(self, request: Request) -> Any:
        for pattern, function in ROUTES:
            match = re.fullmatch(pattern, request.route)
            if match:
                with self._lock, warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # local mode says what it leaves out
                    names = [unquote(part) for part in match.groups()]
                    # An alias stands for its collection in every route.
                    names[:1] = [self.local.aliases.get(name, name) for name in names[:1]]
                    return function(self, request, *names)
        raise StubError(404, f"no route {request.route}")

    @property
    def minor(self) -> int:
        return int(self.version.split(".")[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: StubServer, *args: Any) -> None:
        self._stub = server
        super().__init__(*args)

    def _serve(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        address = urlsplit(self.path)
        request = Request(
            server=self._stub,
            route=f"{self.command} {address.path}",
            query={name: values[-1] for name, values in parse_qs(address.query).items()},
            body=json.loads(content) if content else {},
            size_bytes=len(content),
            handler=self,
        )
        if address.path == "/":
            version = {"title": "qdrant", "version": self._stub.version, "commit": None}
            self._stub.routes.append(request.route)
            request.reply(200, version)
        else:
            self._stub.serve(request, {k.lower(): v for k, v in self.headers.items()})

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


def _collections(server: StubServer, request: Request) -> Any:
    return server.local.get_collections().model_dump(mode="json")


def _aliases(server: StubServer, request: Request) -> Any:
    return server.local.get_aliases().model_dump(mode="json")


def _change_aliases(server: StubServer, request: Request) -> Any:
    wanted = models.ChangeAliasesOperation.model_validate(request.body)
    return server.local.update_collection_aliases(wanted.actions)


def _exists(server: StubServer, request: Request, name: str) -> Any:
    return {"exists": server.local.collection_exists(name)}


def _create(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.CreateCollection.model_validate(request.body)
    if server.local.collection_exists(name):
        raise StubError(409, f"Wrong input: Collection `{name}` already exists!")
    server.local.create_collection(
        name,
        vectors_config=wanted.vectors or {},
        sparse_vectors_config=wanted.sparse_vectors,
        metadata=wanted.metadata,
    )
    server.indexes[name] = {}
    asked = {
        "shard_number": wanted.shard_number,
        "replication_factor": wanted.replication_factor,
        "write_consistency_factor": wanted.write_consistency_factor,
    }
    server.params[name] = {key: 1 if value is None else value for key, value in asked.items()}
    return True


def _delete_collection(server: StubServer, request: Request, name: str) -> Any:
    return server.local.delete_collection(name)


def _describe(server: StubServer, request: Request, name: str) -> Any:
    info = server.local.get_collection(name).model_dump(mode="json")
    info["config"]["params"] |= server.params[name]
    info["payload_schema"] = {
        field: {"data_type": schema["type"] if isinstance(schema, dict) else schema, "points": 0}
        for field, schema in server.indexes[name].items()
    }
    return info


def _update_collection(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.UpdateCollection.model_validate(request.body)
    # Gap: a real server merges metadata by its first level of keys; local mode does the same.
    server.local.update_collection(
        name, vectors_config=wanted.vectors, sparse_vectors_config=wanted.sparse_vectors,
        metadata=wanted.metadata,
    )  # fmt: skip
    return True


def _create_index(server: StubServer, request: Request, name: str) -> Any:
    server.local.get_collection(name)
    # Gap: no index is built, and filters work without one, as they do on a server by default.
    server.indexes[name][request.body["field_name"]] = request.body["field_schema"]
    return COMPLETED


def _create_vector(server: StubServer, request: Request, name: str, vector: str) -> Any:
    if server.minor < 18:
        raise StubError(404, "no such route")
    kind = (
        models.SparseVectorNameConfig if "sparse" in request.body else models.DenseVectorNameConfig
    )
    server.local.create_vector_name(name, vector, kind.model_validate(request.body))
    return COMPLETED


def _delete_vector(server: StubServer, request: Request, name: str, vector: str) -> Any:
    if server.minor < 18:
        raise StubError(404, "no such route")
    server.local.delete_vector_name(name, vector)
    return COMPLETED


def _upsert(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.PointsList.model_validate(request.body)
    # Gap: a real server applies a batch shard by shard; here it is one step under a lock.
    server.local.upsert(
        name, wanted.points, update_filter=wanted.update_filter, update_mode=wanted.update_mode
    )
    return COMPLETED


def _delete_points(server: StubServer, request: Request, name: str) -> Any:
    body = request.body
    if "filter" in body:
        selector: Any = models.FilterSelector.model_validate(body)
    else:
        selector = models.PointIdsList.model_validate(body)
    server.local.delete(name, selector)
    return COMPLETED


def _set_payload(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.SetPayload.model_validate(request.body)
    selector: Any = wanted.points if wanted.filter is None else wanted.filter
    server.local.set_payload(name, wanted.payload, points=selector, key=wanted.key)
    return COMPLETED


def _update_vectors(server: StubServer, request: Request, name: str) -> Any:
    server.local.update_vectors(name, models.UpdateVectors.model_validate(request.body).points)
    return COMPLETED


def _retrieve(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.PointRequest.model_validate(request.body)
    records = server.local.retrieve(
        name, wanted.ids, with_payload=wanted.with_payload, with_vectors=wanted.with_vector
    )
    return [record.model_dump(mode="json") for record in records]


def _scroll(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.ScrollRequest.model_validate(request.body)
    records, offset = server.local.scroll(
        name, scroll_filter=wanted.filter, limit=wanted.limit, offset=wanted.offset,
        with_payload=wanted.with_payload, with_vectors=wanted.with_vector,
    )  # fmt: skip
    return {"points": [r.model_dump(mode="json") for r in records], "next_page_offset": offset}


def _count(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.CountRequest.model_validate(request.body)
    return {"count": server.local.count(name, count_filter=wanted.filter).count}


def _facet(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.FacetRequest.model_validate(request.body)
    if wanted.key not in server.indexes[name]:
        raise StubError(400, f"No appropriate index for faceting: `{wanted.key}`")
    answer = server.local.facet(name, wanted.key, facet_filter=wanted.filter, limit=wanted.limit)
    return answer.model_dump(mode="json")


# Servers before 1.20 do not know these expressions of formulas.
LATER_EXPRESSIONS = ('"max":', '"min":', '"acosh":')


def _query(server: StubServer, request: Request, name: str) -> Any:
    if server.minor < 20 and any(word in json.dumps(request.body) for word in LATER_EXPRESSIONS):
        raise StubError(400, "Format error in JSON body: unknown variant of Expression")
    wanted = models.QueryRequestBatch.model_validate(request.body)
    answers = server.local.query_batch_points(name, wanted.searches)
    return [answer.model_dump(mode="json") for answer in answers]


SNAPSHOTS_URL = "file:///qdrant/snapshots"


def _cluster(server: StubServer, request: Request, name: str) -> Any:
    server.local.get_collection(name)
    local = [{"shard_id": 0, "points_count": 0, "state": "Active"}]
    return {
        "peer_id": 1, "shard_count": 1, "local_shards": local,
        "remote_shards": server.remote_shards, "shard_transfers": [],
    }  # fmt: skip


def _points(server: StubServer, name: str) -> list[models.PointStruct]:
    records, _ = server.local.scroll(name, limit=10**6, with_payload=True, with_vectors=True)
    return [models.PointStruct(id=r.id, vector=r.vector or {}, payload=r.payload) for r in records]


def _require_collection(server: StubServer, name: str) -> None:
    """As on a real server: snapshots outlive their collection, but can only be restored then."""
    if not server.local.collection_exists(name):
        raise StubError(404, f"Not found: Collection `{name}` doesn't exist!")


def _list_snapshots(server: StubServer, request: Request, name: str) -> Any:
    _require_collection(server, name)
    return [kept["description"] for kept in server.snapshots.get(name, {}).values()]


def _create_snapshot(server: StubServer, request: Request, name: str) -> Any:
    config = server.local.get_collection(name).config
    points = _points(server, name)
    kept = server.snapshots.setdefault(name, {})
    file = f"{name}-{len(server.routes)}-2026-11-21-12-00-{len(kept):02}.snapshot"
    content = json.dumps([point.model_dump(mode="json") for point in points])
    description = {
        "name": file, "creation_time": f"2026-11-21T12:00:{len(kept):02}", "size": len(content),
        "checksum": hashlib.sha256(content.encode()).hexdigest(),
    }  # fmt: skip
    kept[file] = {
        "description": description, "config": config, "points": points,
        "indexes": dict(server.indexes[name]), "params": dict(server.params[name]),
    }  # fmt: skip
    return description if request.query.get("wait") != "false" else None


def _delete_snapshot(server: StubServer, request: Request, name: str, file: str) -> Any:
    _require_collection(server, name)
    if file not in server.snapshots.get(name, {}):
        raise StubError(404, f"Snapshot {file} not found")
    del server.snapshots[name][file]
    return True


def _recover(server: StubServer, request: Request, name: str) -> Any:
    location = request.body["location"].removeprefix(SNAPSHOTS_URL + "/")
    source, _, file = location.partition("/")
    kept = server.snapshots.get(source, {}).get(file)
    if kept is None:
        raise StubError(400, f"Snapshot file {request.body['location']} does not exist")
    if request.body.get("checksum") not in (None, kept["description"]["checksum"]):
        raise StubError(400, "Snapshot checksum mismatch")
    config = kept["config"]
    if server.local.collection_exists(name):
        # A real server keeps the configuration, metadata included, of a collection that is there.
        if server.local.get_collection(name).config.params.vectors != config.params.vectors:
            raise StubError(400, "Snapshot is not compatible with existing collection")
        server.local.delete(name, models.FilterSelector(filter=models.Filter()))
    else:
        server.local.create_collection(
            name, vectors_config=config.params.vectors or {},
            sparse_vectors_config=config.params.sparse_vectors, metadata=config.metadata,
        )  # fmt: skip
        server.params[name] = dict(kept["params"])
    server.indexes[name] = dict(kept["indexes"])
    if kept["points"]:
        server.local.upsert(name, kept["points"])
    return True


ROUTES: list[tuple[str, Callable[..., Any]]] = [
    ("GET /collections", _collections),
    ("GET /aliases", _aliases),
    ("POST /collections/aliases", _change_aliases),
    ("GET /collections/([^/]+)/exists", _exists),
    ("GET /collections/([^/]+)", _describe),
    ("PUT /collections/([^/]+)", _create),
    ("PATCH /collections/([^/]+)", _update_collection),
    ("DELETE /collections/([^/]+)", _delete_collection),
    ("PUT /collections/([^/]+)/index", _create_index),
    ("PUT /collections/([^/]+)/vectors/([^/]+)", _create_vector),
    ("DELETE /collections/([^/]+)/vectors/([^/]+)", _delete_vector),
    ("PUT /collections/([^/]+)/points", _upsert),
    ("POST /collections/([^/]+)/points/delete", _delete_points),
    ("POST /collections/([^/]+)/points/payload", _set_payload),
    ("PUT /collections/([^/]+)/points/vectors", _update_vectors),
    ("POST /collections/([^/]+)/points", _retrieve),
    ("POST /collections/([^/]+)/points/scroll", _scroll),
    ("POST /collections/([^/]+)/points/count", _count),
    ("POST /collections/([^/]+)/points/query/batch", _query),
    ("POST /collections/([^/]+)/facet", _facet),
    ("GET /collections/([^/]+)/cluster", _cluster),
    ("GET /collections/([^/]+)/snapshots", _list_snapshots),
    ("POST /collections/([^/]+)/snapshots", _create_snapshot),
    ("DELETE /collections/([^/]+)/snapshots/([^/]+)", _delete_snapshot),
    ("PUT /collections/([^/]+)/snapshots/recover", _recover),
]
