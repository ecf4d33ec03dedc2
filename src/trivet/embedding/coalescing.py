"""Small calls that wait for one another share a pass."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from trivet.embedding.tokenizing import TokenisedText

if TYPE_CHECKING:
    from trivet.embedding.job import Job, Made


logger = logging.getLogger(__name__)


class Coalescer:
    """Runs the calls of several threads, those that came during a pass together in the next.

    Nobody else works for them: a caller that finds no pass under way runs one, of all the calls
    that wait. A call as large as a full batch gains nothing by company and makes others wait: it
    runs by itself, at once.

    This is for devices where a pass costs about the same however many texts it has, and for
    precisions that promise no bits. A text's bits depend on its batch mates: padded to another
    length, 55 of 100 documents of Cranfield differ in a last bit on oneDNN's kernel, and on torch's
    own the number of texts counts too; in float32 the same call gives the same bits. And on a
    processor of two cores there is nothing to win: eight threads with a query each spend 1.2 times
    less CPU time in bfloat16 and wait twice as long, for passes one after the other leave a core
    idle that passes side by side do not.

    Args:
        run: makes the legs of n texts.
        limit: the most tokens of the texts of a pass.
    """

    def __init__(self, run: Callable[[Sequence[TokenisedText], Job], Made], *, limit: int) -> None:
        self._run = run
        self._limit = limit
        self._waiting: list[_Call] = []
        self._busy = False
        self._state = threading.Condition()

    def represent(self, texts: Sequence[TokenisedText], job: Job) -> Made:
        """The legs of n ≥ 1 texts; errors are those of these texts alone."""
        call = _Call(texts, job)
        if call.tokens >= self._limit:
            return self._run(texts, job)
        with self._state:
            self._waiting.append(call)
        try:
            while self._must_run(call):
                self._run_next()
        except BaseException:  # an interrupt: nobody waits for this call any more
            with self._state:
                if call in self._waiting:
                    self._waiting.remove(call)
            raise
        return call.result()

    def _must_run(self, call: _Call) -> bool:
        """Wait until the call is done, or until its thread must run the next pass."""
        with self._state:
            self._state.wait_for(lambda: call.is_done or not self._busy)
            if call.is_done:
                return False
            self._busy = True
            return True

    def _run_next(self) -> None:
        group: list[_Call] = []
        try:
            with self._state:
                group = self._take()
            self._run_group(group)
        finally:
            with self._state:
                self._busy = False
                # Those of an interrupted pass wait again, first.
                self._waiting[:0] = [call for call in group if not call.is_done]
                self._state.notify_all()

    def _take(self) -> list[_Call]:
        """The call that waited longest, and those that fit beside it."""
        first = self._waiting[0]
        group, tokens = [], 0
        for call in self._waiting:
            if call.job == first.job and tokens + call.tokens <= self._limit:
                group.append(call)
                tokens += call.tokens
        self._waiting = [call for call in self._waiting if call not in group]
        return group

    def _run_group(self, group: Sequence[_Call]) -> None:
        if len(group) == 1 or not self._run_together(group):
            for call in group:
                self._run_alone(call)

    def _run_together(self, group: Sequence[_Call]) -> bool:
        """Whether one pass served them all; if not, whoever is to blame meets it again, alone."""
        texts = [text for call in group for text in call.texts]
        try:
            made = self._run(texts, group[0].job)
        except Exception as error:  # noqa: BLE001 - of one call or of all: that shows alone
            logger.info("running %d calls one by one: %s", len(group), error)
            return False
        start = 0
        for call in group:
            call.made = made.part(start, start + len(call.texts))
            start += len(call.texts)
        return True

    def _run_alone(self, call: _Call) -> None:
        try:
            call.made = self._run(call.texts, call.job)
        except Exception as error:  # noqa: BLE001 - raised in the thread that called
            call.error = error


class _Call:
    """One thread's call, and what became of it."""

    def __init__(self, texts: Sequence[TokenisedText], job: Job) -> None:
        self.texts = texts
        self.job = job
        self.tokens = sum(len(text.ids) for text in texts)
        self.made: Made | None = None
        self.error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.made is not None or self.error is not None

    def result(self) -> Made:
        if self.made is None:
            assert self.error is not None  # it is done
            raise self.error
        return self.made
