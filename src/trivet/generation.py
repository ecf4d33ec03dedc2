"""What a language model answers, as the rooms of Trivet hand it to each other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Completion:
    """A text that a language model wrote, and what it cost.

    Attributes:
        text: as it came.
        input_tokens: that the model read; None = not known.
        output_tokens: that it wrote; None = not known.
    """

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None
