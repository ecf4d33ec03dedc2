"""What embedders of one model share: the wordings that they write around their texts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from trivet.embedding.embedder import Embedder
from trivet.embedding.prompts import Prompts, Rendered, Role
from trivet.embedding.texts import checked_titles, require_texts
from trivet.query import Query
from trivet.types import Representations


class PromptedEmbedder(Embedder):
    """An embedder of one model; its kinds count and embed texts with the wording around them.

    Attributes:
        prompts: the model's wordings.
    """

    prompts: Prompts

    @property
    def task(self) -> str:
        """What the documents are to be found for."""
        return self.prompts.task

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the model has its own wording for."""
        return tuple(sorted(self.prompts.tasks))

    @property
    def takes_titles(self) -> bool:
        """Whether the wording of documents has a place for a title."""
        return self.prompts.documents().takes_title

    def render(self, query: str | Query) -> str:
        """The exact text of a query."""
        require_texts([query.text if isinstance(query, Query) else query])
        return self.prompts.query(query).whole

    def render_document(self, text: str, *, title: str = "") -> str:
        """The exact text of a document."""
        require_texts([text])
        [title] = checked_titles([text], [title])
        return self.prompts.document(text, title).whole

    def count_tokens(
        self, texts: Sequence[str], *, titles: Sequence[str] | None = None
    ) -> list[int]:
        """Tokens of each text as a document."""
        require_texts(texts, blank=True)
        pairs = zip(texts, checked_titles(texts, titles), strict=True)
        return self._count([self.prompts.document(text, title).whole for text, title in pairs])

    def _embed_documents(
        self, texts: Sequence[str], titles: Sequence[str], truncate: bool
    ) -> Representations:
        pairs = zip(texts, titles, strict=True)
        rendered = [self.prompts.document(text, title) for text, title in pairs]
        return self._embed(rendered, "document", truncate)

    def _embed_queries(self, queries: Sequence[Query], truncate: bool) -> Representations:
        return self._embed([self.prompts.query(query) for query in queries], "query", truncate)

    @abstractmethod
    def _count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each document as the model reads it."""

    @abstractmethod
    def _embed(self, texts: Sequence[Rendered], role: Role, truncate: bool) -> Representations:
        """The legs of n texts; errors as in `embed_documents`."""
