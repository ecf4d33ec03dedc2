"""A line in which work waits for one thread, which takes all of it that is there at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class WaitingLine(Generic[T]):
    """First come, first served; thread-safe.

    Args:
        most: pieces of work that may wait.
        size: of a piece.
    """

    def __init__(self, most: int, size: Callable[[T], int]) -> None:
        self._most = most
        self._size = size
        self._work: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, work: Sequence[T]) -> int:
        """Let work wait, all of it at the same moment; how many pieces there was room for."""
        with self._changed:
            room = max(0, self._most - len(self._work))
            self._work.extend(work[:room])
            self._changed.notify()
        return min(room, len(work))

    def take(self, enough: int) -> list[T]:
        """Wait for work and take what is there, until it has this size; none = the line is closed.

        Args:
            enough: the size from which on no more is taken.
        """
        with self._changed:
            while not self._work and not self._closed:
                self._changed.wait()
            taken: list[T] = []
            size = 0
            while self._work and (not taken or size < enough):
                taken.append(self._work.popleft())
                size += self._size(taken[-1])
            return taken

    def close(self) -> None:
        """Nothing comes any more; what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
