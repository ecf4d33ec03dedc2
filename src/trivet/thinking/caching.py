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
from dataclasses import replace

from trivet.errors import InvalidInputError
from trivet.thinking.cache_file import CacheFile
from trivet.thinking.cleaning import normalised_query
from trivet.thinking.interface import Thinker, ThinkRequest, ThinkResult, Usage, nothing
from trivet.thinking.templates import template_for

TTL_S = 30 * 24 * 3600.0
_SCHEMA = 1


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
        self._under_way: dict[str, Future[ThinkResult]] = {}
        self._meeting = threading.Lock()
        self.fingerprint = thinker.fingerprint

    def think(self, request: ThinkRequest) -> ThinkResult:
        """What is remembered, or what somebody is thinking right now, or a new thought."""
        key, start = cache_key(self.fingerprint, request), time.monotonic()
        remembered = self._remembered(key, start)
        if remembered is not None:
            return remembered
        future, is_first = self._join(key)
        if is_first:
            # Somebody may have finished it since we looked.
            result = self._remembered(key, start) or _safely(self._thinker, request)
            return self._settle(key, request, future, result)
        try:
            return _shared(future.result(request.deadline_s), start)
        except FutureTimeoutError:
            return nothing("timeout", "another's thought took too long", self.fingerprint)

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        """As `think`, without blocking the event loop."""
        key, start = cache_key(self.fingerprint, request), time.monotonic()
        remembered = await asyncio.to_thread(self._remembered, key, start)
        if remembered is not None:
            return remembered
        future, is_first = self._join(key)
        if not is_first:
            waiting = asyncio.shield(asyncio.wrap_future(future))
            try:
                return _shared(await asyncio.wait_for(waiting, request.deadline_s), start)
            except asyncio.TimeoutError:
                return nothing("timeout", "another's thought took too long", self.fingerprint)
        result = nothing("timeout", "it was given up", self.fingerprint)
        try:
            remembered = await asyncio.to_thread(self._remembered, key, start)
            result = remembered or await self._thinker.athink(request)
        except Exception as error:  # noqa: BLE001  (a thinker that breaks its word)
            result = nothing("error", f"{type(error).__name__}: {error}"[:300], self.fingerprint)
        finally:  # cancelled too: those who wait for it must not wait for ever
            self._settle(key, request, future, result)
        return result

    def clear(self, *, tenant: str | None = None) -> None:
        """Forget all thoughts, or those of one tenant; what is deleted is overwritten."""
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

    def _join(self, key: str) -> tuple[Future[ThinkResult], bool]:
        """The thought of this key that is under way, and whether it is this caller's to think."""
        with self._meeting:
            under_way = self._under_way.get(key)
            if under_way is not None:
                return under_way, False
            future: Future[ThinkResult] = Future()
            self._under_way[key] = future
            return future, True

    def _settle(
        self, key: str, request: ThinkRequest, future: Future[ThinkResult], result: ThinkResult
    ) -> ThinkResult:
        if result.thoughts and result.status == "ok":
            self._file.put(key, request.tenant or "", result.thoughts)
        with self._meeting:
            self._under_way.pop(key, None)
        future.set_result(result)
        return result


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
        return thinker.think(request)
    except Exception as error:  # noqa: BLE001  (a thinker that breaks its word)
        return nothing("error", f"{type(error).__name__}: {error}"[:300], thinker.fingerprint)
