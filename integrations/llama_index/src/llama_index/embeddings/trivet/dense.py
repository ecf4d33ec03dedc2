"""The dense leg of a Trivet embedder as an embedding of LlamaIndex's."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import BaseModel, Field, PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.embeddings.trivet.models import refuse_cache
from llama_index.embeddings.trivet.recorded import RecordedEmbedder

from trivet import Embedder, Query
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.types import DenseVectors

# One call of the framework: the embedder sorts its texts by length and cuts batches of its own.
BATCH_SIZE = 256


class TrivetEmbedding(BaseEmbedding):
    """Dense vectors of one model, with its own wording for queries and for documents.

    What would change the vectors is in public fields, so that an `IngestionPipeline` embeds anew
    when the model changes. Pickled, as for the workers of a pipeline, it is what loads the model
    again, so that each worker has weights of its own; a wrapped model is refused there.

    Args:
        model: a name, a folder or an `Embedder`.
        task: what queries are for; None = as the model was loaded.
        instruction: what queries look for, in words of one's own.
        embed_batch_size: texts of one call.
        callback_manager: of LlamaIndex.
        embeddings_cache: refused: it would mix the roles of texts.
        num_workers: calls at the same time, of asynchronous batches.
        rate_limiter: of LlamaIndex.

    Raises:
        ModelNotFoundError, CheckpointError: the model cannot be found or read.
        MissingHeadError: it makes no dense vectors.
        InvalidInputError: there is an `embeddings_cache`.
    """

    task: str | None = Field(default=None, description="What queries are for.")
    instruction: str | None = Field(default=None, description="What queries look for.")
    fingerprint: str = Field(description="Of the space that the vectors live in.")
    dims: int = Field(description="Length of a vector.")
    _embedder: Embedder = PrivateAttr()
    _dense: Embedder = PrivateAttr()

    def __init__(
        self,
        model: str | os.PathLike[str] | Embedder = DEFAULT_MODEL,
        *,
        task: str | None = None,
        instruction: str | None = None,
        embed_batch_size: int = BATCH_SIZE,
        callback_manager: CallbackManager | None = None,
        embeddings_cache: Any | None = None,
        num_workers: int | None = None,
        rate_limiter: Any | None = None,
    ) -> None:
        refuse_cache(embeddings_cache)
        embedder = model if isinstance(model, Embedder) else Embedder.load(model)
        dense = embedder.only(["dense"])
        space = dense.spaces["dense"]
        fields: dict[str, Any] = {
            "task": task,
            "instruction": instruction,
            "fingerprint": space.fingerprint,
            "dims": space.dims or 0,
        }
        super().__init__(
            model_name=embedder.name,
            embed_batch_size=embed_batch_size,
            callback_manager=callback_manager or CallbackManager([]),
            num_workers=num_workers,
            rate_limiter=rate_limiter,
            **fields,
        )
        self._embedder, self._dense = embedder, dense

    @classmethod
    def class_name(cls) -> str:
        """The name by which LlamaIndex writes it down."""
        return "TrivetEmbedding"

    @property
    def embedder(self) -> Embedder:
        """The model, with every leg that it has: a `TrivetVectorStore` keeps them all."""
        return self._embedder

    def __getstate__(self) -> dict[str, Any]:
        bare = self.model_copy()
        private = {**(bare.__pydantic_private__ or {}), "_embedder": None, "_dense": None}
        bare.__pydantic_private__ = private
        state = BaseEmbedding.__getstate__(bare)
        return {**state, "recorded": RecordedEmbedder.of(self._embedder)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Not BaseEmbedding's, which would call the constructor for the default model.
        BaseModel.__setstate__(self, {k: v for k, v in state.items() if k != "recorded"})
        self._embedder = state["recorded"].loaded()
        self._dense = self._embedder.only(["dense"])

    def _get_query_embedding(self, query: str) -> Embedding:
        refuse_cache(self.embeddings_cache)  # which may have been assigned later
        asked = Query(query, task=self.task, instruction=self.instruction)
        return _rows(self._dense.embed_queries([asked]).dense)[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return await asyncio.to_thread(self._get_text_embedding, text)

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        refuse_cache(self.embeddings_cache)
        return _rows(self._dense.embed_documents(texts).dense)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


def _rows(vectors: DenseVectors | None) -> list[Embedding]:
    return [] if vectors is None else [row.tolist() for row in vectors.values]
