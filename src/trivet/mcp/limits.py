"""What a tool may answer at most; whoever starts the server decides, and no argument of a model."""

from __future__ import annotations

from dataclasses import dataclass

from trivet.errors import InvalidInputError

MOST_HITS = 100
LEAST_BYTES = 2_000
USUAL_HITS = 5


@dataclass(frozen=True)
class Limits:
    """Bounds of an answer.

    Attributes:
        max_hits: passages of one search.
        max_bytes: of an answer in UTF-8, both of its forms together.

    Raises:
        InvalidInputError: a bound out of range.
    """

    max_hits: int = 10
    max_bytes: int = 40_000

    def __post_init__(self) -> None:
        if not 1 <= self.max_hits <= MOST_HITS:
            raise InvalidInputError(f"expected max_hits from 1 to {MOST_HITS}, got {self.max_hits}")
        if self.max_bytes < LEAST_BYTES:
            raise InvalidInputError(
                f"expected max_bytes of {LEAST_BYTES} or more, got {self.max_bytes}"
            )

    @property
    def usual_hits(self) -> int:
        """Passages of a search that does not say how many."""
        return min(USUAL_HITS, self.max_hits)
