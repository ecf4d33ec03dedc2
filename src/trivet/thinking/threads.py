"""Threads that nobody has to wait for: bounded in number, gone with the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

# Thinkers that wait for an answer take no processor. Beyond this, thinkers hang, and one more
# thread would only hang too.
MAX_THREADS = 128


class DaemonThreads:
    """Runs functions in threads of their own, which do not keep a process alive.

    Args:
        most: that run at the same time.
    """

    def __init__(self, most: int = MAX_THREADS) -> None:
        self._free = threading.BoundedSemaphore(most)

    def start(self, function: Callable[[], T]) -> Future[T] | None:
        """Run a function; None if as many run as may."""
        if not self._free.acquire(blocking=False):
            return None
        future: Future[T] = Future()
        # Begun at once: whoever gives up waiting cannot cancel it, and its result has a place.
        future.set_running_or_notify_cancel()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001  (it belongs to whoever waits)
                future.set_exception(error)
            finally:
                self._free.release()

        try:
            threading.Thread(target=run, name="trivet-thinking", daemon=True).start()
        except RuntimeError:  # the system has no more threads
            self._free.release()
            return None
        return future


def run_coroutine(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, in a loop of its own, wherever this is called from."""
    import asyncio  # most processes have no need of it

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    future = DaemonThreads(1).start(lambda: asyncio.run(coroutine))
    assert future is not None  # the first of one
    return future.result()
