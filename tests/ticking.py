"""An event loop that goes on while a slow call is under way, or does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

SLOW_S = 0.2
# On a busy machine the loop gets its turn later; one that is blocked never gets it.
PATIENCE_S = 5.0


class Ticker:
    """Counts the slow calls during which the loop went on, and those during which it did not."""

    def __init__(self) -> None:
        self.ticks = self.free = self.blocking = 0

    def slow_call(self) -> None:
        """Take 0.2 s."""
        before, start = self.ticks, time.monotonic()
        while True:
            time.sleep(0.01)
            waited = time.monotonic() - start
            if waited > SLOW_S and (self.ticks > before + 3 or waited > PATIENCE_S):
                break
        if self.ticks > before + 3:
            self.free += 1
        else:
            self.blocking += 1

    async def watch(self, work: Awaitable[T]) -> T:
        """Await something and tick meanwhile."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.sleep(0.005)
            self.ticks += 1
        return task.result()
