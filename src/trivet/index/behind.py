"""Writes one batch in a thread of its own while the next one is made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)


class WriteBehind(Generic[T]):
    """At most one batch is being written, and none waits: whoever makes batches waits instead.

    A context manager: when it is left, whatever was handed over is written and the thread has
    ended. An error of the writing is raised in the thread that hands over, at its next call.

    Args:
        write: writes a batch; never called twice at once.
    """

    def __init__(self, write: Callable[[T], None]) -> None:
        self._write = write
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trivet-ingest")
        self._writing: Future[None] | None = None

    def hand_over(self, batch: T) -> None:
        """Begin to write a batch, after the one before it."""
        self.settle()
        self._writing = self._thread.submit(self._write, batch)

    def settle(self) -> bool:
        """Wait until all that was handed over is written; whether there was anything.

        Raises:
            Exception: what the writing raised.
        """
        writing = self._writing
        if writing is None:
            return False
        # Forgotten only then: who is interrupted here waits again when leaving.
        writing.exception()
        self._writing = None
        writing.result()
        return True

    def __enter__(self) -> WriteBehind[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=True)
        if error is None:
            self.settle()
        elif self._writing is not None and (lost := self._writing.exception()) is not None:
            logger.warning("the batch that was being written failed, too: %s", lost)
