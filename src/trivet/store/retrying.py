"""Requests that may fail for a while: sent again with growing pauses, in halves, within limits."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from trivet.errors import (
    ServerAccessError,
    ServerRefusedError,
    ServerUnavailableError,
    StoreError,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

# Pauses double from the first to the longest; each is drawn from nothing to that ("full jitter"),
# so that clients that failed together do not come back together.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True)
class Timing:
    """Where time and chance come from.

    Attributes:
        wall: seconds since 1970, which other machines agree on.
        monotonic: seconds that never jump.
        sleep: waits so many seconds.
        random: a number in [0, 1).
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random


@dataclass(frozen=True)
class Failure:
    """Why a request failed.

    Attributes:
        kind: what helps: "refused" = another request; "denied" = nothing that a request could do;
            "no access" = another key;
            "too large" = a smaller one; "timeout" = time or a smaller one; "unavailable" = time.
        reason: for people; holds no secret.
        retry_after_s: when the server wants to be asked again, if it said so.
    """

    kind: Literal["refused", "denied", "no access", "too large", "timeout", "unavailable"]
    reason: str
    retry_after_s: float | None = None


@dataclass
class _Effort:
    """What one request may still cost."""

    started_s: float
    failures: int = field(default=0)


class Retrying:
    """Sends requests until they succeed, or until that is not worth the wait any more.

    Only for requests that may be done twice.

    Args:
        attempts: times that a request is sent, without a success between them.
        total_s: after so long no further attempt is begun.
        diagnose: what an exception means; raises those that are no failed requests.
        timing: where time and chance come from.
    """

    def __init__(
        self,
        attempts: int,
        total_s: float,
        diagnose: Callable[[Exception], Failure],
        timing: Timing,
    ) -> None:
        self._attempts = attempts
        self._total_s = total_s
        self._diagnose = diagnose
        self._timing = timing

    def call(self, action: str, request: Callable[[], R]) -> R:
        """Send one request.

        Args:
            action: what it does, for messages: "read the collection".
            request: sends it.

        Raises:
            ServerRefusedError: this request will never succeed.
            ServerUnavailableError: it did not succeed within the limits.
            ServerAccessError: it wants another key.
            StoreError: the server does nothing of the kind, such as of a collection that is gone.
        """
        (result,) = self.in_parts(action, [None], lambda _: request())
        return result

    def in_parts(
        self, action: str, items: Sequence[T], request: Callable[[Sequence[T]], R]
    ) -> list[R]:
        """Send all items, in order; a part that is too large or too slow is sent in halves.

        Args:
            action: as for `call`.
            items: at least one.
            request: sends some of them.

        Returns:
            The result of each part that was sent.

        Raises:
            ServerRefusedError, ServerUnavailableError, StoreError: as `call`; some parts may have
                been done.
        """
        effort = _Effort(self._timing.monotonic())
        results: list[R] = []
        waiting = [items]
        while waiting:
            part = waiting.pop()
            try:
                results.append(request(part))
            except Exception as error:  # noqa: BLE001  (diagnose raises what is no failed request)
                failure = self._diagnose(error)
                _require_hope(action, failure, len(part), error)
                if failure.kind in ("too large", "timeout") and len(part) > 1:
                    waiting += _halves(part)
                    logger.info("cannot %s %d at a time: %s", action, len(part), failure.reason)
                else:
                    waiting.append(part)
                if failure.kind != "too large":
                    self._pause(action, failure, effort, error)
            else:
                effort.failures = 0
        return results

    def _pause(self, action: str, failure: Failure, effort: _Effort, error: Exception) -> None:
        """Wait before the next attempt; raise where there is none."""
        effort.failures += 1
        spent_s = self._timing.monotonic() - effort.started_s
        longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (effort.failures - 1))
        pause_s = self._timing.random() * longest_s + (failure.retry_after_s or 0.0)
        if effort.failures >= self._attempts or spent_s + pause_s > self._total_s:
            raise ServerUnavailableError(
                f"the server did not {action}: {failure.reason} (attempt {effort.failures}, after "
                f"{spent_s:.0f} s): see that it is up and not overloaded, then do the same again"
            ) from error
        logger.info("could not %s, again in %.1f s: %s", action, pause_s, failure.reason)
        self._timing.sleep(pause_s)


def _halves(part: Sequence[T]) -> list[Sequence[T]]:
    """The second half and the first, as a stack takes them."""
    middle = len(part) // 2
    return [part[middle:], part[:middle]]


def _require_hope(action: str, failure: Failure, size: int, error: Exception) -> None:
    """Raise what no repetition would mend."""
    if failure.kind == "no access":
        raise ServerAccessError(f"the server does not {action}: {failure.reason}") from error
    if failure.kind == "denied":
        raise StoreError(f"the server does not {action}: {failure.reason}") from error
    if failure.kind == "refused" or (failure.kind == "too large" and size == 1):
        raise ServerRefusedError(f"the server will not {action}: {failure.reason}") from error
