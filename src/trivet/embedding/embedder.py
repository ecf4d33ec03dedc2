"""The facade of the room: a model in, representations of texts out."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer

from trivet.embedding.options import LoadOptions, ProfileSource, checked_devices
from trivet.embedding.texts import require_texts
from trivet.errors import InvalidInputError, MissingHeadError
from trivet.query import Query
from trivet.types import Mode, Representations, Space, checked_modes


class Embedder(ABC):
    """What turns texts into representations; made by `load`, which reads a checkpoint.

    All its methods may be called by several threads at once.

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

    @staticmethod
    def load(
        model: str | os.PathLike[str],
        *,
        modes: Sequence[str] | None = None,
        precision: str = "float32",
        layers: int | None = None,
        dims: int | None = None,
        token_pooling: int | None = None,
        task: str | None = None,
        prompts: Mapping[str, str] | None = None,
        profile: ProfileSource | None = None,
        trust_remote_code: bool = False,
        devices: Sequence[str] | None = None,
    ) -> Embedder:
        """Find a model and read what it is; its weights are not loaded yet.

        Args:
            model: a folder with a checkpoint, or a model's name on the hub.
            modes: the legs to make; None = all that the checkpoint holds.
            precision: of the computation: "float32" is the reference; "bfloat16" is faster where
                the hardware has it; "auto" is that where it has. The space is the same.
            layers: of the backbone, the first ones; None = all.
            dims: of dense and token vectors, the first ones; None = all. Use a model that was
                trained for it (Matryoshka). Each (layers, dims) is a space of its own.
            token_pooling: token vectors of a document that become one, on average: those of like
                tokens, whose mean stays; 1 = none do. A space of its own; queries keep all theirs.
                None = as the checkpoint says, which for most is none.
            task: what the documents are to be found for, such as "tool"; None = search. It
                chooses the wording around documents, which is part of their space.
            prompts: wordings of "query" and "document" that go before the profile's and the
                checkpoint's own: {"query": "query: {text}"}.
            profile: what the checkpoint does not state: a JSON file (as those in
                trivet/embedding/profiles), or the name of a family that has one. None = the one
                that names this model, if there is one; a folder has none.
            trust_remote_code: whether code that a checkpoint brings along may run.
            devices: where to compute, as torch names it: ["cuda:0"]. Of several, each gets a
                process of its own with the first call of many texts; a script then needs its own
                code under `if __name__ == "__main__":`. None = the best one.

        Raises:
            ModelNotFoundError: no such folder, package or hub repository can be reached.
            CheckpointError: a file of the checkpoint is missing, damaged or of an unknown kind.
            MissingHeadError: the checkpoint holds no head for a mode.
            UnknownModeError: a mode that does not exist.
            UnknownTaskError: the model has no wording for the task.
            InstructionError: a wording without its "{text}".
            InvalidInputError: another precision, a model that is no name, no such profile,
                more layers or dims than there are, token_pooling without token vectors, or
                devices that are not there.
            MissingExtraError: a package that this model needs is not installed.
        """
        # The door to the readers, which make embedders of the class that this is the base of.
        from trivet.embedding.checkpoint import load_checkpoint

        options = LoadOptions(
            modes=None if modes is None else checked_modes(modes),
            precision=precision,
            layers=layers,
            dims=dims,
            token_pooling=token_pooling,
            task=task,
            prompts=prompts,
            profile=profile,
            trust_remote_code=trust_remote_code,
            devices=None if devices is None else checked_devices(devices),
        )
        return load_checkpoint(model, options)

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The legs that it makes."""
        return tuple(self.spaces)

    def only(self, modes: Sequence[str]) -> Embedder:
        """The same model, which makes fewer legs; both share their weights.

        Args:
            modes: the legs to make, out of `modes`.

        Raises:
            UnknownModeError: a mode that does not exist.
            MissingHeadError: a mode that this embedder does not make.
        """
        wanted = checked_modes(modes)
        missing = [mode for mode in wanted if mode not in self.spaces]
        if missing:
            raise MissingHeadError(
                f"expected an embedder that makes {missing[0]} vectors, got {self.name!r}, which "
                f"makes {', '.join(self.modes)}: load it with more modes, or ask for these"
            )
        return self._with_spaces({mode: self.spaces[mode] for mode in wanted})

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
        if titles is not None and len(titles) != len(texts):
            raise InvalidInputError(f"expected {len(texts)} titles, got {len(titles)}")
        return self._embed_documents(texts, titles or [""] * len(texts), truncate)

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

    def close(self) -> None:  # noqa: B027 - most embedders hold nothing that has to end
        """End the processes that `devices` started; the next text starts them anew."""

    @property
    @abstractmethod
    def tokenizer(self) -> Tokenizer:
        """A copy of the model's tokenizer, without truncation or padding."""

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
        """The exact text of a query that the model reads; errors as in `embed_queries`."""

    @abstractmethod
    def render_document(self, text: str, *, title: str = "") -> str:
        """The exact text of a document that the model reads.

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

    @abstractmethod
    def _with_spaces(self, spaces: Mapping[Mode, Space]) -> Embedder:
        """The same model, which makes only the legs of these spaces."""

    @abstractmethod
    def _embed_documents(
        self, texts: Sequence[str], titles: Sequence[str], truncate: bool
    ) -> Representations:
        """As `embed_documents`, of checked texts."""

    @abstractmethod
    def _embed_queries(self, queries: Sequence[Query], truncate: bool) -> Representations:
        """As `embed_queries`, of checked queries."""
