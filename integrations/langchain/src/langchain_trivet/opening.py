"""The index under a store: one that is given, or one that is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence

from langchain_core.embeddings import Embeddings

import trivet
from langchain_trivet.embeddings import TrivetEmbeddings
from trivet.errors import EmbeddingError, InvalidInputError

# Where classes of embeddings keep the name of their model.
_MODEL_NAMES = ("model", "model_name", "model_id", "deployment", "deployment_name")


def opened(
    *,
    location: str | os.PathLike[str] | None,
    index: trivet.Index | None,
    embedding: Embeddings | None,
    collection: str | None,
    modes: Sequence[str] | None,
) -> trivet.Index:
    """The index that a store is of; arguments as in `TrivetVectorStore`.

    Raises:
        InvalidInputError: neither or both of location and index; what belongs to a location beside
            an index; an embedding that is none.
        TrivetError: as `trivet.open`.
    """
    if (location is None) == (index is None):
        came = "neither" if index is None else "both"
        raise InvalidInputError(
            f"expected one of location and index, got {came}: give one, such as "
            'location="./library", or location=":memory:"'
        )
    if embedding is not None and not isinstance(embedding, Embeddings):
        raise InvalidInputError(
            f"expected LangChain Embeddings, got {type(embedding).__name__}: a trivet.Embedder "
            "goes into TrivetEmbeddings(model=…)"
        )
    if index is not None:
        for name, given in (("embedding", embedding), ("collection", collection), ("modes", modes)):
            if given is not None:
                raise InvalidInputError(
                    f"expected no {name} beside an index, got {given!r}: the index has its own"
                )
        return index
    return trivet.open(
        location if location is not None else "",
        model=None if embedding is None else as_embedder(embedding),
        collection=collection,
        modes=modes,
    )


def as_embedder(embedding: Embeddings) -> trivet.Embedder:
    """An embedder of any LangChain embeddings; one text is embedded to learn their length.

    Raises:
        EmbeddingError: that text cannot be embedded.
        InvalidInputError: a cache that takes queries for documents.
    """
    if isinstance(embedding, TrivetEmbeddings):
        return embedding.embedder
    queries = getattr(embedding, "query_embedding_store", None)
    if queries is not None and queries is getattr(embedding, "document_embedding_store", None):
        raise InvalidInputError(
            f"expected embeddings whose cache tells queries from documents, got one cache for both "
            f"in {type(embedding).__name__}: a query would get the vector of a document of the "
            "same text; give it a query_embedding_cache of its own, or none"
        )
    try:
        dims = len(embedding.embed_query("length"))
    except Exception as error:  # whatever a foreign client raises
        raise EmbeddingError(
            f"expected a vector from {type(embedding).__name__}, got {type(error).__name__} "
            f"({error}): correct the call or the service"
        ) from error
    return trivet.Embedder.wrap(
        name=_name(embedding),
        dims=dims,
        documents=embedding.embed_documents,
        queries=lambda texts: [embedding.embed_query(text) for text in texts],
    )


def _name(embedding: Embeddings) -> str:
    """Class and model: what an index knows the same embeddings by when it is opened again."""
    names = (getattr(embedding, attribute, None) for attribute in _MODEL_NAMES)
    model = next((name for name in names if isinstance(name, str) and name), None)
    kind = type(embedding).__qualname__
    return kind if model is None else f"{kind}:{model}"
