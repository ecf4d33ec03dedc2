"""Thoughts that are there already, as a thinker."""

from __future__ import annotations

from collections.abc import Sequence

from trivet.thinking.interface import ThinkRequest, ThinkResult, Thought, nothing, of_kinds


class Given:
    """Always the same thoughts, such as what another part of a program has written.

    Args:
        thoughts: texts are passages.

    Raises:
        InvalidInputError: a blank one.
    """

    fingerprint = "given"

    def __init__(self, thoughts: Sequence[str | Thought]) -> None:
        self._thoughts = tuple(
            thought if isinstance(thought, Thought) else Thought(thought) for thought in thoughts
        )

    def think(self, request: ThinkRequest) -> ThinkResult:
        """The thoughts of the kinds that are wanted; as `Thinker.think`."""
        wanted = of_kinds(self._thoughts, request.kinds)
        if not wanted:
            return nothing("skipped", "no thoughts were given", self.fingerprint)
        return ThinkResult(wanted, "ok", thinker=self.fingerprint)

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        """As `think`."""
        return self.think(request)
