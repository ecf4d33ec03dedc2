"""Calls to a foreign model: at the rate that it allows, and again after what may pass."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from trivet.embedding.failures import asked_wait_s, may_pass
from trivet.embedding.policy import CallPolicy
from trivet.errors import EmbeddingError

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MINUTE_S = 60.0
# Waits are drawn between nothing and 1, 2, 4 … seconds, at most this: full jitter, so that clients
# that failed together do not come back together.
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 30.0


@dataclass(frozen=True)
class Clock:
    """Time and chance.

    Attributes:
        now: seconds that never run backwards.
        today: seconds since 1970.
        sleep: waits so many seconds.
        chance: a number from 0 to 1.
    """

    now: Callable[[], float] = time.monotonic
    today: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


class Caller:
    """Calls one foreign model by its policy; several threads may share it.

    Args:
        name: of the model.
        policy: how it may be called.
        clock: time and chance.
    """

    def __init__(self, name: str, policy: CallPolicy, clock: Clock) -> None:
        self._name = name
        self._policy = policy
        self._clock = clock
        self._begun: deque[float] = deque(maxlen=policy.requests_per_minute)
        self._lock = threading.Lock()

    def call(self, send: Callable[[], T]) -> T:
        """The answer to one batch.

        Args:
            send: asks the model once.

        Raises:
            EmbeddingError: it failed with what does not pass, or too often, or for too long.
        """
        attempt, started = 0, 0.0
        while True:
            self._wait_for_turn()
            attempt += 1
            started = self._clock.now() if attempt == 1 else started
            try:
                return send()
            except Exception as error:  # noqa: BLE001 - whatever a foreign client raises
                wait_s = self._wait_after(error, attempt, self._clock.now() - started)
                logger.info("%s failed (%s): again in %.1f s", self._name, error, wait_s)
            self._clock.sleep(wait_s)

    def _wait_after(self, error: Exception, attempt: int, elapsed_s: float) -> float:
        """Seconds until the next attempt; raises where there shall be none."""
        got = f"expected vectors from {self._name!r}, got {type(error).__name__} ({error})"
        if not may_pass(error):
            raise EmbeddingError(f"{got}: correct the call or the service") from error
        if attempt == self._policy.attempts:
            raise EmbeddingError(
                f"{got} at the last of {attempt} attempts: try again later, or allow more attempts"
            ) from error
        asked_s = asked_wait_s(error, self._clock.today())
        longest_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (attempt - 1))
        wait_s = longest_s * self._clock.chance() if asked_s is None else asked_s
        if elapsed_s + wait_s > self._policy.patience_s:
            raise EmbeddingError(
                f"{got} after {elapsed_s:.0f} s, and to wait {wait_s:.0f} s more, which is more "
                f"than the patience of {self._policy.patience_s:g} s: try again later"
            ) from error
        return wait_s

    def _wait_for_turn(self) -> None:
        """Wait until another call may begin, by a place that is taken before the waiting."""
        most = self._policy.requests_per_minute
        if most is None:
            return
        with self._lock:
            now = self._clock.now()
            full = len(self._begun) == most
            begin = max(now, self._begun[0] + _MINUTE_S) if full else now
            self._begun.append(begin)
        if begin > now:
            self._clock.sleep(begin - now)


def batches(texts: Sequence[str], tokens: Sequence[int], policy: CallPolicy) -> Iterator[list[str]]:
    """The texts of each call, in order.

    Args:
        texts: n texts.
        tokens: of each.
        policy: says how many there may be.
    """
    batch: list[str] = []
    total = 0
    for text, count in zip(texts, tokens, strict=True):
        over = policy.batch_tokens is not None and total + count > policy.batch_tokens
        if batch and (over or len(batch) == policy.batch_size):
            yield batch
            batch, total = [], 0
        batch.append(text)
        total += count
    if batch:
        yield batch
