"""How a model is trained, as a value that is checked when it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trivet.errors import InvalidInputError

STEPS = 200


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained.

    The loss is InfoNCE over the documents of a batch, plus `query_weight` times the mean of
    1 - cos(new, old) over its queries, plus `document_weight` times the same over its documents.

    Attributes:
        steps: batches; None = 200, unless epochs are given.
        epochs: rounds over all pairs, in place of steps.
        batch_size: pairs of a batch: each has the documents of the others as its negatives.
        learning_rate: its highest, from which it falls to 0 in a straight line.
        warmup: the share of the steps in which it rises to that.
        temperature: cosines are divided by it.
        query_weight: how much queries are kept near the old model's; 0 = not at all.
        document_weight: the same of documents.
        max_tokens: that are read of a text while training; the checkpoint keeps its own limit.
        dev_share: of the pairs, held out to measure on (300 at most) where none are given.
        seed: of the split, the order and all else that is drawn.

    Raises:
        InvalidInputError: a number that cannot mean anything.
    """

    steps: int | None = None
    epochs: int | None = None
    batch_size: int = 16
    learning_rate: float = 5e-5
    warmup: float = 0.1
    temperature: float = 0.05
    query_weight: float = 1.0
    document_weight: float = 1.0
    max_tokens: int = 64
    dev_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps is not None and self.epochs is not None:
            raise InvalidInputError("expected steps or epochs, got both: leave one out")
        for name, least in (("steps", 1), ("epochs", 1), ("batch_size", 2), ("max_tokens", 4)):
            count = getattr(self, name)
            if count is not None and not _is_count(count, least):
                raise InvalidInputError(f"expected {name} of {least} or more, got {count!r}")
        for name, low, high in (
            ("learning_rate", 0.0, 1.0),
            ("temperature", 0.0, 10.0),
            ("dev_share", 0.0, 0.5),
        ):
            if not _is_number(getattr(self, name)) or not low < getattr(self, name) <= high:
                raise InvalidInputError(
                    f"expected {name} above {low:g} and at most {high:g}, got "
                    f"{getattr(self, name)!r}"
                )
        for name, high in (("warmup", 1.0), ("query_weight", 1e3), ("document_weight", 1e3)):
            if not _is_number(getattr(self, name)) or not 0 <= getattr(self, name) <= high:
                raise InvalidInputError(
                    f"expected {name} between 0 and {high:g}, got {getattr(self, name)!r}"
                )
        if not _is_count(self.seed, 0) or self.seed >= 2**32:
            raise InvalidInputError(f"expected a seed from 0 to 2**32 - 1, got {self.seed!r}")

    def steps_of(self, pairs: int) -> int:
        """Batches that a training takes.

        Args:
            pairs: how many there are to train on.
        """
        if self.epochs is not None:
            return self.epochs * (pairs // self.batch_size)
        return STEPS if self.steps is None else self.steps


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
