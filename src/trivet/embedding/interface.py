"""What every embedder does, whatever makes its vectors: texts in, representations out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from semantic_text_splitter import TextSplitter

from trivet import tracing
from trivet.embedding.texts import checked_titles, require_texts
from trivet.query import Query
from trivet.types import Mode, Representations, Space


class EmbedderInterface(ABC):
    """The calls that embedders share; all may be made by several threads at once.

    Attributes:
        name: the model as the caller named it.
        source: what loads the same model again: a name, or the path of a folder.
        recipe: the options that load it alike from there (JSON).
        spaces: the space of each leg.
        max_tokens: the most tokens of a text that the model reads, special tokens included.
    """

    name: str
    source: str
    recipe: Mapping[str, Any]
    spaces: Mapping[Mode, Space]
    max_tokens: int

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The legs that it makes."""
        return tuple(self.spaces)

    def embed_documents(
        self, texts: Sequence[str], *, titles: Sequence[str] | None = None, truncate: bool = False
    ) -> Representations:
        """Embed texts that are to be found.

        Args:
            texts: n texts, none of them blank.
            titles: one for each text, "" for none, of a model that has a place for titles.
            truncate: whether a text that is longer than `max_tokens` is cut at its end.

        Returns:
            n representations with a leg for each of `modes`.

        Raises:
            InvalidInputError: not a list of texts; names the position.
            TextTooLongError: a text is longer than the model reads and `truncate` is False.
            InstructionError: titles that the model has no place or no room for.
            CheckpointError: the weights cannot be loaded.
            EmbeddingError: the model failed.
        """
        require_texts(texts)
        given = checked_titles(texts, titles)
        with tracing.embedding("embed_documents", self.name, texts):
            return self._embed_documents(texts, given, truncate)

    def embed_queries(
        self, texts: Sequence[str | Query], *, task: str | None = None, truncate: bool = False
    ) -> Representations:
        """Embed texts that ask.

        Args:
            texts: n texts, or queries with a task, an instruction or examples.
            task: of the texts that are no `Query`; None = the one that the model was loaded for.
            truncate: as in `embed_documents`.

        Returns:
            n representations with a leg for each of `modes`.

        Raises:
            UnknownTaskError: the model has no wording for a query's task.
            SpaceMismatchError: that task's documents are written otherwise than `task`'s.
            InstructionError: an instruction or examples that there is no place or no room for.
            InvalidInputError, TextTooLongError, CheckpointError, EmbeddingError: as in
                `embed_documents`.
        """
        asked = isinstance(texts, Sequence) and not isinstance(texts, str)
        plain = [t.text if isinstance(t, Query) else t for t in texts] if asked else texts
        require_texts(plain)  # type: ignore[arg-type]
        queries = [t if isinstance(t, Query) else Query(t, task=task) for t in texts]
        with tracing.embedding("embed_queries", self.name, [query.text for query in queries]):
            return self._embed_queries(queries, truncate)

    @property
    @abstractmethod
    def is_loaded(self) -> bool:
        """Whether the weights are in memory."""

    @abstractmethod
    def load_weights(self) -> None:
        """Load the weights now instead of at the first text; once only, whoever comes first.

        Raises:
            CheckpointError: weights are missing, damaged or of an unknown architecture.
        """

    @property
    @abstractmethod
    def task(self) -> str:
        """What the documents are to be found for."""

    @property
    @abstractmethod
    def tasks(self) -> tuple[str, ...]:
        """What the model has its own wording for."""

    @property
    @abstractmethod
    def takes_titles(self) -> bool:
        """Whether the model has a place for a document's title."""

    @abstractmethod
    def render(self, query: str | Query) -> str:
        """The exact text of a query that the model reads.

        Args:
            query: a text or a `Query`.

        Raises:
            TrivetError: as `embed_queries`.
        """

    @abstractmethod
    def render_document(self, text: str, *, title: str = "") -> str:
        """The exact text of a document that the model reads.

        Args:
            text: of the document.
            title: of the document; "" = it has none.

        Raises:
            InstructionError: a title, for a model that has no place for one.
        """

    @abstractmethod
    def count_tokens(
        self, texts: Sequence[str], *, titles: Sequence[str] | None = None
    ) -> list[int]:
        """Tokens of each text as a document: special tokens and the document prompt included.

        Args:
            texts: n texts; here they may be blank.
            titles: as in `embed_documents`.

        Raises:
            InvalidInputError: not a list of texts; names the position.
            InstructionError: a title, for a model that has no place for one.
        """

    def close(self) -> None:  # noqa: B027 - most embedders hold nothing that has to end
        """End the processes that `devices` started; the next text starts them anew."""

    def text_splitter(self, tokens: int) -> TextSplitter:
        """What cuts a long text at paragraphs, sentences and words, and drops nothing.

        Args:
            tokens: the most of a piece, without what `count_tokens` counts of an empty text.
        """
        (empty,) = self.count_tokens([""])

        def count(piece: str) -> int:
            return max(0, self.count_tokens([piece])[0] - empty)

        return TextSplitter.from_callback(count, tokens, trim=False)

    @abstractmethod
    def _embed_documents(
        self, texts: Sequence[str], titles: Sequence[str], truncate: bool
    ) -> Representations:
        """As `embed_documents`, of checked texts."""

    @abstractmethod
    def _embed_queries(self, queries: Sequence[Query], truncate: bool) -> Representations:
        """As `embed_queries`, of checked queries."""
