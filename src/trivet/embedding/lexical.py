"""The BM25 leg: texts become saturated and length-normalised weights of their terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trivet.config import Lexical
from trivet.embedding.terms import NATIVE_LANGUAGE, Analyser
from trivet.embedding.texts import require_texts
from trivet.embedding.words import cut_words
from trivet.errors import InvalidInputError
from trivet.languages import AUTO
from trivet.types import Fact, Space, SparseVector, SparseVectors


@dataclass(frozen=True, eq=False)
class WeighedTexts:
    """The BM25 vectors of n texts, and their lengths in terms: what one analysis gives.

    Attributes:
        vectors: saturated term frequencies.
        lengths: terms of each text, repetitions included.
    """

    vectors: SparseVectors
    lengths: tuple[int, ...]

    def __getitem__(self, some: slice) -> WeighedTexts:
        vectors = SparseVectors(self.vectors.space, self.vectors.values[some])
        return WeighedTexts(vectors, self.lengths[some])


@dataclass(frozen=True)
class Bm25:
    """BM25 with an average length that is fixed, so that stored weights stay comparable.

    The inverse document frequency is left to the store.

    Attributes:
        average_tokens: terms of an average document, kept to 6 significant digits.
        lexical: analyser, k and b; its language must be decided.
        title_weight: how many times the words of a title count. Two is worth .028 nDCG@10 on
            CACM, .007 on Cranfield and nothing or more on two other collections with titles.

    Raises:
        InvalidInputError: a value that BM25 cannot use.
    """

    average_tokens: float
    lexical: Lexical = field(default_factory=lambda: Lexical(NATIVE_LANGUAGE))
    title_weight: int = 2

    def __post_init__(self) -> None:
        try:
            rounded = float(f"{self.average_tokens:.6g}")
        except (TypeError, ValueError) as error:
            raise InvalidInputError(
                f"expected a number of average tokens, got {self.average_tokens!r}: "
                "take the mean of count_terms"
            ) from error
        if not 0 < rounded < float("inf"):
            raise InvalidInputError(
                f"expected average tokens above zero, got {rounded}: take the mean of count_terms"
            )
        if self.lexical.language == AUTO:
            raise InvalidInputError(f'expected a language that is decided, got "{AUTO}"')
        object.__setattr__(self, "average_tokens", rounded)

    @cached_property
    def space(self) -> Space:
        """The space of its vectors."""
        chosen = self.lexical
        native = chosen.language == NATIVE_LANGUAGE
        facts: dict[str, Fact] = {
            "analyser": "qdrant-bm25" if native else "trivet-words-1",
            "language": "english" if native else chosen.language,
            "k": chosen.k,
            "b": chosen.b,
            "average_tokens": self.average_tokens,
            "title_weight": self.title_weight,
        }
        if chosen.stop_words is not None:
            facts["stop_words"] = " ".join(chosen.stop_words)
        return Space("sparse", "bm25", None, facts)

    def render(self, title: str, text: str) -> str:
        """The text to weigh for a titled text: the title `title_weight` times, then the text."""
        return " ".join([*([title] * self.title_weight if title else []), text])

    def weigh(self, texts: Sequence[str], *, blank: bool = False) -> WeighedTexts:
        """Weigh the words of n documents and count them.

        Args:
            texts: one of stop words only gives an empty vector.
            blank: whether some may be blank, which gives empty vectors, too.

        Raises:
            InvalidInputError: not a list of texts; names the position.
        """
        require_texts(texts, blank=blank)
        found = self._analyser.count(texts)
        k, b = self.lexical.k, self.lexical.b
        norms = k * (1 - b + b * found.lengths / self.average_tokens)
        # As Qdrant computes them: in double precision, rounded once.
        weights = found.counts * (k + 1) / (found.counts + norms[found.texts])
        values = weights.astype(np.float32)
        ends = np.searchsorted(found.texts, np.arange(len(texts) + 1)).tolist()
        rows = tuple(
            SparseVector(found.terms[start:end], values[start:end]) for start, end in pairwise(ends)
        )
        lengths = tuple(found.lengths.astype(int).tolist())
        return WeighedTexts(SparseVectors(self.space, rows), lengths)

    def embed_documents(self, texts: Sequence[str]) -> SparseVectors:
        """Weigh the words of n documents: the vectors of `weigh`."""
        return self.weigh(texts).vectors

    def embed_queries(self, texts: Sequence[str]) -> SparseVectors:
        """Give every different word of a query the weight 1.

        Args:
            texts: none of them blank; one of stop words only gives an empty vector.

        Raises:
            InvalidInputError: not a list of texts; names the position.
        """
        require_texts(texts)
        rows = [self._analyser.distinct(text) for text in texts]
        ones = [SparseVector(terms, np.ones(len(terms), np.float32)) for terms in rows]
        return SparseVectors(self.space, tuple(ones))

    def frequencies(
        self, texts: Sequence[str]
    ) -> list[tuple[NDArray[np.uint32], NDArray[np.float64]]]:
        """The terms of each text, ascending, and how often each is in it.

        Raises:
            InvalidInputError: not a list of texts; names the position.
        """
        require_texts(texts, blank=True)
        found = self._analyser.count(texts)
        ends = np.searchsorted(found.texts, np.arange(len(texts) + 1)).tolist()
        return [(found.terms[start:end], found.counts[start:end]) for start, end in pairwise(ends)]

    def count_terms(self, texts: Sequence[str]) -> list[int]:
        """Words of each text that the analyser keeps: the length that BM25 divides by.

        Raises:
            InvalidInputError: not a list of texts; names the position.
        """
        require_texts(texts, blank=True)
        lengths: list[int] = self._analyser.count(texts).lengths.astype(int).tolist()
        return lengths

    def words_of(self, text: str) -> dict[int, str]:
        """The words of a text by the term that they become; words that are stopped are left out."""
        return {
            int(term): word
            for word in cut_words(text, self.lexical.language).split()
            for term in self._analyser.distinct(word)
        }

    @cached_property
    def _analyser(self) -> Analyser:
        return Analyser(self.lexical.language, self.lexical.stop_words)
