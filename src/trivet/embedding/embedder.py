"""The facade of the room: a model's name in, representations of texts out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property

from tokenizers import Tokenizer

from trivet.embedding.locate import Located, locate
from trivet.embedding.preparing import marker_ids, prepare
from trivet.embedding.prompts import Role, prompt_for
from trivet.embedding.readers.families import read_checkpoint
from trivet.embedding.spaces import files_sha256, space_of
from trivet.embedding.spec import EncoderSpec
from trivet.embedding.texts import require_texts
from trivet.embedding.tokenizing import TextTokenizer
from trivet.embedding.weights import Weights, in_spaces
from trivet.errors import CheckpointError, InvalidInputError, MissingHeadError
from trivet.types import Mode, Representations, Space, checked_modes

_PRECISIONS = ("float32", "bfloat16", "auto")
# What a checkpoint would hold if it made a leg.
_HEADS: dict[Mode, str] = {
    "dense": "a pooling of its token states",
    "sparse": "sparse_linear.pt, or a masked language model with SpladePooling",
    "multi": "token states that are not a language model's logits",
}


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
        weights: Weights,
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
        self._weights = weights

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
            precision: of the computation: "float32" is the reference; "bfloat16" is faster where
                the hardware has it; "auto" is that where it has. The space is the same.

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
        if wanted is not None:
            _require_held(wanted, spec.modes, name)
        modes_made = spec.modes if wanted is None else wanted
        tokenizer = TextTokenizer.read(spec)
        weights_sha256 = _checked_weights(spec, located)
        spaces = {
            mode: space_of(
                mode,
                spec,
                name,
                weights=weights_sha256,
                tokenizer=tokenizer.sha256,
                document_prompt=prompt_for(spec, "document"),
            )
            for mode in modes_made
        }
        weights = Weights(spec, modes_made, precision)
        return cls(name, located.source, spec, tokenizer, spaces, weights)

    def only(self, modes: Sequence[str]) -> Embedder:
        """The same model, which makes fewer legs; both share their weights.

        Args:
            modes: the legs to make, out of `modes`.

        Raises:
            UnknownModeError: a mode that does not exist.
            MissingHeadError: a mode that this embedder does not make.
        """
        wanted = checked_modes(modes)
        _require_held(wanted, self.modes, self.name)
        spaces = {mode: self.spaces[mode] for mode in wanted}
        return Embedder(self.name, self.source, self._spec, self._tokenizer, spaces, self._weights)

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._weights.are_loaded

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer, without truncation or padding; the embedder has its own copy."""
        return self._tokenizer.copy()

    def load_weights(self) -> None:
        """Load the weights now instead of at the first text; once only, whoever comes first.

        Raises:
            CheckpointError: weights are missing, damaged or of an unknown architecture.
        """
        self._weights.runner()

    def embed_documents(self, texts: Sequence[str], *, truncate: bool = False) -> Representations:
        """Embed texts that are to be found.

        Args:
            texts: n texts, none of them blank.
            truncate: whether a text that is longer than `max_tokens` is cut at its end.

        Returns:
            n representations with a leg for each of `modes`.

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
        added = len(marker_ids(self._spec, "document"))
        return [added + n for n in self._tokenizer.count([prompt + text for text in texts])]

    def __repr__(self) -> str:
        state = "loaded" if self.is_loaded else "not loaded"
        return f"Embedder({self.name!r}, modes={list(self.modes)}, {state})"

    def _embed(self, texts: Sequence[str], role: Role, truncate: bool) -> Representations:
        require_texts(texts)
        if not texts:
            return in_spaces(None, self.spaces)
        # The door to torch and transformers: seconds and hundreds of megabytes.
        from trivet.embedding.runner import Job, Made

        prompt = self._prompts[role]
        prompted = [prompt + text for text in texts]
        static = self._weights.static_queries() if role == "query" else None
        if static is not None:
            return in_spaces(Made(sparse=static.embed(prompted)), self.spaces)
        prepared = prepare(self._spec, self._tokenizer, prompted, role, truncate=truncate)
        skip = 0 if self._spec.include_prompt else self._tokenizer.prompt_tokens(prompt)
        job = Job(self.modes, role, self._tokenizer.special_ends, skip)
        return in_spaces(self._weights.runner().represent(prepared, job), self.spaces)


def _require_held(wanted: Sequence[Mode], held: Sequence[Mode], name: str) -> None:
    missing = [mode for mode in wanted if mode not in held]
    if missing:
        raise MissingHeadError(
            f"expected a checkpoint with a {missing[0]} head ({_HEADS[missing[0]]}), got {name!r}, "
            f"which holds {', '.join(held)}: ask for that, or choose another model"
        )


def _checked_weights(spec: EncoderSpec, located: Located) -> str:
    """SHA-256 of the weights, which must be the expected one where there is one."""
    came = files_sha256(spec.weights_files)
    if located.weights_sha256 not in (None, came):
        raise CheckpointError(
            f"expected weights with SHA-256 {located.weights_sha256} in {spec.folder}, got {came}: "
            "install the package anew"
        )
    return came
