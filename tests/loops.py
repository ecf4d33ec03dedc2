"""Shows that an event loop runs on while work goes on elsewhere, without a look at the clock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import TypeVar

from waiting import PATIENCE_S, auntil

Result = TypeVar("Result")


class Gate:
    """Holds work up until the loop has ticked meanwhile; work on the loop itself fails in it."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._ticked = threading.Event()

    def __call__(self) -> None:
        """To be called from the midst of the work."""
        self._reached.set()
        assert self._ticked.wait(PATIENCE_S), "the event loop stood still"

    async def passed_by(self, work: Awaitable[Result]) -> Result:
        """What the work gives; fails unless it came through the gate."""
        self._reached.clear()
        self._ticked.clear()
        task = asyncio.ensure_future(work)
        await auntil(lambda: self._reached.is_set() or task.done())
        has_waited = self._reached.is_set()
        self._ticked.set()
        result = await task
        assert has_waited
        return result
