"""The facade of the room: a model's name in, representations of texts out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property

from tokenizers import Tokenizer

from trivet.embedding.elastic import resized
from trivet.embedding.locate import locate
from trivet.embedding.preparing import marker_ids, prepare
from trivet.embedding.profile import Profile, find_profile
from trivet.embedding.prompts import Prompts, Rendered, Role
from trivet.embedding.readers.decoders import with_decoder_facts
from trivet.embedding.readers.families import read_checkpoint
from trivet.embedding.resolving import require_effect, resolve_prompts
from trivet.embedding.spaces import checked_weights, space_of
from trivet.embedding.spec import EncoderSpec
from trivet.embedding.texts import require_texts
from trivet.embedding.tokenizing import TextTokenizer
from trivet.embedding.weights import Weights, in_spaces
from trivet.errors import InvalidInputError, MissingHeadError
from trivet.types import Mode, Query, Representations, Space, checked_modes

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
        prompts: Prompts,
    ) -> None:
        self.name = name
        self.source = source
        self.modes: tuple[Mode, ...] = tuple(spaces)
        self.spaces = spaces
        self.max_tokens = spec.max_tokens
        self._spec = spec
        self._tokenizer = tokenizer
        self._prompts = prompts
        self._weights = weights

    @classmethod
    def load(
        cls,
        model: str | os.PathLike[str],
        *,
        modes: Sequence[str] | None = None,
        precision: str = "float32",
        layers: int | None = None,
        dims: int | None = None,
        task: str | None = None,
        prompts: Mapping[str, str] | None = None,
        profile: str | os.PathLike[str] | Profile | None = None,
        trust_remote_code: bool = False,
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
            task: what the documents are to be found for, such as "tool"; None = search. It
                chooses the wording around documents, which is part of their space.
            prompts: wordings of "query" and "document" that go before the profile's and the
                checkpoint's own: {"query": "query: {text}"}.
            profile: what the checkpoint does not state: a JSON file (as those in
                trivet/embedding/profiles), or the name of a family that has one. None = the one
                that names this model, if there is one; a folder has none.
            trust_remote_code: whether code that a checkpoint brings along may run.

        Raises:
            ModelNotFoundError: no such folder, package or hub repository can be reached.
            CheckpointError: a file of the checkpoint is missing, damaged or of an unknown kind.
            MissingHeadError: the checkpoint holds no head for a mode.
            UnknownModeError: a mode that does not exist.
            UnknownTaskError: the model has no wording for the task.
            InstructionError: a wording without its "{text}".
            InvalidInputError: another precision, a model that is no name, no such profile, or
                more layers or dims than there are.
        """
        wanted = None if modes is None else checked_modes(modes)
        if precision not in _PRECISIONS:
            raise InvalidInputError(
                f"expected a precision out of {', '.join(_PRECISIONS)}, got {precision!r}: "
                "leave it out"
            )
        located = locate(model)
        chosen = find_profile(profile, located.source)
        spec = read_checkpoint(located.folder)
        spec = spec if chosen is None else chosen.applied(spec)
        spec = with_decoder_facts(spec, chosen, trust_remote_code=trust_remote_code)
        spec = resized(spec, layers=layers, dims=dims)
        name = os.fspath(model)
        if wanted is not None:
            _require_held(wanted, spec.modes, name)
        modes_made = spec.modes if wanted is None else wanted
        tokenizer = TextTokenizer.read(spec)
        wordings = resolve_prompts(name, spec, profile=chosen, override=prompts, task=task)
        require_effect(wordings, tokenizer)
        weights_sha256 = checked_weights(spec, located)
        spaces = {
            mode: space_of(
                mode,
                spec,
                name,
                weights=weights_sha256,
                tokenizer=tokenizer.sha256,
                document_prompt=wordings.documents().pattern,
            )
            for mode in modes_made
        }
        weights = Weights(spec, modes_made, precision)
        return cls(name, located.source, spec, tokenizer, spaces, weights, wordings)

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
        parts = (self._spec, self._tokenizer, spaces, self._weights, self._prompts)
        return Embedder(self.name, self.source, *parts)

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

    @property
    def task(self) -> str:
        """What the documents are to be found for."""
        return self._prompts.task

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the model has its own wording for."""
        return tuple(sorted(self._prompts.tasks))

    def render(self, query: str | Query) -> str:
        """The exact text of a query that the model reads; errors as in `embed_queries`."""
        require_texts([query.text if isinstance(query, Query) else query])
        return self._prompts.query(query).whole

    def render_document(self, text: str, *, title: str = "") -> str:
        """The exact text of a document that the model reads.

        Raises:
            InstructionError: a title, for a model that has no place for one.
        """
        require_texts([text])
        return self._prompts.document(text, title).whole

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
        pairs = zip(texts, titles or [""] * len(texts), strict=True)
        rendered = [self._prompts.document(text, title) for text, title in pairs]
        return self._embed(rendered, "document", truncate)

    def embed_queries(
        self, texts: Sequence[str | Query], *, truncate: bool = False
    ) -> Representations:
        """Embed texts that ask.

        Args:
            texts: n texts, or queries with a task, an instruction or examples.
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
        return self._embed([self._prompts.query(text) for text in texts], "query", truncate)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as a document: special tokens and the document prompt included.

        Args:
            texts: n texts; here they may be blank.

        Raises:
            InvalidInputError: not a list of texts; names the position.
        """
        require_texts(texts, blank=True)
        added = len(marker_ids(self._spec, "document"))
        rendered = [self._prompts.document(text).whole for text in texts]
        return [added + n for n in self._tokenizer.count(rendered)]

    def __repr__(self) -> str:
        state = "loaded" if self.is_loaded else "not loaded"
        return f"Embedder({self.name!r}, modes={list(self.modes)}, {state})"

    def _embed(self, texts: Sequence[Rendered], role: Role, truncate: bool) -> Representations:
        if not texts:
            return in_spaces(None, self.spaces)
        # The door to torch and transformers: seconds and hundreds of megabytes.
        from trivet.embedding.runner import Job, Made

        static = self._weights.static_queries() if role == "query" else None
        if static is not None:
            return in_spaces(Made(sparse=static.embed([text.whole for text in texts])), self.spaces)
        prepared = prepare(self._spec, self._tokenizer, texts, role, truncate=truncate)
        job = Job(self.modes, role, self._tokenizer.special_ends)
        return in_spaces(self._weights.runner().represent(prepared, job), self.spaces)


def _require_held(wanted: Sequence[Mode], held: Sequence[Mode], name: str) -> None:
    missing = [mode for mode in wanted if mode not in held]
    if missing:
        raise MissingHeadError(
            f"expected a checkpoint with a {missing[0]} head ({_HEADS[missing[0]]}), got {name!r}, "
            f"which holds {', '.join(held)}: ask for that, or choose another model"
        )
