"""The least likeness of a thought to its query, found on pairs that do not belong together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trivet.errors import InvalidInputError

FILE = Path(__file__).parent / "guard.json"
# The share of foreign thoughts that the threshold turns away. With 0.95 those that pass cost up to
# .017 nDCG@10 on Cranfield; own thoughts are kept as often with 0.975.
TURNED_AWAY = 0.975


@dataclass(frozen=True)
class GuardTexts:
    """Queries and thoughts about them, of several topics.

    Attributes:
        queries: n texts.
        thoughts: 2 n texts: the passages of all queries, then their keywords.
        topics: n numbers; only within a topic are foreign pairs hard.
    """

    queries: tuple[str, ...]
    thoughts: tuple[str, ...]
    topics: tuple[int, ...]

    @property
    def is_foreign(self) -> NDArray[np.bool_]:
        """(n, 2n): whether query and thought are of one topic and do not belong together."""
        topics = np.array(self.topics)
        foreign = (topics[:, None] == topics[None, :]) & ~np.eye(len(topics), dtype=bool)
        return np.concatenate([foreign, foreign], axis=1)


@lru_cache(maxsize=1)
def guard_texts() -> GuardTexts:
    """The packaged ones: three narrow topics of eight queries, as a collection has them."""
    topics = json.loads(FILE.read_text(encoding="utf-8"))
    rows = [(number, row) for number, topic in enumerate(topics) for row in topic]
    passages = [row["passage"] for _, row in rows]
    keywords = [row["keywords"] for _, row in rows]
    return GuardTexts(
        tuple(row["query"] for _, row in rows),
        (*passages, *keywords),
        tuple(number for number, _ in rows),
    )


def guard_from(foreign: Sequence[float] | NDArray[np.float64]) -> float:
    """The likeness that nearly all foreign pairs do not reach.

    Args:
        foreign: likenesses of queries and thoughts that do not belong together.

    Raises:
        InvalidInputError: fewer than twenty, or no finite numbers.
    """
    values = np.asarray(foreign, dtype=np.float64)
    if len(values) < 20 or not np.all(np.isfinite(values)):
        raise InvalidInputError(
            f"expected 20 likenesses of foreign pairs or more, all finite, got {len(values)}"
        )
    return float(np.quantile(values, TURNED_AWAY))
