"""Waits for what others do, however long it takes: the limits are there against a hang alone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

PATIENCE_S = 300.0


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that another thread or process brings about."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.001)


async def auntil(holds: Callable[[], bool]) -> None:
    """As `until`, while the event loop runs on."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        await asyncio.sleep(0.001)


class Arrivals:
    """Counts the searches that came to wait for a worker, from here on.

    Args:
        worker: whose line is watched.
    """

    def __init__(self, worker: Any) -> None:
        self.count = 0
        self._lock = threading.Lock()
        self._put = worker._waiting.put
        worker._waiting.put = self._counted

    def _counted(self, work: Sequence[object]) -> int:
        taken = self._put(work)
        with self._lock:
            self.count += taken
        return taken
