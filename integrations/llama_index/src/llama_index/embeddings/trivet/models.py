"""What an embedding of LlamaIndex's may be made from, made into an embedder of Trivet's."""

from __future__ import annotations

import os

from llama_index.core.base.embeddings.base import BaseEmbedding

from trivet import Embedder
from trivet.errors import InvalidInputError
from trivet.types import Mode

# Read once, to learn how long a foreign model's vectors are.
PROBE = "How long are the vectors?"


def embedder_of(model: str | os.PathLike[str] | Embedder, mode: Mode) -> Embedder:
    """The embedder of a name or folder, or the given one, which makes one leg alone.

    Raises:
        ModelNotFoundError, CheckpointError: it cannot be found or read.
        MissingHeadError: it does not make that leg.
    """
    if isinstance(model, Embedder):
        return model.only([mode])
    return Embedder.load(model, modes=[mode])


def wrapped(embedding: BaseEmbedding) -> Embedder:
    """The embedder that a foreign embedding of LlamaIndex's stands for; it makes a dense leg.

    Raises:
        InvalidInputError: it has a cache that would mix queries and documents.
        EmbeddingError: it fails.
    """
    refuse_cache(embedding.embeddings_cache)
    return Embedder.wrap(
        name=f"{embedding.class_name()}/{embedding.model_name}",
        dims=len(embedding.get_text_embedding(PROBE)),
        documents=embedding.get_text_embedding_batch,
        queries=lambda texts: [embedding.get_query_embedding(text) for text in texts],
    )


def refuse_cache(cache: object) -> None:
    """Refuse LlamaIndex's cache of embeddings.

    Raises:
        InvalidInputError: there is one.
    """
    if cache is not None:
        raise InvalidInputError(
            f"expected no embeddings_cache, got {type(cache).__name__}: it finds a vector by its "
            "text alone, so that a query is given the vector of a document with the same text; "
            "leave it out, or cache whole nodes in an IngestionPipeline"
        )
