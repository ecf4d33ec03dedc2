"""What stands where LlamaIndex wants an embedding, for a store that embeds by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field

from trivet.errors import InvalidInputError
from trivet.types import Space


class StoreEmbedding(BaseEmbedding):
    """Leaves every vector to the store.

    LlamaIndex embeds nodes before it hands them to a store, and an `IngestionPipeline` silently
    drops those that have no embedding. This one gives them an empty vector, in place of which the
    store makes its own.

    Attributes:
        model_name: that of no model.
        embed_batch_size: nodes that come at once.
        fingerprint: of the spaces of the store's index: a pipeline's cache forgets its nodes when
            they change.
    """

    model_name: str = "trivet"
    embed_batch_size: int = 2048
    fingerprint: str = Field(description="Of the spaces of the store's index.")

    @classmethod
    def of(cls, spaces: Sequence[Space]) -> StoreEmbedding:
        """The one for an index.

        Args:
            spaces: of the index.
        """
        of_models = [space.fingerprint for space in spaces if not space.is_lexical]
        return cls(fingerprint=hashlib.sha256(" ".join(of_models).encode()).hexdigest())

    @classmethod
    def class_name(cls) -> str:
        """The name by which LlamaIndex writes it down."""
        return "TrivetStoreEmbedding"

    def _get_text_embedding(self, text: str) -> Embedding:
        return []

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return []

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        # LlamaIndex's own opens a span for each text.
        return [[] for _ in texts]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return [[] for _ in texts]

    def _get_query_embedding(self, query: str) -> Embedding:
        raise InvalidInputError(
            "expected a query to go to the store in words, got a call for its embedding: query "
            "the TrivetVectorStore, or use a TrivetEmbedding where a vector is needed"
        )

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return self._get_query_embedding(query)
