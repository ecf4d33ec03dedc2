"""Thinkers around other thinkers that decide whether to ask: budgets and gates."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Collection
from typing import TypeAlias

from trivet.errors import InvalidInputError
from trivet.thinking.interface import Thinker, ThinkRequest, ThinkResult, nothing

Policy: TypeAlias = Callable[[ThinkRequest], str]

# Beyond so many words thoughts gained nothing on two collections; of one or two, most are names.
MAX_QUERY_WORDS = 60
MIN_QUERY_WORDS = 3

_QUOTED = re.compile(r"^\s*[\"“„«'].+[\"”“»']\s*$", re.DOTALL)
_IDENTIFIER = re.compile(
    r"^(?:[\w.-]*\d[\w.-]*[-_/.:#][\w.-]*|[A-Z]{2,}[-_ ]?\d+|[\w-]+(?:[_/.:]+[\w-]+)+"
    r"|[a-z]+(?:[A-Z][a-z0-9]+)+|\w+\(\)|[0-9a-fA-F-]{8,})$"
)
_CODE = re.compile(
    r"[{};]\s*$|=>|->|::|==|!=|&&|\|\||\bdef \w+\(|\bimport \w|\bSELECT\b.+\bFROM\b"
    r"|\w+\([^)]*\)\s*[;{.=]|^\s*(?:https?://|/[\w./-]+$|[\w.]+Error\b)",
    re.MULTILINE,
)


def skip_reason(request: ThinkRequest) -> str:
    """Why thinking about a query hardly pays; "" if it may.

    Queries that name a thing exactly (quoted, identifiers, code) and very short or long ones.
    """
    words = request.query.split()
    if _QUOTED.match(request.query):
        return "the query is quoted"
    if _CODE.search(request.query):
        return "the query is code"
    if words and all(_IDENTIFIER.match(word) for word in words):
        return "the query is an identifier"
    if len(words) > MAX_QUERY_WORDS:
        return f"the query has more than {MAX_QUERY_WORDS} words"
    if len(words) < MIN_QUERY_WORDS and request.query.isascii():
        return f"the query has fewer than {MIN_QUERY_WORDS} words"
    return ""


class Gated:
    """Asks another thinker only where a policy finds no reason against it.

    Args:
        thinker: asked then.
        policy: request → why not, or "".
        without: tasks that are never thought about.

    Raises:
        InvalidInputError: one task in place of a list of them.
    """

    def __init__(
        self, thinker: Thinker, *, policy: Policy = skip_reason, without: Collection[str] = ()
    ) -> None:
        if isinstance(without, str):
            raise InvalidInputError(f"expected a list of tasks, got {without!r}: put it in a list")
        self._thinker = thinker
        self._policy = policy
        self._without = frozenset(without)
        self.fingerprint = thinker.fingerprint

    def think(self, request: ThinkRequest) -> ThinkResult:
        """Think, unless there is a reason not to; as `Thinker.think`."""
        reason = self._reason(request)
        return self._skipped(reason) if reason else self._thinker.think(request)

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        """As `think`, without blocking the event loop."""
        reason = self._reason(request)
        return self._skipped(reason) if reason else await self._thinker.athink(request)

    def _reason(self, request: ThinkRequest) -> str:
        if request.task in self._without:
            return f"no thinking for {request.task!r}"
        try:
            return self._policy(request)
        except Exception as error:  # noqa: BLE001  (a policy may never break a search)
            return f"the policy failed: {type(error).__name__}: {error}"[:300]

    def _skipped(self, reason: str) -> ThinkResult:
        return nothing("skipped", reason, self.fingerprint)


class Budgeted:
    """Asks another thinker only while there is something left of a budget.

    A call that is under way is counted before its tokens are known, so a tokens' budget may be
    overdrawn by the calls that run at the same time.

    Args:
        thinker: asked then.
        calls: at most so many; None = any number.
        tokens: read and written, at most so many; None = any number.
        per_s: the budget is full again after so many seconds; None = never.

    Raises:
        InvalidInputError: a negative number, or seconds that are not above 0.
    """

    def __init__(
        self,
        thinker: Thinker,
        *,
        calls: int | None = None,
        tokens: int | None = None,
        per_s: float | None = None,
    ) -> None:
        for name, number in (("calls", calls), ("tokens", tokens)):
            if number is not None and (isinstance(number, bool) or not number >= 0):
                raise InvalidInputError(f"expected {name} of 0 or more, got {number!r}")
        if per_s is not None and not 0 < per_s < math.inf:
            raise InvalidInputError(f"expected per_s to be seconds above 0, got {per_s!r}")
        self._thinker = thinker
        self._calls, self._tokens, self._per_s = calls, tokens, per_s
        self._spent_calls = self._spent_tokens = 0
        self._since = time.monotonic()
        self._counting = threading.Lock()
        self.fingerprint = thinker.fingerprint

    @property
    def spent(self) -> tuple[int, int]:
        """Calls and tokens of this budget so far."""
        with self._counting:
            return self._spent_calls, self._spent_tokens

    def think(self, request: ThinkRequest) -> ThinkResult:
        """Think, if the budget allows; as `Thinker.think`."""
        reason = self._begin()
        if reason:
            return nothing("skipped", reason, self.fingerprint)
        return self._counted(self._thinker.think(request))

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        """As `think`, without blocking the event loop."""
        reason = self._begin()
        if reason:
            return nothing("skipped", reason, self.fingerprint)
        return self._counted(await self._thinker.athink(request))

    def _begin(self) -> str:
        """Take a call from the budget; why not, if there is none."""
        with self._counting:
            now = time.monotonic()
            if self._per_s is not None and now - self._since >= self._per_s:
                self._spent_calls = self._spent_tokens = 0
                self._since = now
            if self._calls is not None and self._spent_calls >= self._calls:
                return f"the budget of {self._calls} calls is spent"
            if self._tokens is not None and self._spent_tokens >= self._tokens:
                return f"the budget of {self._tokens} tokens is spent"
            self._spent_calls += 1
            return ""

    def _counted(self, result: ThinkResult) -> ThinkResult:
        with self._counting:
            self._spent_tokens += result.usage.tokens
            # A result out of a cache, or of a gate, cost no call.
            if not result.usage.calls and result.status in ("cached", "skipped"):
                self._spent_calls -= 1
        return result
