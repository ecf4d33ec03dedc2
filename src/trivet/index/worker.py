"""The one thread that answers searches which are waited for elsewhere, those that wait at once."""

from __future__ import annotations

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
    TrivetError,
)
from trivet.index.waiting_line import WaitingLine
from trivet.types import Hit

if TYPE_CHECKING:
    import asyncio

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


@dataclass(frozen=True, eq=False)
class _Turn:
    """The searches of one turn of an event loop."""

    loop: asyncio.AbstractEventLoop
    waiting: list[_Waiting] = field(default_factory=list)


class SearchWorker:
    """Answers searches in a thread of its own, which starts with the first and ends with `close`.

    Whoever waits is answered or gets an error, whatever happens in the thread.

    Args:
        answer_all: answers several searches in one pass.
    """

    def __init__(self, answer_all: AnswerAll) -> None:
        self._answer_all = answer_all
        self._closed = False
        self._starting = threading.Lock()
        self._waiting: WaitingLine[_Waiting] = WaitingLine(MAX_WAITING, lambda w: len(w.asked))
        self._thread: threading.Thread | None = None
        self._gathering = threading.local()

    async def answer(self, asked: Asked, timeout_s: float | None) -> list[Hit]:
        """The hits of a search, without blocking the event loop.

        What the loop asks in one turn comes to the thread at once: it would else begin with the
        first search alone, and let all others wait for that.

        Raises:
            SearchTimeoutError: there was no answer in time; it may still be under way.
            IndexBusyError: too many searches wait.
            IndexClosedError: the index was closed.
            TrivetError: as the search itself.
        """
        import asyncio  # there already, where there is a loop

        waiting = _Waiting((asked,))
        self._gather(waiting, asyncio.get_running_loop())
        try:
            [hits] = await asyncio.wait_for(asyncio.wrap_future(waiting.answer), timeout_s)
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
        waiting = _Waiting(tuple(asked))
        self._put([waiting])
        return waiting.answer.result()

    def close(self) -> None:
        """Answer what waits, and end the thread; who calls again waits for that too."""
        with self._starting:
            self._closed = True
            self._waiting.close()
        if self._thread is not None:
            self._thread.join()

    def _gather(self, waiting: _Waiting, loop: asyncio.AbstractEventLoop) -> None:
        """Keep a search until the loop has begun all that it does in this turn."""
        turn: _Turn | None = getattr(self._gathering, "turn", None)
        if turn is None or turn.loop is not loop:  # a thread may have another loop by now
            turn = self._gathering.turn = _Turn(loop)
            loop.call_soon(self._hand_over, turn)
        turn.waiting.append(waiting)

    def _hand_over(self, turn: _Turn) -> None:
        if getattr(self._gathering, "turn", None) is turn:
            self._gathering.turn = None
        self._put([w for w in turn.waiting if not w.answer.cancelled()])

    def _put(self, waiting: Sequence[_Waiting]) -> None:
        """Let searches wait for the thread; those that cannot are refused."""
        taken = 0
        try:
            with self._starting:
                if self._closed:
                    raise IndexClosedError(
                        "expected an open index, got one that was closed: open it again"
                    )
                self._begin()
                taken = self._waiting.put(waiting)
            if taken < len(waiting):
                raise IndexBusyError(
                    f"expected at most {MAX_WAITING} searches to wait, got another: ask later, or "
                    "share the work among several processes"
                )
        except TrivetError as error:
            refused = waiting[taken:]
            _refuse([w for w in refused if w.answer.set_running_or_notify_cancel()], error)

    def _begin(self) -> None:
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
        while together := self._waiting.take(MAX_TOGETHER):
            self._settle([w for w in together if w.answer.set_running_or_notify_cancel()])

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
            if len(waiting) > 1:  # in halves: most of those that can be answered stay together
                middle = len(waiting) // 2
                self._settle(waiting[:middle])
                self._settle(waiting[middle:])
            else:
                _refuse(waiting, error)
        except BaseException as error:  # noqa: BLE001  (as above; meant for a thread, and not for theirs)
            _refuse(waiting, _ended(error))
        else:
            for each, share in zip(waiting, shares, strict=True):
                each.answer.set_result(share)


def _refuse(waiting: Sequence[_Waiting], error: Exception) -> None:
    # An event loop takes no StopIteration: whoever waits for it would wait for ever.
    told = _ended(error) if isinstance(error, StopIteration) else error
    for each in waiting:
        each.answer.set_exception(told)


def _ended(error: BaseException) -> StoreError:
    made = StoreError(f"expected an answer, the search ended by {type(error).__name__}: {error}")
    made.__cause__ = error
    return made
