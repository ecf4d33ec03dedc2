"""Thinkers that behave badly, slowly or predictably."""

from __future__ import annotations

import asyncio
import threading
import time

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


class Hanging:
    """Never answers while the test runs."""

    fingerprint = "hanging"

    def __init__(self) -> None:
        self.freed = threading.Event()
        self.begun = 0

    def think(self, request: ThinkRequest) -> ThinkResult:
        self.begun += 1
        self.freed.wait(60)
        return ThinkResult((), "timeout")

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        self.begun += 1
        await asyncio.sleep(60)
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
