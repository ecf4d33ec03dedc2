"""How a search is to be thought about, and what it tells of that afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from trivet.errors import InvalidInputError, TenantError
from trivet.thinking.combine import Weights
from trivet.thinking.interface import (
    DEADLINE_S,
    KINDS,
    Dropped,
    Kind,
    Status,
    Thinker,
    Thought,
    Usage,
)


@dataclass(frozen=True)
class JudgedThought:
    """A thought, and what the guard says of it.

    Attributes:
        thought: as it was written, cleaned.
        likeness: to the query: the cosine, or the share of the query's terms that are in it
            where the index has no vectors of meaning.
        kept: whether it took part in the search.
    """

    thought: Thought
    likeness: float
    kept: bool


@dataclass(frozen=True)
class ThoughtReport:
    """What was thought about one query of a search.

    Attributes:
        query: its text.
        status: of the thinker; "timeout" where nothing came by the deadline.
        reason: why, where nothing or not all came.
        thoughts: all that came, each with the guard's word.
        guard: the least likeness of a thought that is kept.
        dropped: texts that were never thoughts: refusals, echoes and the like.
        usage: calls and tokens.
        thinking_s: that the thinker took.
        elapsed_s: that the whole search took.
        thinker: its fingerprint.
    """

    query: str
    status: Status
    reason: str
    thoughts: tuple[JudgedThought, ...]
    guard: float
    dropped: tuple[Dropped, ...]
    usage: Usage
    thinking_s: float
    elapsed_s: float
    thinker: str

    @property
    def used(self) -> bool:
        """Whether the hits differ from those of the plain search by a thought."""
        return any(judged.kept for judged in self.thoughts)


@dataclass(frozen=True)
class Thinking:
    """How a search is to be thought about: `index.search(query, think=Thinking(thinker, …))`.

    Attributes:
        thinker: asked while the plain search runs.
        deadline_s: from the start of the search; what has not come by then is not waited for.
        guard: the least likeness of a thought to its query, from -1 to 1; None = found for the
            index's embedder, once.
        weights: of thoughts against the query.
        kinds: of thoughts that are asked for.
        language: to think in (its English name); None = the query's.
        tenant: whose queries they are, for the cache; None = the one that is searched. Another
            one than that is refused.
        tell: called with what was thought about each query, in their order, before the search
            returns.

    Raises:
        InvalidInputError: no thinker, or a value that cannot mean anything.
    """

    thinker: Thinker
    deadline_s: float = DEADLINE_S
    guard: float | None = None
    weights: Weights = field(default_factory=Weights)
    kinds: tuple[Kind, ...] = KINDS
    language: str | None = None
    tenant: str | None = None
    tell: Callable[[ThoughtReport], None] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.thinker, Thinker) or isinstance(self.thinker, type):
            raise InvalidInputError(
                f"expected a thinker (fingerprint, think, athink), got {self.thinker!r}: a "
                "function becomes one by WritingThinker(function, name=…)"
            )
        if not 0 < self.deadline_s < math.inf:
            raise InvalidInputError(
                f"expected deadline_s to be seconds above 0, got {self.deadline_s!r}"
            )
        if self.guard is not None and not -1 <= self.guard <= 1:
            raise InvalidInputError(f"expected a guard from -1 to 1, got {self.guard!r}")
        if not self.kinds or any(kind not in KINDS for kind in self.kinds):
            raise InvalidInputError(f"expected kinds out of {', '.join(KINDS)}, got {self.kinds!r}")


def checked_thinking(think: object, tenant: str | None) -> Thinking:
    """How to think; thoughts are kept apart by the tenant that is searched.

    Raises:
        InvalidInputError: neither a thinker nor a `Thinking`.
        TenantError: a `Thinking` for another tenant.
    """
    if isinstance(think, Thinking):
        thinking = think
    elif isinstance(think, Thinker):
        thinking = Thinking(think)
    else:
        raise InvalidInputError(
            f"expected think to be a thinker or trivet.thinking.Thinking, got {think!r}"
        )
    if thinking.tenant is None:
        return replace(thinking, tenant=tenant)
    if tenant not in (None, thinking.tenant):
        raise TenantError(
            f"expected thinking for the tenant {tenant!r}, which is searched, got "
            f"tenant={thinking.tenant!r}: leave it out"
        )
    return thinking
