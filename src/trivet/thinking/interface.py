"""What every thinker does: a query in, thoughts for retrieval out, and never an exception."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeAlias, get_args, runtime_checkable

from trivet.errors import InvalidInputError

Kind: TypeAlias = Literal["passage", "keywords"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Status: TypeAlias = Literal["ok", "cached", "partial", "skipped", "timeout", "error"]
STATUSES: tuple[Status, ...] = get_args(Status)

DEADLINE_S = 2.5


@dataclass(frozen=True)
class Thought:
    """A text that may help to find documents: untrusted, and never part of an answer.

    Attributes:
        text: not blank.
        kind: "passage", as a document that answers might read, or "keywords", comma separated.
        weight: against the other thoughts of the same query.

    Raises:
        InvalidInputError: no text, an unknown kind, or a weight that is not above 0.
    """

    text: str
    kind: Kind = "passage"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise InvalidInputError(f"expected a thought with text in it, got {self.text!r}")
        if self.kind not in KINDS:
            raise InvalidInputError(f"expected a kind out of {', '.join(KINDS)}, got {self.kind!r}")
        if not 0 < self.weight < float("inf"):
            raise InvalidInputError(f"expected a weight above 0, got {self.weight!r}")


@dataclass(frozen=True)
class ThinkRequest:
    """What a thinker is asked.

    Attributes:
        query: the user's text, as it is.
        task: what is searched for; chooses the template.
        kinds: wanted.
        max_tokens: the most that may be written.
        deadline_s: how long whoever asks will wait.
        language: to write in (its English name); None = the query's.
        tenant: whose query it is; thoughts of one tenant never serve another.
    """

    query: str
    task: str = "search"
    kinds: tuple[Kind, ...] = KINDS
    max_tokens: int = 256
    deadline_s: float = DEADLINE_S
    language: str | None = None
    tenant: str | None = None


@dataclass(frozen=True)
class Usage:
    """What thinking cost.

    Attributes:
        calls: of a language model.
        input_tokens: read, estimated where the model does not tell.
        output_tokens: written, likewise.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True)
class Dropped:
    """A text that is not used, and why."""

    text: str
    reason: str


@dataclass(frozen=True)
class ThinkResult:
    """What came of thinking.

    Attributes:
        thoughts: usable ones.
        status: "ok"; "cached" = thought before; "partial" = some of what was wanted; "skipped" =
            nothing was asked; "timeout" and "error" = nothing came.
        usage: what it cost now.
        elapsed_s: how long it took.
        thinker: its fingerprint.
        reason: why, where the status is not "ok" or "cached".
        dropped: what was written and is not used.
    """

    thoughts: tuple[Thought, ...]
    status: Status
    usage: Usage = field(default_factory=Usage)
    elapsed_s: float = 0.0
    thinker: str = ""
    reason: str = ""
    dropped: tuple[Dropped, ...] = ()

    def after(self, elapsed_s: float) -> ThinkResult:
        """The same, having taken so long.

        Args:
            elapsed_s: seconds.
        """
        return replace(self, elapsed_s=elapsed_s)


@runtime_checkable
class Thinker(Protocol):
    """Thinks about a query.

    Neither call ever raises while it runs: what fails is a `ThinkResult` that says so.

    Attributes:
        fingerprint: changes with whatever changes its thoughts: model, revision, sampling,
            template.
    """

    fingerprint: str

    def think(self, request: ThinkRequest) -> ThinkResult:
        """Think, in the caller's thread.

        Args:
            request: the query, and what is wanted of it.

        Returns:
            The thoughts, or why there are none.
        """

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        """As `think`, without blocking the event loop."""


def nothing(status: Status, reason: str, thinker: str = "", elapsed_s: float = 0.0) -> ThinkResult:
    """A result without thoughts."""
    return ThinkResult((), status, elapsed_s=elapsed_s, thinker=thinker, reason=reason)


def of_kinds(thoughts: Sequence[Thought], kinds: Sequence[Kind]) -> tuple[Thought, ...]:
    """The thoughts of the kinds that are wanted."""
    return tuple(thought for thought in thoughts if thought.kind in kinds)
