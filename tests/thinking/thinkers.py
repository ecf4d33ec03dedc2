"""Thinkers that behave badly, slowly or predictably."""

from __future__ import annotations

import asyncio
import threading
import time

from waiting import PATIENCE_S

from trivet.thinking import ThinkRequest, ThinkResult, Thought, Usage


class Counting:
    """Answers after a while, and counts how often each query was thought about."""

    def __init__(
        self, text: str = "", *, seconds: float = 0.0, fingerprint: str = "counting"
    ) -> None:
        self.text = text
        self.seconds = seconds
        self.fingerprint = fingerprint
        self.asked: list[ThinkRequest] = []
        self._lock = threading.Lock()

    def think(self, request: ThinkRequest) -> ThinkResult:
        with self._lock:
            self.asked.append(request)
        time.sleep(self.seconds)
        return self._result(request)

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        with self._lock:
            self.asked.append(request)
        await asyncio.sleep(self.seconds)
        return self._result(request)

    def _result(self, request: ThinkRequest) -> ThinkResult:
        text = self.text or f"a passage that is about {request.query} at some length"
        return ThinkResult((Thought(text),), "ok", Usage(1, 30, 20), thinker=self.fingerprint)


class Held(Counting):
    """As Counting, once it is let go; then at once."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def think(self, request: ThinkRequest) -> ThinkResult:
        self.begun.set()
        assert self.go_on.wait(PATIENCE_S)
        return super().think(request)

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        self.begun.set()
        while not self.go_on.is_set():
            await asyncio.sleep(0.001)
        return await super().athink(request)


class Hanging:
    """Never answers before it is let go, and in an event loop never at all."""

    fingerprint = "hanging"

    def __init__(self) -> None:
        self.freed = threading.Event()
        self.begun = 0
        self._lock = threading.Lock()

    def _begin(self) -> None:
        with self._lock:
            self.begun += 1

    def think(self, request: ThinkRequest) -> ThinkResult:
        self._begin()
        assert self.freed.wait(PATIENCE_S)
        return ThinkResult((), "timeout")

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        self._begin()
        await asyncio.Event().wait()
        return ThinkResult((), "timeout")


class Raising:
    """Breaks its word."""

    fingerprint = "raising"

    def think(self, request: ThinkRequest) -> ThinkResult:
        raise RuntimeError("the model is on fire")

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        raise RuntimeError("the model is on fire")


class Returning:
    """Gives back whatever it was made with, be it a result or not."""

    fingerprint = "returning"

    def __init__(self, result: object) -> None:
        self.result = result

    def think(self, request: ThinkRequest) -> object:
        return self.result

    async def athink(self, request: ThinkRequest) -> object:
        return self.result


class Cancelling:
    """Is cancelled by what it is made of."""

    fingerprint = "cancelling"

    def think(self, request: ThinkRequest) -> ThinkResult:
        raise asyncio.CancelledError

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        raise asyncio.CancelledError
