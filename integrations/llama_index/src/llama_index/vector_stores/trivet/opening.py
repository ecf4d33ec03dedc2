"""The index of a vector store: one that is given, or one that is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeAlias

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.embeddings.trivet.dense import TrivetEmbedding
from llama_index.embeddings.trivet.models import refuse_cache, wrapped

import trivet
from trivet.errors import InvalidInputError

Embedding: TypeAlias = "str | os.PathLike[str] | trivet.Embedder | BaseEmbedding | None"


def opened(
    location: str | os.PathLike[str] | None,
    index: trivet.Index | None,
    embedding: Embedding,
    collection: str | None,
    modes: Sequence[str] | None,
) -> trivet.Index:
    """The index; arguments and errors as of `TrivetVectorStore`."""
    if location is not None and index is None:
        return trivet.open(location, model=_model(embedding), collection=collection, modes=modes)
    if index is None or location is not None:
        raise InvalidInputError(
            "expected one of location and index, got "
            f"{'neither' if index is None else 'both'}: an index that is open, or where it is"
        )
    for name, given in (("embedding", embedding), ("collection", collection)):
        if given is not None:
            raise InvalidInputError(
                f"expected no {name} beside an index, got {given!r}: the index has its own"
            )
    return index


def _model(embedding: Embedding) -> str | os.PathLike[str] | trivet.Embedder | None:
    if isinstance(embedding, TrivetEmbedding):
        refuse_cache(embedding.embeddings_cache)
        return embedding.embedder
    return wrapped(embedding) if isinstance(embedding, BaseEmbedding) else embedding
