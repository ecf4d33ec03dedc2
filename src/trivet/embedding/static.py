"""The query side of a document-only sparse model: a query is the set of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from trivet.embedding.layers import read_tensors
from trivet.embedding.readers.files import find_weights
from trivet.embedding.readers.tokens import TokenTable
from trivet.errors import CheckpointError
from trivet.types import SparseVector, Vectors


class StaticQueries:
    """Weights that were counted once for each entry of the vocabulary; no model runs.

    Args:
        tokenizer: of the queries.
        weights: (vocabulary,) float32.
    """

    def __init__(self, tokenizer: Tokenizer, weights: Vectors) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._weights = weights

    @classmethod
    def read(cls, folder: Path) -> StaticQueries:
        """Read a folder with a tokenizer and one tensor of weights.

        Raises:
            CheckpointError: a file is missing or damaged.
        """
        (file,) = find_weights(folder)
        weights = read_tensors(file, "").get("weight")
        if weights is None or weights.ndim != 1:
            raise CheckpointError(
                f"expected one weight for each entry of the vocabulary in {file}, got none: fetch "
                "the checkpoint anew"
            )
        tokenizer = TokenTable.read(folder).tokenizer
        if len(weights) < tokenizer.get_vocab_size():
            raise CheckpointError(
                f"expected {tokenizer.get_vocab_size()} weights in {file}, one for each entry of "
                f"the vocabulary, got {len(weights)}: fetch the checkpoint anew"
            )
        return cls(tokenizer, weights.float().numpy())

    def embed(self, texts: Sequence[str]) -> list[SparseVector]:
        """The weight of every token that a text holds, of those above 0."""
        made = []
        for encoding in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False):
            ids = np.unique(np.asarray(encoding.ids, dtype=np.int64))
            values = self._weights[ids] if len(ids) else np.zeros(0, dtype=np.float32)
            above = values > 0
            made.append(SparseVector(ids[above].astype(np.uint32), values[above]))
        return made
