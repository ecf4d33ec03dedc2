"""Texts scored for a query by late interaction: how well its every token is met."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from trivet import tracing
from trivet.embedding.embedder import Embedder
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.embedding.texts import require_texts
from trivet.query import Query
from trivet.types import Representations, Vectors

# The least cosine: of a text in which there is nothing to meet a token.
_NOTHING = -1.0


class Reranker:
    """Scores texts for a query by the token vectors of a model; may be used by several threads.

    The score is the mean, over the tokens of the query, of the best cosine with a token of the
    text (MaxSim, Khattab and Zaharia 2020, divided by the query's tokens): from -1 to 1, the same
    whatever else is scored. A text that is longer than the model reads is read in pieces.

    Args:
        model: an embedder, or a model's name or folder; it makes token vectors.

    Attributes:
        model: name of the model.

    Raises:
        MissingHeadError: a model without token vectors.
        ModelNotFoundError, CheckpointError: it cannot be found or read.
    """

    def __init__(self, model: Embedder | str | os.PathLike[str] = DEFAULT_MODEL) -> None:
        embedder = model if isinstance(model, Embedder) else Embedder.load(model)
        self._embedder = embedder.only(["multi"])
        self.model = embedder.name

    def score(self, query: str | Query, texts: Sequence[str]) -> list[float]:
        """The score of each text, in their order; all texts are read in one forward pass.

        Args:
            query: what is asked.
            texts: n texts; a blank one scores -1.

        Returns:
            n scores from -1 to 1; the higher, the better a text answers.

        Raises:
            InvalidInputError: not a list of texts; names the position.
            TextTooLongError: a query of more tokens than the model reads.
            InstructionError: an instruction or examples that the model has no place for.
            EmbeddingError: the model failed.
        """
        asked = query if isinstance(query, Query) else Query(query)
        require_texts(texts, blank=True)
        with tracing.reranking(self.model, asked.text, texts) as record:
            if not texts:
                return []
            [tokens] = _token_vectors(self._embedder.embed_queries([asked]))
            return record([_mean_maxsim(tokens, pieces) for pieces in self._read(texts)])

    def __repr__(self) -> str:
        return f"Reranker({self.model!r})"

    def _read(self, texts: Sequence[str]) -> list[Sequence[Vectors]]:
        """The token vectors of each text, piece by piece."""
        pieces = [self._pieces(text) for text in texts]
        flat = [piece for some in pieces for piece in some]
        vectors = _token_vectors(self._embedder.embed_documents(flat)) if flat else ()
        ends = accumulate((len(some) for some in pieces), initial=0)
        return [vectors[start:end] for start, end in pairwise(ends)]

    def _pieces(self, text: str) -> list[str]:
        """A text in pieces that the model reads whole; without those that are blank."""
        if not text.strip():
            return []
        [count] = self._embedder.count_tokens([text])
        if count <= self._embedder.max_tokens or len(text) == 1:
            return [text]
        # At the space next to the middle: sentences matter less than that every token is read.
        middle = len(text) // 2
        space = text.find(" ", middle, -1)
        cut = middle if space < 0 else space
        return [*self._pieces(text[:cut]), *self._pieces(text[cut:])]


def _token_vectors(embedded: Representations) -> tuple[Vectors, ...]:
    return () if embedded.multi is None else embedded.multi.values


def _mean_maxsim(query: Vectors, pieces: Sequence[Vectors]) -> float:
    """MaxSim of a query and the pieces of a text as one, divided by the query's tokens.

    Args:
        query: (q, m) float32, rows of unit length.
        pieces: (t, m) float32 each, rows of unit length.
    """
    best = [(query @ piece.T).max(axis=1) for piece in pieces if len(piece)]
    if not best or not len(query):
        return _NOTHING
    return float(np.max(best, axis=0).mean())
