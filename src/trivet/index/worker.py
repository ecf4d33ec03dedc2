"""The one thread that answers the searches of event loops, those that wait together at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from trivet.errors import IndexBusyError, IndexClosedError, SearchTimeoutError, TrivetError
from trivet.types import Hit

if TYPE_CHECKING:
    from trivet.index.search import Asked

AnswerAll: TypeAlias = "Callable[[Sequence[Asked]], list[list[Hit]]]"

# Searches that may wait; more would wait for minutes.
MAX_WAITING = 10_000
# Searches that are answered together: more gain little, and the first would wait for the last.
# A hundred whose thoughts come at the same time are one pass.
MAX_TOGETHER = 128


@dataclass(frozen=True)
class _Waiting:
    asked: Asked
    answer: Future[list[Hit]] = field(default_factory=Future)
    # In which the one who asks may be traced.
    context: Context = field(default_factory=copy_context)


class SearchWorker:
    """Answers searches in a thread of its own, which starts with the first and ends with `close`.

    Args:
        answer_all: answers several searches in one pass.
    """

    def __init__(self, answer_all: AnswerAll) -> None:
        self._answer_all = answer_all
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(MAX_WAITING)
        self._thread: threading.Thread | None = None
        self._closed = False
        self._starting = threading.Lock()

    async def answer(self, asked: Asked, timeout_s: float | None) -> list[Hit]:
        """The hits of a search.

        Raises:
            SearchTimeoutError: there was no answer in time; it may still be under way.
            IndexBusyError: too many searches wait.
            IndexClosedError: the index was closed.
            TrivetError: as the search itself.
        """
        waiting = _Waiting(asked)
        with self._starting:
            if self._closed:
                raise IndexClosedError(
                    "expected an open index, got one that was closed: open it again"
                )
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="trivet-search", daemon=True
                )
                self._thread.start()
            try:
                self._waiting.put_nowait(waiting)
            except queue.Full:
                raise IndexBusyError(
                    f"expected at most {MAX_WAITING} searches to wait, got another: ask later, or "
                    "share the work among several processes"
                ) from None
        import asyncio  # there already, where there is a loop

        try:
            return await asyncio.wait_for(asyncio.wrap_future(waiting.answer), timeout_s)
        except asyncio.TimeoutError as error:
            raise SearchTimeoutError(
                f"expected an answer within {timeout_s} s, got none: wait longer, or ask less"
            ) from error

    def close(self) -> None:
        """Answer what waits, and end the thread; who calls again waits for that too."""
        with self._starting:
            is_first, self._closed = not self._closed, True
        if self._thread is not None:
            if is_first:
                self._waiting.put(None)
            self._thread.join()

    def _work(self) -> None:
        while True:
            together = self._next()
            wanted = [w for w in together if w and w.answer.set_running_or_notify_cancel()]
            self._settle(wanted)
            if None in together:
                return

    def _next(self) -> list[_Waiting | None]:
        """All that waits, at least one; up to and with the end."""
        together = [self._waiting.get()]
        # Nobody else takes from the queue: what is there stays there.
        while together[-1] and len(together) < MAX_TOGETHER and not self._waiting.empty():
            together.append(self._waiting.get())
        return together

    def _settle(self, waiting: Sequence[_Waiting]) -> None:
        """Answer several searches; one that cannot be answered costs the others nothing."""
        if not waiting:
            return
        try:
            together = [each.asked for each in waiting]
            # What is done once for all of them is traced with the first.
            answers = waiting[0].context.run(self._answer_all, together)
        except BaseException as error:  # noqa: BLE001  (it belongs to whoever asked, not to this thread)
            if len(waiting) > 1 and isinstance(error, TrivetError):
                for each in waiting:
                    self._settle([each])
                return
            for each in waiting:
                each.answer.set_exception(error)
            return
        for each, hits in zip(waiting, answers, strict=True):
            each.answer.set_result(hits)
