"""How a foreign model may be called: in which batches, how often, and how often again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trivet.errors import InvalidInputError


@dataclass(frozen=True)
class CallPolicy:
    """How `Embedder.wrap` calls a model.

    Attributes:
        batch_size: the most texts of a call.
        batch_tokens: the most tokens of a call, by `count_tokens`; a longer text goes alone.
            None = no such limit.
        requests_per_minute: the most calls that begin in any minute, repeated ones included;
            None = no such limit.
        attempts: the most calls for one batch, the first included. Only what may pass is tried
            again: a lost connection, a timeout, a service that is overloaded.
        patience_s: seconds after the first call of a batch in which another may still begin.

    Raises:
        InvalidInputError: a number below 1, or a patience that is negative or no number.
    """

    batch_size: int = 64
    batch_tokens: int | None = None
    requests_per_minute: int | None = None
    attempts: int = 6
    patience_s: float = 120.0

    def __post_init__(self) -> None:
        for name in ("batch_size", "batch_tokens", "requests_per_minute", "attempts"):
            number = getattr(self, name)
            if number is None and name in ("batch_tokens", "requests_per_minute"):
                continue
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise InvalidInputError(f"expected {name} of 1 or more, got {number!r}")
        patience = self.patience_s
        if not isinstance(patience, (int, float)) or math.isnan(patience) or patience < 0:
            raise InvalidInputError(f"expected patience_s of 0 or more seconds, got {patience!r}")
