"""Texts become terms: words cut, stopped, stemmed and numbered by Qdrant's analyser, offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trivet.embedding.words import cut_words, normalise
from trivet.languages import STEMMED, STOPPED

if TYPE_CHECKING:
    import qdrant_edge

# A text's own length left out (b = 0), Qdrant weighs a term w = tf·(k+1)/(tf+k), which gives back
# tf = w·k/(k+1−w). A large k keeps that exact: float32 weights of k = 1e6 are told apart up to
# some 500,000 occurrences of one word.
_COUNTING_K = 1e6

# Qdrant's analyser splits words at marks and leaves scripts without spaces whole. Where that does
# no harm its words are used as they are: vectors that a Qdrant server makes of English are ours.
NATIVE_LANGUAGE = "en"


@dataclass(frozen=True)
class TermCounts:
    """How often each term is in each of n texts.

    Attributes:
        texts: (t,) the text of each row, ascending.
        terms: (t,) uint32, ascending within a text.
        counts: (t,) float64, from 1.
        lengths: (n,) float64, all terms of a text, repetitions included.
    """

    texts: NDArray[np.intp]
    terms: NDArray[np.uint32]
    counts: NDArray[np.float64]
    lengths: NDArray[np.float64]


@dataclass(frozen=True)
class Analyser:
    """One way from texts to terms.

    Attributes:
        language: ISO 639-1 code, or "none" for neither stop words nor stems.
        stop_words: None = the language's own.
    """

    language: str
    stop_words: tuple[str, ...] | None = None

    def count(self, texts: Sequence[str]) -> TermCounts:
        """The terms of texts; a blank one has none."""
        found = [self._engine.embed_document(self._words(text)) for text in texts]
        rows = [vector.indices for vector in found]
        texts_of = np.repeat(np.arange(len(rows)), np.array(list(map(len, rows)), dtype=np.intp))
        terms = np.fromiter(chain.from_iterable(rows), np.uint32)
        weights = np.fromiter(chain.from_iterable(v.values for v in found), np.float64)
        counts = np.rint(weights * _COUNTING_K / (_COUNTING_K + 1 - weights))
        order = np.lexsort((terms, texts_of))
        lengths = np.bincount(texts_of, counts, minlength=len(rows)).astype(np.float64)
        return TermCounts(texts_of, terms[order], counts[order], lengths)

    def distinct(self, text: str) -> NDArray[np.uint32]:
        """The terms of a query, ascending, each once."""
        vector = self._engine.embed_query(self._words(text))
        return np.sort(np.asarray(vector.indices, dtype=np.uint32))

    def _words(self, text: str) -> str:
        return text if self.language == NATIVE_LANGUAGE else cut_words(text, self.language)

    @cached_property
    def _engine(self) -> qdrant_edge.Bm25:
        # A native library of 30 MB: only where BM25 is used.
        import qdrant_edge

        stems = STEMMED.get(self.language)
        native = self.language == NATIVE_LANGUAGE
        kind = qdrant_edge.TokenizerType
        return qdrant_edge.Bm25(
            qdrant_edge.Bm25Config(
                k=_COUNTING_K,
                b=0.0,
                avg_len=1.0,
                tokenizer=kind.Word if native else kind.Whitespace,
                lowercase=native,
                stopwords=self._stopped(),
                stemmer=(
                    qdrant_edge.DisabledStemmer()
                    if stems is None
                    else qdrant_edge.SnowballParams(getattr(qdrant_edge.SnowballLanguage, stems))
                ),
            )
        )

    def _stopped(self) -> qdrant_edge.Stopwords:
        import qdrant_edge

        if self.stop_words is not None:
            custom = {normalise(word, self.language) for word in self.stop_words}
            return qdrant_edge.StopwordsSet(custom=custom)
        names = {STOPPED[self.language]} if self.language in STOPPED else set()
        languages = {getattr(qdrant_edge.Language, name) for name in names}
        return qdrant_edge.StopwordsSet(languages=languages)
