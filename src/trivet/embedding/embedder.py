"""The facade of the room: a model's name in, representations of texts out."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from trivet.embedding.locate import Located, locate
from trivet.embedding.prompts import Role, prompt_for
from trivet.embedding.readers.sentence_transformers import read_checkpoint
from trivet.embedding.spec import EncoderSpec, dense_space, files_sha256
from trivet.embedding.texts import require_texts
from trivet.embedding.tokenizing import TextTokenizer
from trivet.errors import CheckpointError, InvalidInputError, MissingHeadError
from trivet.types import (
    DenseVectors,
    Mode,
    Representations,
    Space,
    checked_modes,
)

if TYPE_CHECKING:
    from trivet.embedding.runner import Runner

_PRECISIONS = ("float32",)


class Embedder:
    """A model that turns texts into representations; made by `Embedder.load`.

    Its weights are loaded when the first text is embedded. All its methods may be called by
    several threads at once.

    Attributes:
        name: the model as the caller named it.
        source: what loads the same model again: a name, or the path of a folder.
        modes: the legs that it makes.
        spaces: the space of each leg.
        max_tokens: the most tokens of a text that the model reads, special tokens included.
    """

    def __init__(
        self,
        name: str,
        source: str,
        spec: EncoderSpec,
        tokenizer: TextTokenizer,
        spaces: Mapping[Mode, Space],
    ) -> None:
        self.name = name
        self.source = source
        self.modes: tuple[Mode, ...] = tuple(spaces)
        self.spaces = spaces
        self.max_tokens = spec.max_tokens
        self._spec = spec
        self._tokenizer = tokenizer
        self._prompts: dict[Role, str] = {
            "query": prompt_for(spec, "query"),
            "document": prompt_for(spec, "document"),
        }
        self._runner: Runner | None = None
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        model: str | os.PathLike[str],
        *,
        modes: Sequence[str] | None = None,
        precision: str = "float32",
    ) -> Embedder:
        """Find a model and read what it is; its weights are not loaded yet.

        Args:
            model: a folder with a checkpoint, or a model's name on the hub.
            modes: the legs to make; None = all that the checkpoint holds.
            precision: of the computation; "float32" is the only one.

        Raises:
            ModelNotFoundError: no such folder, package or hub repository can be reached.
            CheckpointError: a file of the checkpoint is missing, damaged or of an unknown kind.
            MissingHeadError: the checkpoint holds no head for a mode.
            UnknownModeError: a mode that does not exist.
            InvalidInputError: another precision, or a model that is no name.
        """
        wanted = None if modes is None else checked_modes(modes)
        if precision not in _PRECISIONS:
            raise InvalidInputError(
                f"expected a precision out of {', '.join(_PRECISIONS)}, got {precision!r}: "
                "leave it out"
            )
        located = locate(model)
        spec = read_checkpoint(located.folder)
        name = os.fspath(model)
        missing = [mode for mode in wanted or () if mode not in spec.modes]
        if missing:
            raise MissingHeadError(
                f"expected a checkpoint with a {missing[0]} head, got {name!r}, which holds "
                f"{', '.join(spec.modes)}: ask for that, or choose another model"
            )
        tokenizer = TextTokenizer.read(spec)
        space = dense_space(
            spec,
            name,
            weights=_checked_weights(spec, located),
            tokenizer=tokenizer.sha256,
            document_prompt=prompt_for(spec, "document"),
        )
        return cls(name, located.source, spec, tokenizer, {"dense": space})

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._runner is not None

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer, without truncation or padding; the embedder has its own copy."""
        return self._tokenizer.copy()

    def load_weights(self) -> None:
        """Load the weights now instead of at the first text; once only, whoever comes first.

        Raises:
            CheckpointError: weights are missing, damaged or of an unknown architecture.
        """
        self._loaded()

    def embed_documents(self, texts: Sequence[str], *, truncate: bool = False) -> Representations:
        """Embed texts that are to be found.

        Args:
            texts: n texts, none of them blank.
            truncate: whether a text that is longer than `max_tokens` is cut at its end.

        Returns:
            n representations, the dense leg (n, d).

        Raises:
            InvalidInputError: not a list of texts; names the position.
            TextTooLongError: a text is longer than the model reads and `truncate` is False.
            CheckpointError: the weights cannot be loaded.
            EmbeddingError: the model failed.
        """
        return self._embed(texts, "document", truncate)

    def embed_queries(self, texts: Sequence[str], *, truncate: bool = False) -> Representations:
        """Embed texts that ask; arguments, result and errors as in `embed_documents`."""
        return self._embed(texts, "query", truncate)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as a document: special tokens and the document prompt included.

        Args:
            texts: n texts; here they may be blank.

        Raises:
            InvalidInputError: not a list of texts; names the position.
        """
        require_texts(texts, blank=True)
        prompt = self._prompts["document"]
        return self._tokenizer.count([prompt + text for text in texts])

    def __repr__(self) -> str:
        state = "loaded" if self.is_loaded else "not loaded"
        return f"Embedder({self.name!r}, modes={list(self.modes)}, {state})"

    def _embed(self, texts: Sequence[str], role: Role, truncate: bool) -> Representations:
        require_texts(texts)
        space = self.spaces["dense"]
        if not texts:
            empty = np.zeros((0, self._spec.dims), dtype=np.float32)
            return Representations(dense=DenseVectors(space, empty))
        prompt = self._prompts[role]
        token_ids = self._tokenizer.token_ids([prompt + text for text in texts], truncate=truncate)
        skip = 0 if self._spec.include_prompt else self._tokenizer.prompt_tokens(prompt)
        return Representations(
            dense=DenseVectors(space, self._loaded().dense(token_ids, skip=skip))
        )

    def _loaded(self) -> Runner:
        with self._lock:
            if self._runner is None:
                # The door to torch and transformers: seconds and hundreds of megabytes.
                from trivet.embedding.runner import load_runner

                self._runner = load_runner(self._spec)
            return self._runner


def _checked_weights(spec: EncoderSpec, located: Located) -> str:
    """SHA-256 of the weights, which must be the expected one where there is one."""
    came = files_sha256(spec.weights_files)
    if located.weights_sha256 not in (None, came):
        raise CheckpointError(
            f"expected weights with SHA-256 {located.weights_sha256} in {spec.folder}, got {came}: "
            "install the package anew"
        )
    return came
