"""What a map does to rankings, query by query, on a sample of stored vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trivet.errors import PairsError
from trivet.types import Vectors

K = 10

Scores = NDArray[np.float32]
PerQuery = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Texts:
    """Held-out texts that stand for queries, in one space.

    Attributes:
        values: (n, d).
        documents: the document that each text is, or was cut from.
    """

    values: Vectors
    documents: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Exam:
    """A sample of an index: stored vectors, and which of them a text may and should find.

    Attributes:
        documents: of each stored vector.

    Raises:
        PairsError: too few documents to rank.
    """

    documents: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.documents)) <= K:
            raise PairsError(
                f"expected more than {K} documents to rank, got {len(set(self.documents))}: "
                "an index this small is embedded anew sooner than it is judged"
            )

    def overlap(self, came: Scores, expected: Scores, whole: Sequence[str] | None) -> PerQuery:
        """The share of the 10 best of one ranking that are among those of another.

        Args:
            came: (q, m) of every query and stored vector.
            expected: the same of the ranking that counts as right.
            whole: where the queries are whole documents, these: a document does not find itself.
        """
        if whole is not None:
            own = self.own(whole)
            came, expected = np.where(own, -np.inf, came), np.where(own, -np.inf, expected)
        shared = (best(came)[:, :, None] == best(expected)[:, None, :]).any(axis=1)
        shares: PerQuery = shared.mean(axis=1)
        return shares

    def known_item(self, scores: Scores, documents: Sequence[str]) -> PerQuery:
        """nDCG@10 of each text where the document that it was cut from is the one thing to find.

        Args:
            scores: (q, m).
            documents: of each text; a text whose document is not in the sample is left out.
        """
        own = self.own(documents)
        there = own.any(axis=1)
        scores, own = scores[there], own[there]
        reached = np.where(own, scores, -np.inf).max(axis=1)
        ranks = 1 + (scores > reached[:, None]).sum(axis=1)
        gains: PerQuery = np.where(ranks <= K, 1.0 / np.log2(1.0 + ranks), 0.0)
        return gains

    def own(self, documents: Sequence[str]) -> NDArray[np.bool_]:
        """(q, m): whether a stored vector is of a text's document."""
        numbers = {name: i for i, name in enumerate(dict.fromkeys(self.documents))}
        stored = np.array([numbers[name] for name in self.documents])
        asked = np.array([numbers.get(name, -1) for name in documents], dtype=stored.dtype)
        own: NDArray[np.bool_] = asked[:, None] == stored[None, :]
        return own


def best(scores: Scores, k: int = K) -> NDArray[np.int64]:
    """Positions of the k best of each row, in no order."""
    positions: NDArray[np.int64] = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return positions
