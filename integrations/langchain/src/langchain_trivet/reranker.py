"""Late interaction as a LangChain document compressor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables.config import run_in_executor
from pydantic import ConfigDict, Field

import trivet
from langchain_trivet.embeddings import DEFAULT_MODEL


class TrivetReranker(BaseDocumentCompressor):
    """The documents that answer a query best, by a model's token vectors.

    Attributes:
        model: a `trivet.Embedder` that makes token vectors, or a model's name or folder.
        top_n: documents wanted.
        score_key: where the metadata of what is given back hold the score (from -1 to 1); None =
            nowhere, and metadata are as they came.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    model: trivet.Embedder | str = Field(default=DEFAULT_MODEL, repr=False)
    top_n: int = Field(default=4, ge=1)
    score_key: str | None = None

    @cached_property
    def _reranker(self) -> trivet.Reranker:
        return trivet.Reranker(self.model)

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """The best documents, best first; copies, the given ones stay as they are.

        Args:
            documents: in any order; of equal scores the first stays first.
            query: what is asked.
            callbacks: none is called: the span of the reranking is OpenTelemetry's.

        Raises:
            InvalidQueryError: no text, or a blank one.
            TrivetError: as `trivet.Reranker.score`.
        """
        scores = self._reranker.score(query, [document.page_content for document in documents])
        order = sorted(range(len(documents)), key=lambda i: -scores[i])[: self.top_n]
        best = [documents[i].model_copy(deep=True) for i in order]
        if self.score_key is not None:
            for document, i in zip(best, order, strict=True):
                document.metadata[self.score_key] = scores[i]
        return best

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """As `compress_documents`, in a thread."""
        return await run_in_executor(None, self.compress_documents, documents, query, callbacks)
