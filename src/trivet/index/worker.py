"""The one thread that answers searches which are waited for elsewhere, those that wait at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from trivet.errors import (
    IndexBusyError,
    IndexClosedError,
    SearchTimeoutError,
    ServerUnavailableError,
    StoreError,
)
from trivet.types import Hit

if TYPE_CHECKING:
    from trivet.index.search import Asked

AnswerAll: TypeAlias = "Callable[[Sequence[Asked]], list[list[Hit]]]"

# Calls that may wait; more would wait for minutes.
MAX_WAITING = 10_000
# Searches that are answered together: more gain little, and the first would wait for the last.
# A hundred whose thoughts come at the same time are one pass.
MAX_TOGETHER = 128


@dataclass(frozen=True)
class _Waiting:
    asked: tuple[Asked, ...]
    answer: Future[list[list[Hit]]] = field(default_factory=Future)
    # In which the one who asks may be traced.
    context: Context = field(default_factory=copy_context)


class SearchWorker:
    """Answers searches in a thread of its own, which starts with the first and ends with `close`.

    Whoever waits is answered or gets an error, whatever happens in the thread.

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
        """The hits of a search, without blocking the event loop.

        Raises:
            SearchTimeoutError: there was no answer in time; it may still be under way.
            IndexBusyError: too many searches wait.
            IndexClosedError: the index was closed.
            TrivetError: as the search itself.
        """
        answer = self._put([asked])
        import asyncio  # there already, where there is a loop

        try:
            [hits] = await asyncio.wait_for(asyncio.wrap_future(answer), timeout_s)
        except asyncio.TimeoutError as error:
            raise SearchTimeoutError(
                f"expected an answer within {timeout_s} s, got none: wait longer, or ask less"
            ) from error
        return hits

    def answer_many(self, asked: Sequence[Asked]) -> list[list[Hit]]:
        """The hits of each search, in one pass with those that other threads ask meanwhile.

        Raises:
            TrivetError: as `answer`, which knows no end of patience here.
        """
        return self._put(asked).result()

    def close(self) -> None:
        """Answer what waits, and end the thread; who calls again waits for that too."""
        with self._starting:
            is_first, self._closed = not self._closed, True
        if self._thread is not None:
            if is_first:
                self._waiting.put(None)
            self._thread.join()

    def _put(self, asked: Sequence[Asked]) -> Future[list[list[Hit]]]:
        waiting = _Waiting(tuple(asked))
        with self._starting:
            if self._closed:
                raise IndexClosedError(
                    "expected an open index, got one that was closed: open it again"
                )
            self._begin()
            try:
                self._waiting.put_nowait(waiting)
            except queue.Full:
                raise IndexBusyError(
                    f"expected at most {MAX_WAITING} searches to wait, got another: ask later, or "
                    "share the work among several processes"
                ) from None
        return waiting.answer

    def _begin(self) -> None:
        """Start the thread; again in a process that was forked, which has no thread but its own."""
        if self._thread is not None and self._thread.is_alive():
            return
        thread = threading.Thread(target=self._work, name="trivet-search", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise IndexBusyError(
                f"expected a thread to search in, got: {error}: ask later, or run fewer threads"
            ) from error
        self._thread = thread

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
        searches = _searches(together[0])
        # Nobody else takes from the queue: what is there stays there.
        while together[-1] and searches < MAX_TOGETHER and not self._waiting.empty():
            together.append(self._waiting.get())
            searches += _searches(together[-1])
        return together

    def _settle(self, waiting: Sequence[_Waiting]) -> None:
        """Answer several calls; one that cannot be answered costs the others nothing."""
        if not waiting:
            return
        together = [one for each in waiting for one in each.asked]
        try:
            # What is done once for all of them is traced with the first.
            answers = waiting[0].context.run(self._answer_all, together)
            hits = iter(answers)
            shares = [list(islice(hits, len(each.asked))) for each in waiting]
            if len(answers) != len(together):
                raise StoreError(f"expected {len(together)} answers, got {len(answers)}")
        except (ServerUnavailableError, IndexClosedError) as error:  # would fail for each alone
            _refuse(waiting, error)
        except Exception as error:  # noqa: BLE001  (it belongs to whoever asked, not to this thread)
            if len(waiting) > 1:
                for each in waiting:
                    self._settle([each])
            else:
                _refuse(waiting, error)
        except BaseException as error:  # noqa: BLE001  (as above; meant for a thread, and not for theirs)
            _refuse(waiting, _ended(error))
        else:
            for each, share in zip(waiting, shares, strict=True):
                each.answer.set_result(share)


def _searches(waiting: _Waiting | None) -> int:
    return 0 if waiting is None else len(waiting.asked)


def _refuse(waiting: Sequence[_Waiting], error: Exception) -> None:
    # An event loop takes no StopIteration: whoever waits for it would wait for ever.
    told = _ended(error) if isinstance(error, StopIteration) else error
    for each in waiting:
        each.answer.set_exception(told)


def _ended(error: BaseException) -> StoreError:
    made = StoreError(f"expected an answer, the search ended by {type(error).__name__}: {error}")
    made.__cause__ = error
    return made
