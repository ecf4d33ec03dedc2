"""Thoughts that are thought once: kept in a file, and shared by all who ask at the same time."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace

from trivet.errors import InvalidInputError
from trivet.thinking.cache_file import CacheFile
from trivet.thinking.cleaning import normalised_query
from trivet.thinking.interface import Thinker, ThinkRequest, ThinkResult, Usage, nothing
from trivet.thinking.templates import template_for

TTL_S = 30 * 24 * 3600.0
# A thought that takes longer is given up: who asks for it again does not wait for that one.
PATIENCE_S = 60.0
_SCHEMA = 1


@dataclass(frozen=True, eq=False)
class _Flight:
    """A thought that is under way; its result is None if it was given up."""

    future: Future[ThinkResult | None] = field(default_factory=Future)
    begun: float = field(default_factory=time.monotonic)


class Cached:
    """Remembers another thinker's thoughts, and asks it once for those who ask together.

    Thoughts are texts and belong to no embedder: they outlive an upgrade of the index. The file is
    personal data, readable by its owner alone.

    Args:
        thinker: asked where nothing is remembered.
        path: of the file, or of a folder (such as the index's) that `thoughts.sqlite` is made in.
        ttl_s: how long thoughts are remembered.
        clock: seconds since 1970.

    Raises:
        InvalidInputError: no path, or a time that is not above 0.
    """

    def __init__(
        self,
        thinker: Thinker,
        path: str | os.PathLike[str],
        *,
        ttl_s: float = TTL_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not ttl_s > 0:
            raise InvalidInputError(f"expected ttl_s to be seconds above 0, got {ttl_s!r}")
        self._thinker = thinker
        self._file = CacheFile(path)
        self._ttl_s = ttl_s
        self._clock = clock
        self._under_way: dict[str, _Flight] = {}
        self._tasks: set[asyncio.Future[ThinkResult]] = set()
        self._meeting = threading.Lock()
        self._is_pruned = False
        self.fingerprint = thinker.fingerprint

    def think(self, request: ThinkRequest) -> ThinkResult:
        """What is remembered, or being thought right now, or a new thought; as `Thinker.think`."""
        key, start = cache_key(self.fingerprint, request), time.monotonic()
        remembered = self._remembered(key, start)
        while remembered is None and (left := start + request.deadline_s - time.monotonic()) > 0:
            flight, is_first = self._join(key)
            if is_first:
                try:  # somebody may have finished it since we looked
                    remembered = self._remembered(key, start)
                    result = remembered or _safely(self._thinker, request)
                    return self._settle(key, request, flight, result)
                finally:
                    self._leave(key, flight)
            try:
                shared = flight.future.result(left)
            except FutureTimeoutError:
                break
            if shared is not None:
                return _shared(shared, start)
        return remembered or self._waited()

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        """As `think`, without blocking the event loop.

        A thought that is begun is finished, for a while, and remembered, though nobody waits for
        it any more.
        """
        key, start = cache_key(self.fingerprint, request), time.monotonic()
        remembered = await asyncio.to_thread(self._remembered, key, start)
        while remembered is None and (left := start + request.deadline_s - time.monotonic()) > 0:
            flight, is_first = self._join(key)
            if is_first:
                task = asyncio.ensure_future(self._athought(key, request, flight, start))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                return await asyncio.shield(task)
            waiting = asyncio.shield(asyncio.wrap_future(flight.future))
            try:
                shared = await asyncio.wait_for(waiting, left)
            except asyncio.TimeoutError:
                break
            if shared is not None:
                return _shared(shared, start)
        return remembered or self._waited()

    async def _athought(
        self, key: str, request: ThinkRequest, flight: _Flight, start: float
    ) -> ThinkResult:
        result: ThinkResult | None = None
        try:
            result = await asyncio.to_thread(self._remembered, key, start)
            if result is None:
                thinking = self._thinker.athink(request)
                result = _checked(await asyncio.wait_for(thinking, PATIENCE_S), self.fingerprint)
        except asyncio.TimeoutError:
            result = nothing("timeout", "it took too long", self.fingerprint)
        except Exception as error:  # noqa: BLE001  (a thinker that breaks its word)
            result = _broken(error, self.fingerprint)
        finally:
            if result is None:  # cancelled: those who wait think for themselves
                self._leave(key, flight)
        return await asyncio.to_thread(self._settle, key, request, flight, result)

    def clear(self, *, tenant: str | None = None) -> None:
        """Forget thoughts; what is deleted is overwritten.

        Args:
            tenant: whose; None = everybody's.
        """
        self._file.clear(tenant, None)

    def prune(self) -> None:
        """Forget the thoughts that are too old to be used."""
        self._file.clear(None, self._clock() - self._ttl_s)

    def _remembered(self, key: str, start: float) -> ThinkResult | None:
        thoughts = self._file.get(key, self._clock() - self._ttl_s)
        if not thoughts:
            return None
        elapsed = time.monotonic() - start
        return ThinkResult(thoughts, "cached", elapsed_s=elapsed, thinker=self.fingerprint)

    def _join(self, key: str) -> tuple[_Flight, bool]:
        """The thought of this key that is under way, and whether it is this caller's to think."""
        with self._meeting:
            under_way = self._under_way.get(key)
            if under_way is not None and time.monotonic() - under_way.begun < PATIENCE_S:
                return under_way, False
            self._under_way[key] = flight = _Flight()
            return flight, True

    def _settle(
        self, key: str, request: ThinkRequest, flight: _Flight, result: ThinkResult
    ) -> ThinkResult:
        flight.future.set_result(result)  # first: nobody has to wait for the file
        try:
            if result.thoughts and result.status in ("ok", "partial"):
                self._file.put(key, request.tenant or "", result.thoughts)
                if not self._is_pruned:  # people's queries: what is too old does not stay
                    self._is_pruned = True
                    self.prune()
        finally:
            self._leave(key, flight)
        return result

    def _leave(self, key: str, flight: _Flight) -> None:
        """Make way for the next one of this key; who still waits for this one gets None."""
        with self._meeting:
            if self._under_way.get(key) is flight:
                del self._under_way[key]
        if not flight.future.done():
            flight.future.set_result(None)

    def _waited(self) -> ThinkResult:
        return nothing("timeout", "another's thought took too long", self.fingerprint)


def cache_key(fingerprint: str, request: ThinkRequest) -> str:
    """What thoughts are remembered by: a checksum, so that the file holds no query."""
    parts = [
        _SCHEMA,
        request.tenant,
        fingerprint,
        template_for(request.task).version,
        request.task,
        request.kinds,
        request.max_tokens,
        request.language,
        normalised_query(request.query),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _shared(result: ThinkResult, start: float) -> ThinkResult:
    """Another's result: it cost this caller nothing."""
    status = "cached" if result.status == "ok" else result.status
    return replace(result, status=status, usage=Usage(), elapsed_s=time.monotonic() - start)


def _safely(thinker: Thinker, request: ThinkRequest) -> ThinkResult:
    try:
        return _checked(thinker.think(request), thinker.fingerprint)
    except Exception as error:  # noqa: BLE001  (a thinker that breaks its word)
        return _broken(error, thinker.fingerprint)


def _checked(result: object, fingerprint: str) -> ThinkResult:
    if isinstance(result, ThinkResult):
        return result
    return nothing("error", f"expected a ThinkResult, got {type(result).__name__}", fingerprint)


def _broken(error: Exception, fingerprint: str) -> ThinkResult:
    return nothing("error", f"{type(error).__name__}: {error}"[:300], fingerprint)
