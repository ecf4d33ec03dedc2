"""Thinkers that ask a language model: prompt, call, parse, clean, count, and nothing raised."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

from trivet.generation import Completion
from trivet.thinking.cleaning import clean_thoughts
from trivet.thinking.interface import Status, ThinkRequest, ThinkResult, Usage, nothing
from trivet.thinking.parsing import parse_thoughts
from trivet.thinking.templates import Template, template_for, template_tasks
from trivet.thinking.threads import DaemonThreads, run_coroutine

Answer: TypeAlias = "str | Completion"
Writer: TypeAlias = "Callable[[str], Answer] | Callable[[str], Awaitable[Answer]]"

# Characters of a token, where a model does not count them for us.
CHARACTERS_A_TOKEN = 4


class WritingThinker:
    """A thinker of any function that answers a prompt: a language model behind a call.

    Args:
        write: prompt → text, or a `Completion` that tells its tokens; may be async. It is called
            by several threads at once.
        awrite: the same without blocking an event loop; None = `write` serves both.
        name: of the model with its revision and sampling: whatever changes its thoughts.
        templates: task → template; None = the packaged ones.
    """

    def __init__(
        self,
        write: Writer,
        *,
        name: str,
        awrite: Callable[[str], Awaitable[Answer]] | None = None,
        templates: Callable[[str], Template] | None = None,
    ) -> None:
        self._write = write
        self._awrite = awrite
        self._templates = templates or template_for
        self._is_async = inspect.iscoroutinefunction(write) or inspect.iscoroutinefunction(
            getattr(write, "__call__", None)  # noqa: B004  (an object with an async call)
        )
        self._threads = DaemonThreads()
        versions = dict.fromkeys(self._version(task) for task in template_tasks())
        self.fingerprint = "|".join([name, *versions])

    def think(self, request: ThinkRequest) -> ThinkResult:
        """Think, in the caller's thread; as `Thinker.think`."""
        if self._is_async:
            return run_coroutine(self.athink(request))
        start = time.monotonic()
        try:
            prompt = self._templates(request.task).render(request)
            answer = self._write(prompt)
        except Exception as error:  # noqa: BLE001  (a model behind it may fail in any way)
            return self._failed(error, start)
        return self._read(prompt, answer, request, start)

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        """As `think`, without blocking the event loop."""
        awrite = self._awrite
        if awrite is None and self._is_async:
            awrite = cast("Callable[[str], Awaitable[Answer]]", self._write)
        if awrite is None:
            future = self._threads.start(lambda: self.think(request))
            if future is None:
                return nothing("skipped", "too many thoughts are under way", self.fingerprint)
            return await asyncio.wrap_future(future)
        start = time.monotonic()
        try:
            prompt = self._templates(request.task).render(request)
            answer = await awrite(prompt)
        except Exception as error:  # noqa: BLE001  (as above)
            return self._failed(error, start)
        return self._read(prompt, answer, request, start)

    def _version(self, task: str) -> str:
        try:
            return self._templates(task).version
        except Exception:  # noqa: BLE001  (templates of the caller's, which need not know every task)
            return ""

    def _failed(self, error: Exception, start: float) -> ThinkResult:
        reason = f"{type(error).__name__}: {error}"[:300]
        return nothing("error", reason, self.fingerprint, time.monotonic() - start)

    def _read(
        self, prompt: str, answer: object, request: ThinkRequest, start: float
    ) -> ThinkResult:
        """What a model answered, as a result."""
        completion = Completion(answer) if isinstance(answer, str) else answer
        elapsed = time.monotonic() - start
        if not isinstance(completion, Completion) or not isinstance(completion.text, str):
            reason = f"expected a text, got {type(answer).__name__}"
            return nothing("error", reason, self.fingerprint, elapsed)
        usage = Usage(
            1,
            _tokens(completion.input_tokens, prompt),
            _tokens(completion.output_tokens, completion.text),
        )
        try:
            kept, dropped = clean_thoughts(parse_thoughts(completion.text), request.query)
        except Exception as error:  # noqa: BLE001  (no text may ever break a search)
            return self._failed(error, start)
        wanted = tuple(thought for thought in kept if thought.kind in request.kinds)
        complete = {thought.kind for thought in wanted} == set(request.kinds)
        status: Status = "ok" if complete else "partial" if wanted else "error"
        reason = "" if complete else "; ".join(d.reason for d in dropped) or "nothing to use came"
        return ThinkResult(
            wanted, status, usage, elapsed, self.fingerprint, reason, dropped
        )  # fmt: skip


def _tokens(counted: object, text: str) -> int:
    if isinstance(counted, int) and not isinstance(counted, bool) and counted >= 0:
        return counted
    return math.ceil(len(text) / CHARACTERS_A_TOKEN)
