"""Searches that think: the plain search at once, thoughts beside it, and both by the deadline."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from trivet.query import text_problem
from trivet.thinking.interface import (
    STATUSES,
    Dropped,
    Thinker,
    ThinkRequest,
    ThinkResult,
    Thought,
    nothing,
)
from trivet.thinking.report import JudgedThought, Thinking, ThoughtReport
from trivet.thinking.threads import DaemonThreads
from trivet.types import Hit

if TYPE_CHECKING:
    from trivet.index.search import Asked

logger = logging.getLogger(__name__)

AnswerMany: TypeAlias = "Callable[[Sequence[Asked]], list[list[Hit]]]"
AnswerOne: TypeAlias = "Callable[[Asked, float | None], Awaitable[list[Hit]]]"

DEFAULT_TASK = "search"
# Of one query, whatever a thinker makes: a passage is asked for in 60 words.
MAX_THOUGHTS = 16
MAX_CHARACTERS = 20_000


@dataclass
class _Noted:
    """What is known of the thoughts of one query so far."""

    result: ThinkResult
    judged: tuple[JudgedThought, ...] = ()
    guard: float = 0.0
    failure: str = ""
    start: float = field(default_factory=time.monotonic)

    def judge(self, judged: Sequence[JudgedThought], guard: float) -> None:
        """Take down what the guard says."""
        self.judged, self.guard = tuple(judged), guard

    def asked(self, asked: Asked, thinking: Thinking, plain: list[Hit]) -> Asked:
        """The query with its thoughts."""
        # The door to qdrant_client, as for every search.
        from trivet.index.thoughts import AskedThoughts

        thoughts = AskedThoughts(
            self.result.thoughts, thinking.weights, thinking.guard, plain, self.judge
        )
        return replace(asked, thoughts=thoughts)

    def report(self, query: str) -> ThoughtReport:
        """What is told in the end."""
        result = self.result
        judged = tuple(replace(each, kept=False) for each in self.judged)
        return ThoughtReport(
            query=query,
            status="error" if self.failure else result.status,
            reason=self.failure or result.reason,
            thoughts=judged if self.failure else self.judged,
            guard=self.guard,
            dropped=result.dropped,
            usage=result.usage,
            thinking_s=result.elapsed_s,
            elapsed_s=time.monotonic() - self.start,
            thinker=result.thinker,
        )


def search_thinking(
    answer: AnswerMany,
    asked: Sequence[Asked],
    thinking: Thinking,
    threads: DaemonThreads,
    prepare: Callable[[], None],
) -> list[list[Hit]]:
    """The hits of each query, with thoughts where some came in time.

    Args:
        answer: answers searches.
        asked: without thoughts.
        thinking: how to think.
        threads: that thinkers run in; a thinker that hangs keeps its own, up to their number.
        prepare: called when the plain search is done, to make use of the time.
    """
    start = time.monotonic()
    requests = [_request(each, thinking) for each in asked]
    begun = _begin(requests, thinking, threads, start + thinking.deadline_s)
    plain = answer(asked)
    if thinking.guard is None:
        prepare()
    running = [future for future in begun.values() if future is not None]
    wait(running, max(0.0, start + thinking.deadline_s - time.monotonic()))
    noted = [_Noted(_so_far(begun[request], thinking, start), start=start) for request in requests]
    hits = list(plain)
    thoughtful = [i for i, each in enumerate(noted) if each.result.thoughts]
    if thoughtful:
        try:
            better = answer([noted[i].asked(asked[i], thinking, plain[i]) for i in thoughtful])
            hits = [better[thoughtful.index(i)] if i in thoughtful else h
                    for i, h in enumerate(plain)]  # fmt: skip
        except Exception as error:  # noqa: BLE001  (the plain hits are there, and stand)
            _fail([noted[i] for i in thoughtful], error)
    _tell(thinking, asked, noted)
    return hits


async def asearch_thinking(
    answer: AnswerOne,
    asked: Asked,
    thinking: Thinking,
    timeout_s: float | None,
    prepare: Callable[[], None],
) -> list[Hit]:
    """As `search_thinking` for one query, without blocking the event loop.

    Args:
        answer: answers a search within so many seconds.
        asked: without thoughts.
        thinking: how to think.
        timeout_s: for all of it; None = as long as it takes.
        prepare: called when the plain search is done, to make use of the time.
    """
    start = time.monotonic()
    request = _request(asked, thinking)
    task = asyncio.ensure_future(_athinking(thinking.thinker, request))
    try:
        plain = await answer(asked, timeout_s)
        if thinking.guard is None:
            prepare()
        patience = thinking.deadline_s if timeout_s is None else min(thinking.deadline_s, timeout_s)
        await asyncio.wait({task}, timeout=max(0.0, start + patience - time.monotonic()))
        if task.cancelled():  # by the thinker itself: this search was not
            result = nothing("error", "it was cancelled", _name_of(thinking.thinker))
        else:
            result = task.result() if task.done() else _late(thinking, start)
        noted = _Noted(result, start=start)
    finally:
        task.cancel()
    hits = plain
    if noted.result.thoughts:
        # What the whole search may still take; something, so that the attempt fails by itself.
        rest = None if timeout_s is None else max(0.001, start + timeout_s - time.monotonic())
        try:
            hits = await answer(noted.asked(asked, thinking, plain), rest)
        except Exception as error:  # noqa: BLE001  (the plain hits are there, and stand)
            _fail([noted], error)
    _tell(thinking, [asked], [noted])
    return hits


def _request(asked: Asked, thinking: Thinking) -> ThinkRequest:
    return ThinkRequest(
        asked.query.text,
        task=asked.query.task or DEFAULT_TASK,
        kinds=tuple(thinking.kinds),
        deadline_s=thinking.deadline_s,
        language=thinking.language,
        tenant=thinking.tenant,
    )


def _begin(
    requests: Sequence[ThinkRequest], thinking: Thinking, threads: DaemonThreads, end: float
) -> dict[ThinkRequest, Future[ThinkResult] | None]:
    """Think about each request, as many at a time as may; None where no thread is free at all."""
    begun: dict[ThinkRequest, Future[ThinkResult] | None] = {}
    waiting: deque[tuple[ThinkRequest, Future[ThinkResult]]] = deque()
    for request in dict.fromkeys(requests):
        future: Future[ThinkResult] = Future()
        begun[request] = future
        waiting.append((request, future))

    def think() -> None:
        while time.monotonic() < end:
            try:
                request, future = waiting.popleft()
            except IndexError:
                return
            future.set_result(_thinking(thinking.thinker, request)())

    started = [threads.start(think) for _ in begun]
    if all(each is None for each in started):
        return dict.fromkeys(begun)
    return begun


def _thinking(thinker: Thinker, request: ThinkRequest) -> Callable[[], ThinkResult]:
    def think() -> ThinkResult:
        start = time.monotonic()
        try:
            return _checked(thinker.think(request), thinker, start)
        except BaseException as error:  # noqa: BLE001  (this thread is the thinker's alone)
            return _broken(thinker, error, start)

    return think


async def _athinking(thinker: Thinker, request: ThinkRequest) -> ThinkResult:
    start = time.monotonic()
    try:
        return _checked(await thinker.athink(request), thinker, start)
    except Exception as error:  # noqa: BLE001  (a thinker that breaks its word)
        return _broken(thinker, error, start)


def _broken(thinker: Thinker, error: BaseException, start: float) -> ThinkResult:
    reason = f"{type(error).__name__}: {error}"[:300]
    return nothing("error", reason, _name_of(thinker), time.monotonic() - start)


def _name_of(thinker: Thinker) -> str:
    """Its fingerprint; of one that has none just now, its class."""
    try:
        return str(thinker.fingerprint)
    except Exception:  # noqa: BLE001  (a thinker that breaks its word)
        return type(thinker).__name__


def _checked(result: object, thinker: Thinker, start: float) -> ThinkResult:
    if not isinstance(result, ThinkResult) or result.status not in STATUSES:
        error = TypeError(f"expected a ThinkResult, got {type(result).__name__}")
        return _broken(thinker, error, start)
    strange = [each for each in result.thoughts if not isinstance(each, Thought)]
    if strange:
        error = TypeError(f"expected thoughts, got {type(strange[0]).__name__}")
        return _broken(thinker, error, start)
    return _bounded(result)


def _bounded(result: ThinkResult) -> ThinkResult:
    """What a search can take in: more would cost all that wait with it seconds."""
    kept: list[Thought] = []
    dropped: list[Dropped] = []
    for thought in result.thoughts:
        if len(thought.text) > MAX_CHARACTERS:
            dropped.append(Dropped(thought.text[:200], "too long"))
        elif len(kept) == MAX_THOUGHTS:
            dropped.append(Dropped(thought.text[:200], "too many"))
        elif text_problem(thought.text):
            dropped.append(Dropped("", "no text"))
        else:
            kept.append(thought)
    if not dropped:
        return result
    return replace(result, thoughts=tuple(kept), dropped=(*result.dropped, *dropped))


def _so_far(
    future: Future[ThinkResult] | None, thinking: Thinking, start: float
) -> ThinkResult:  # fmt: skip
    if future is None:
        reason = "as many thoughts as may are under way"
        return nothing("skipped", reason, _name_of(thinking.thinker))
    return future.result() if future.done() else _late(thinking, start)


def _late(thinking: Thinking, start: float) -> ThinkResult:
    reason = f"nothing came within {thinking.deadline_s:g} s"
    elapsed = time.monotonic() - start
    return nothing("timeout", reason, _name_of(thinking.thinker), elapsed)


def _fail(noted: Sequence[_Noted], error: Exception) -> None:
    logger.warning("a search goes without its thoughts: %s: %s", type(error).__name__, error)
    for each in noted:
        each.failure = f"{type(error).__name__}: {error}"[:300]


def _tell(thinking: Thinking, asked: Sequence[Asked], noted: Sequence[_Noted]) -> None:
    if thinking.tell is not None:
        for each, one in zip(asked, noted, strict=True):
            thinking.tell(one.report(each.query.text))
