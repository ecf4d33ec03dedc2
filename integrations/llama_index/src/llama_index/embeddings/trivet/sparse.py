"""Sparse vectors, learned or BM25's, as a sparse embedding of LlamaIndex's."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from llama_index.core.base.embeddings.base_sparse import BaseSparseEmbedding, SparseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.embeddings.trivet.dense import BATCH_SIZE
from llama_index.embeddings.trivet.models import embedder_of

from trivet import Embedder, Lexical
from trivet.embedding.lexical import Bm25
from trivet.types import SparseVectors

# Qdrant's own default.
AVERAGE_TOKENS = 256.0


class TrivetSparseEmbedding(BaseSparseEmbedding):
    """Sparse vectors of a model with a sparse head, or BM25's weights without a model.

    BM25's weights lack the inverse document frequency, which is left to the store that holds them
    (in Qdrant, `modifier="idf"`).

    Args:
        model: a name, a folder or an `Embedder`; None = BM25.
        lexical: language and weighting of BM25; None = English.
        average_tokens: terms of an average document, for BM25.
        embed_batch_size: texts of one call.
        num_workers: calls at the same time, of asynchronous batches.

    Raises:
        ModelNotFoundError, CheckpointError: the model cannot be found or read.
        MissingHeadError: it makes no sparse vectors.
        InvalidInputError: BM25 of no decided language.
    """

    fingerprint: str = Field(description="Of the space that the vectors live in.")
    _embedder: Embedder | None = PrivateAttr(default=None)
    _bm25: Bm25 = PrivateAttr()

    def __init__(
        self,
        model: str | os.PathLike[str] | Embedder | None = None,
        *,
        lexical: Lexical | None = None,
        average_tokens: float = AVERAGE_TOKENS,
        embed_batch_size: int = BATCH_SIZE,
        num_workers: int | None = None,
    ) -> None:
        embedder = None if model is None else embedder_of(model, "sparse")
        bm25 = Bm25(average_tokens, lexical or Lexical("en"))
        space = bm25.space if embedder is None else embedder.spaces["sparse"]
        fields: dict[str, Any] = {"fingerprint": space.fingerprint}
        super().__init__(
            model_name=space.model,
            embed_batch_size=embed_batch_size,
            num_workers=num_workers,
            **fields,
        )
        self._embedder, self._bm25 = embedder, bm25

    @classmethod
    def class_name(cls) -> str:
        """The name by which LlamaIndex writes it down."""
        return "TrivetSparseEmbedding"

    def _get_query_embedding(self, query: str) -> SparseEmbedding:
        if self._embedder is None:
            return _weights(self._bm25.embed_queries([query]))[0]
        return _weights(self._embedder.embed_queries([query]).sparse)[0]

    async def _aget_query_embedding(self, query: str) -> SparseEmbedding:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> SparseEmbedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> SparseEmbedding:
        return await asyncio.to_thread(self._get_text_embedding, text)

    def _get_text_embeddings(self, texts: list[str]) -> list[SparseEmbedding]:
        if self._embedder is None:
            return _weights(self._bm25.embed_documents(texts))
        return _weights(self._embedder.embed_documents(texts).sparse)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[SparseEmbedding]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


def _weights(vectors: SparseVectors | None) -> list[SparseEmbedding]:
    """Index to weight, of each text."""
    return [
        dict(zip(vector.indices.tolist(), vector.values.tolist(), strict=True))
        for vector in (vectors.values if vectors is not None else ())
    ]
