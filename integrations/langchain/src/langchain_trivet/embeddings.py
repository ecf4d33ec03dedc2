"""The dense leg of a Trivet embedder as LangChain embeddings."""

from __future__ import annotations

import os

from langchain_core.embeddings import Embeddings
from langchain_core.runnables.config import run_in_executor

from trivet import Embedder, Query
from trivet.errors import MissingHeadError

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class TrivetEmbeddings(Embeddings):
    """Dense vectors of documents and queries, each with the wording that the model wants.

    An asynchronous call embeds in a thread, and never in the event loop.

    Args:
        model: a `trivet.Embedder`, or a model's name or folder.
        task: what queries are for, such as "search"; None = what the embedder was loaded for.
        instruction: what queries look for, where the model has a place for it.
        truncate: whether a text that is longer than the model reads is cut at its end.

    Attributes:
        embedder: makes the vectors, of every leg that it has.

    Raises:
        MissingHeadError: an embedder without a dense leg.
        ModelNotFoundError, CheckpointError: the model cannot be found or read.
    """

    def __init__(
        self,
        *,
        model: Embedder | str | os.PathLike[str] = DEFAULT_MODEL,
        task: str | None = None,
        instruction: str | None = None,
        truncate: bool = False,
    ) -> None:
        self.embedder = model if isinstance(model, Embedder) else Embedder.load(model)
        self._dense = self.embedder.only(["dense"])
        self._task = task
        self._instruction = instruction
        self._truncate = truncate

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vector of each document.

        Args:
            texts: n documents.

        Returns:
            n vectors of d numbers each.

        Raises:
            TrivetError: as `trivet.Embedder.embed_documents`.
        """
        if not texts:
            return []
        dense = self._dense.embed_documents(texts, truncate=self._truncate).dense
        return _rows(dense.values.tolist() if dense is not None else None)

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query.

        Args:
            text: of the query.

        Raises:
            TrivetError: as `embed_queries`.
        """
        return self.embed_queries([text])[0]

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """The vector of each query, all in one forward pass.

        Args:
            texts: n queries.

        Returns:
            n vectors of d numbers each.

        Raises:
            TrivetError: as `trivet.Embedder.embed_queries`.
        """
        if not texts:
            return []
        queries = [Query(text, task=self._task, instruction=self._instruction) for text in texts]
        dense = self._dense.embed_queries(queries, truncate=self._truncate).dense
        return _rows(dense.values.tolist() if dense is not None else None)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """As `embed_documents`, in a thread."""
        return await run_in_executor(None, self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """As `embed_query`, in a thread."""
        return await run_in_executor(None, self.embed_query, text)

    def __repr__(self) -> str:
        return f"TrivetEmbeddings(model={self.embedder.name!r})"


def _rows(values: list[list[float]] | None) -> list[list[float]]:
    if values is None:
        raise MissingHeadError("expected an embedder with a dense leg, got one without: load it")
    return values
