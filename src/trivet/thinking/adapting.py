"""Language models of frameworks as thinkers: what a plug-in says of one, and the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from trivet.generation import Completion
from trivet.thinking.writing import WritingThinker

Answer = TypeVar("Answer")


class AdaptedThinker(WritingThinker, Generic[Answer]):
    """Thinks with a framework's language model; a plug-in's class fills it in.

    Args:
        ask: prompt → the framework's answer; called by several threads at once.
        aask: the same without blocking an event loop.
        read: answer → text and tokens.
        kind: of the model, as the framework names it.
        stated: all that the framework tells of its settings; its `repr` is what counts.
        name: of the model with its revision and sampling, which cached thoughts are kept under;
            None = of kind and settings.
    """

    def __init__(
        self,
        ask: Callable[[str], Answer],
        aask: Callable[[str], Awaitable[Answer]],
        read: Callable[[Answer], Completion],
        *,
        kind: str,
        stated: object,
        name: str | None,
    ) -> None:
        async def awrite(prompt: str) -> Completion:
            return read(await aask(prompt))

        if name is None:
            name = f"{kind}|{hashlib.sha256(repr(stated).encode()).hexdigest()[:16]}"
        super().__init__(lambda prompt: read(ask(prompt)), name=name, awrite=awrite)
