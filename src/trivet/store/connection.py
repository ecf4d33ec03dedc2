"""The connection to a Qdrant server: made once, probed once, and used with retries."""

from __future__ import annotations

import ipaddress
import re
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from qdrant_client import QdrantClient, models

from trivet.config import ServerSettings
from trivet.errors import (
    IndexClosedError,
    InsecureConnectionError,
    InvalidInputError,
    ServerTooOldError,
    StoreError,
)
from trivet.store.retrying import Retrying, Timing
from trivet.store.server_failures import UnfinishedError, diagnose

T = TypeVar("T")
R = TypeVar("R")

# 1.17 brought conditional inserts (`update_mode`), which the journal is built on, and weighted RRF.
FLOOR = (1, 17)
# 1.18 brought adding and dropping named vectors of a collection that is there.
ADDS_VECTORS = (1, 18)

# A wrong address should be told soon, not after all the patience that a long ingest has.
PROBE_ATTEMPTS = 3
PROBE_S = 5.0

FIRST_POLL_S = 0.1
LONGEST_POLL_S = 1.0


class Connection:
    """A Qdrant server that answers, within the limits of its settings. Thread-safe.

    Args:
        client: speaks to it.
        settings: timeouts and limits.
        version: the server's, as major and minor number.
        timing: where time and chance come from.
    """

    def __init__(
        self,
        client: QdrantClient,
        settings: ServerSettings,
        version: str,
        timing: Timing,
    ) -> None:
        self._client: QdrantClient | None = client
        self._closing = threading.Lock()
        self._retrying = Retrying(settings.retry_attempts, settings.retry_s, diagnose, timing)
        self.settings = settings
        self.version = version
        self.timing = timing

    @property
    def adds_vectors(self) -> bool:
        """Whether named vectors can be added to a collection, and dropped from it."""
        return _numbers(self.version) >= ADDS_VECTORS

    @property
    def patience_s(self) -> float:
        """The longest that one call can take: its retries, and a last request."""
        return self.settings.retry_s + self.settings.timeout_s

    def call(self, action: str, request: Callable[[QdrantClient], R]) -> R:
        """Send one request that may be sent twice; see `Retrying.call`."""
        return self._retrying.call(action, lambda: request(self._open()))

    def in_parts(
        self,
        action: str,
        items: Sequence[T],
        request: Callable[[QdrantClient, Sequence[T]], R],
    ) -> list[R]:
        """Send items, in halves where they are too many; see `Retrying.in_parts`."""
        return self._retrying.in_parts(action, items, lambda part: request(self._open(), part))

    def settle(self, result: models.UpdateResult, is_done: Callable[[], bool]) -> None:
        """Return when a write is done: at once, or when it can be read back.

        Args:
            result: what the server said to it. Only "completed" means done: "acknowledged" and
                "wait_timeout" mean that it may be done, now or later, in part or not at all.
            is_done: looks whether it is.

        Raises:
            UnfinishedError: it is not, after the time of a request.
        """
        if result.status == models.UpdateStatus.COMPLETED:
            return
        started_s = self.timing.monotonic()
        pause_s = FIRST_POLL_S
        while not is_done():
            if self.timing.monotonic() - started_s > self.settings.timeout_s:
                raise UnfinishedError(f"it was {result.status.value} and cannot be read back")
            self.timing.sleep(pause_s)
            pause_s = min(LONGEST_POLL_S, 2 * pause_s)

    def close(self) -> None:
        """Close it; a second call does nothing."""
        with self._closing:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _open(self) -> QdrantClient:
        client = self._client
        if client is None:
            raise IndexClosedError("expected an open index, got one that was closed: open it again")
        return client


def connect(url: str, settings: ServerSettings, timing: Timing) -> Connection:
    """Connect to a server and see what it is.

    Args:
        url: `http(s)://host[:port][/prefix]`.
        settings: how to reach it.
        timing: where time and chance come from.

    Raises:
        InvalidInputError: no such URL, or one with a user, a query or a fragment in it.
        InsecureConnectionError: the API key would travel in the clear.
        ServerUnavailableError: nothing answers there.
        ServerTooOldError: an older server than 1.17.
        ServerAccessError: it does not let us in.
        StoreError: it is no Qdrant.
    """
    check_url(url, settings)
    key = settings.api_key
    client = QdrantClient(
        url=url,
        # As a header: given as `api_key`, it is warned of over http to this very host, too.
        headers={} if key is None else {"api-key": key.get_secret_value()},
        timeout=settings.timeout_s,  # type: ignore[arg-type]  # rounded up to whole seconds
        prefer_grpc=settings.grpc,
        grpc_port=settings.grpc_port,
        check_compatibility=False,
    )
    try:
        probing = Retrying(
            min(PROBE_ATTEMPTS, settings.retry_attempts),
            min(PROBE_S, settings.retry_s),
            diagnose,
            timing,
        )
        info = probing.call(f"answer at {url}", client.info)
        if _numbers(info.version) < FLOOR:
            floor = ".".join(map(str, FLOOR))
            raise ServerTooOldError(
                f"expected a Qdrant server of version {floor} or later, got {info.version} at "
                f"{url}: update it"
            )
    except BaseException:
        client.close()
        raise
    return Connection(client, settings, info.version, timing)


def check_url(url: str, settings: ServerSettings) -> None:
    """Refuse a URL that says too much, or that a key must not travel to.

    Raises:
        InvalidInputError: no host, or a user, a query or a fragment in it; or no key.
        InsecureConnectionError: an API key, plain http and another host.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # the port is checked when it is read
    except ValueError as error:
        raise InvalidInputError(f"expected a URL of a server, got {url!r}: {error}") from error
    if "@" in parts.netloc or parts.query or parts.fragment:
        # The URL is not repeated: what is too much in it may be a secret.
        raise InvalidInputError(
            "expected a URL of scheme, host, port and path alone, got one with a user, a query or "
            "a fragment: give a key in ServerSettings(api_key=…), on the command line in the "
            "environment variable QDRANT_API_KEY"
        )
    if not host:
        raise InvalidInputError(f"expected a URL with a host, got {url!r}")
    if settings.api_key is not None:
        _require_sendable(settings.api_key.get_secret_value())
    if settings.api_key is None or parts.scheme == "https" or settings.allow_insecure:
        return
    if not _is_this_host(host):
        raise InsecureConnectionError(
            f"expected https for an API key, got {url!r}: anyone on the way could read the key; "
            "use https, or allow it with ServerSettings(allow_insecure=True), on the command line "
            "with TRIVET_ALLOW_INSECURE=true"
        )


def _require_sendable(key: str) -> None:
    """Refuse a key that cannot be a header; the error of whoever sends it would quote it."""
    if not key.isascii() or not key.isprintable() or key != key.strip() or not key:
        raise InvalidInputError(
            "expected an API key of printable ASCII characters, with nothing around it, got one "
            "that is empty, or with spaces, line ends or other characters: give the key alone"
        )


def _is_this_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _numbers(version: str) -> tuple[int, int]:
    """Major and minor number of a version such as "1.18.0-dev"."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise StoreError(f"expected a version of Qdrant such as 1.18.0, got {version!r}")
    return int(found[1]), int(found[2])
