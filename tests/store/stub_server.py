"""A Qdrant server in miniature: real HTTP on 127.0.0.1, answered by qdrant-client's local mode.

It speaks the routes of `stub_routes` and can be told to fail on any of them.
"""

from __future__ import annotations

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

from qdrant_client.local.qdrant_local import QdrantLocal
from stub_routes import COMPLETED, ROUTES, StubError

VERSION = "1.19.0"


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
