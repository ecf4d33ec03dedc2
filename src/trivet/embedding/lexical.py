"""The BM25 leg: texts become weights of stemmed words, by Qdrant's own analyser, offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from trivet.embedding.texts import require_texts
from trivet.errors import InvalidInputError
from trivet.types import Space, SparseVector, SparseVectors

if TYPE_CHECKING:
    import qdrant_edge

# With b = 0 a weight is tf·(k+1)/(tf+k), which gives back tf = w·k/(k+1−w). A large k keeps that
# exact: float32 weights of k = 1e6 are told apart up to some 500,000 occurrences of one word.
_COUNTING_K = 1e6


@dataclass(frozen=True)
class Bm25:
    """BM25 with an average length that is fixed, so that stored weights stay comparable.

    The inverse document frequency is left to the store.

    Attributes:
        average_tokens: analysed words of an average document, kept to 6 significant digits.
        language: whose stop words and stemmer are used, such as "english".
        k: how slowly repeated words saturate.
        b: how much long documents are held back, 0 to 1.
        title_weight: how many times the words of a title count. Two is worth .028 nDCG@10 on
            CACM, .007 on Cranfield and nothing or more on two other collections with titles.

    Raises:
        InvalidInputError: a value that BM25 cannot use.
    """

    average_tokens: float
    language: str = "english"
    k: float = 1.2
    b: float = 0.75
    title_weight: int = 2

    def __post_init__(self) -> None:
        try:
            rounded = float(f"{self.average_tokens:.6g}")
        except (TypeError, ValueError) as error:
            raise InvalidInputError(
                f"expected a number of average tokens, got {self.average_tokens!r}: "
                "take the mean of count_terms"
            ) from error
        object.__setattr__(self, "average_tokens", rounded)
        _ = self._engine  # the analyser checks the values

    @cached_property
    def space(self) -> Space:
        """The space of its vectors."""
        return Space(
            "sparse",
            "bm25",
            None,
            {
                "analyser": "qdrant-bm25",
                "language": self.language,
                "k": float(self.k),
                "b": float(self.b),
                "average_tokens": self.average_tokens,
                "title_weight": self.title_weight,
            },
        )

    def render(self, title: str, text: str) -> str:
        """The text to weigh for a titled text: the title `title_weight` times, then the text."""
        return " ".join([*([title] * self.title_weight if title else []), text])

    def embed_documents(self, texts: Sequence[str]) -> SparseVectors:
        """Weigh the words of n documents.

        Args:
            texts: none of them blank; one of stop words only gives an empty vector.

        Returns:
            n vectors of saturated term frequencies.

        Raises:
            InvalidInputError: not a list of texts; names the position.
        """
        require_texts(texts)
        rows = [_row(self._engine.embed_document(text)) for text in texts]
        return SparseVectors(self.space, tuple(rows))

    def embed_queries(self, texts: Sequence[str]) -> SparseVectors:
        """Give every different word of a query the weight 1.

        Args:
            texts: none of them blank; one of stop words only gives an empty vector.

        Raises:
            InvalidInputError: not a list of texts; names the position.
        """
        require_texts(texts)
        rows = [_row(self._engine.embed_query(text)) for text in texts]
        return SparseVectors(self.space, tuple(rows))

    def count_terms(self, texts: Sequence[str]) -> list[int]:
        """Words of each text that the analyser keeps: the length that BM25 divides by.

        Raises:
            InvalidInputError: not a list of texts; names the position.
        """
        require_texts(texts, blank=True)
        counts = []
        for text in texts:
            weights = np.asarray(self._counter.embed_document(text).values, dtype=np.float64)
            counts.append(int(np.rint(weights * _COUNTING_K / (_COUNTING_K + 1 - weights)).sum()))
        return counts

    @cached_property
    def _engine(self) -> qdrant_edge.Bm25:
        return self._analyser(self.k, self.b, self.average_tokens)

    @cached_property
    def _counter(self) -> qdrant_edge.Bm25:
        return self._analyser(_COUNTING_K, 0.0, 1.0)

    def _analyser(self, k: float, b: float, average_tokens: float) -> qdrant_edge.Bm25:
        # A native library of 30 MB: only where BM25 is used.
        import qdrant_edge

        try:
            config = qdrant_edge.Bm25Config(
                k=k, b=b, avg_len=average_tokens, language=self.language
            )
            return qdrant_edge.Bm25(config)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(
                f"expected values that BM25 can use, got {self}: {error}"
            ) from error


def _row(vector: qdrant_edge.SparseVector) -> SparseVector:
    """One row with ascending indices."""
    indices = np.asarray(vector.indices, dtype=np.uint32)
    values = np.asarray(vector.values, dtype=np.float32)
    order = np.argsort(indices)
    return SparseVector(indices[order], values[order])
