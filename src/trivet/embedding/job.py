"""What is wanted of the texts of one call, and what was made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trivet.embedding.batching import restore_order
from trivet.embedding.prompts import Role
from trivet.embedding.ragged import reordered
from trivet.embedding.tokenizing import TokenisedText
from trivet.types import Mode, SparseVector, Vectors


@dataclass(frozen=True)
class Job:
    """What is wanted of the texts of one call.

    Attributes:
        modes: the legs to make.
        role: of the texts.
        ends: special tokens that the tokenizer puts before and behind every text.
    """

    modes: tuple[Mode, ...]
    role: Role
    ends: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Made:
    """The legs of n texts, without their spaces; a leg that was not wanted is None."""

    dense: Vectors | None = None
    sparse: Sequence[SparseVector] | None = None
    multi: Sequence[Vectors] | None = None

    def part(self, start: int, end: int) -> Made:
        """The legs of the texts from one position to another."""
        return Made(
            dense=None if self.dense is None else self.dense[start:end],
            sparse=None if self.sparse is None else self.sparse[start:end],
            multi=None if self.multi is None else self.multi[start:end],
        )

    @classmethod
    def joined(cls, parts: Sequence[Made], batches: Sequence[Sequence[int]]) -> Made:
        """The legs of all texts, in the order of the texts.

        Args:
            parts: of the batches one after another, though a batch may have come in parts.
            batches: the positions of the texts in each batch, each position once.
        """
        dense = [part.dense for part in parts if part.dense is not None]
        sparse = [part.sparse for part in parts if part.sparse is not None]
        multi = [part.multi for part in parts if part.multi is not None]
        return cls(
            dense=restore_order(dense, batches) if dense else None,
            sparse=reordered(sparse, batches) if sparse else None,
            multi=reordered(multi, batches) if multi else None,
        )


class Represents(Protocol):
    """What turns texts into legs: weights in memory, or processes that hold them."""

    @property
    def gains_by_company(self) -> bool:
        """Whether calls that share a pass are faster."""

    def represent(self, texts: Sequence[TokenisedText], job: Job) -> Made:
        """Embed n ≥ 1 texts.

        Args:
            texts: as the model reads them.
            job: what is wanted.

        Raises:
            EmbeddingError: the model failed on a batch.
        """
