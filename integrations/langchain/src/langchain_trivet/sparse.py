"""Sparse vectors with the interface that langchain-qdrant asks of sparse embeddings."""

from __future__ import annotations

import os

from langchain_core.runnables.config import run_in_executor
from pydantic import BaseModel, ConfigDict

from trivet import Embedder, Lexical
from trivet.embedding.lexical import Bm25
from trivet.errors import MissingHeadError
from trivet.types import SparseVectors

# Of a document: what other BM25 embeddings assume where nothing is known of the documents.
AVERAGE_TERMS = 256.0


class SparseVector(BaseModel):
    """A sparse vector.

    Attributes:
        indices: of its terms, ascending.
        values: at these.
    """

    model_config = ConfigDict(extra="forbid")

    indices: list[int]
    values: list[float]


class TrivetSparseEmbeddings:
    """A model's own sparse leg, or BM25 weights (of a collection whose modifier is IDF).

    Args:
        model: a `trivet.Embedder` with a sparse leg, or such a model's name or folder; None =
            BM25.
        language: of the documents, for BM25: an ISO 639-1 code, such as "de".
        average_terms: of a document, for BM25: its words without stop words.

    Raises:
        MissingHeadError: a model without a sparse leg.
        InvalidInputError: a language or average that BM25 cannot use.
    """

    def __init__(
        self,
        *,
        model: Embedder | str | os.PathLike[str] | None = None,
        language: str = "en",
        average_terms: float = AVERAGE_TERMS,
    ) -> None:
        self._name = "bm25"
        self._bm25 = Bm25(average_terms, Lexical(language))
        self._embedder: Embedder | None = None
        if model is not None:
            loaded = model if isinstance(model, Embedder) else Embedder.load(model)
            self._embedder = loaded.only(["sparse"])
            self._name = loaded.name

    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        """The sparse vector of each document.

        Args:
            texts: documents.

        Raises:
            TrivetError: as `trivet.Embedder.embed_documents`.
        """
        if not texts:
            return []
        if self._embedder is None:
            return _vectors(self._bm25.embed_documents(texts))
        return _vectors(self._embedder.embed_documents(texts).sparse)

    def embed_query(self, text: str) -> SparseVector:
        """The sparse vector of a query.

        Args:
            text: of the query.

        Raises:
            TrivetError: as `trivet.Embedder.embed_queries`.
        """
        if self._embedder is None:
            return _vectors(self._bm25.embed_queries([text]))[0]
        return _vectors(self._embedder.embed_queries([text]).sparse)[0]

    async def aembed_documents(self, texts: list[str]) -> list[SparseVector]:
        """As `embed_documents`, in a thread."""
        return await run_in_executor(None, self.embed_documents, texts)

    async def aembed_query(self, text: str) -> SparseVector:
        """As `embed_query`, in a thread."""
        return await run_in_executor(None, self.embed_query, text)

    def __repr__(self) -> str:
        return f"TrivetSparseEmbeddings(model={self._name!r})"


def _vectors(sparse: SparseVectors | None) -> list[SparseVector]:
    if sparse is None:
        raise MissingHeadError("expected an embedder with a sparse leg, got one without: load it")
    return [
        SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())
        for vector in sparse.values
    ]
