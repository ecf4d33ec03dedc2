"""An embedder that is a checkpoint in a folder, run by this library."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tokenizers import Tokenizer

from trivet.embedding.elastic import resized
from trivet.embedding.embedder import Embedder
from trivet.embedding.locate import locate
from trivet.embedding.options import LoadOptions
from trivet.embedding.preparing import marker_ids, prepare
from trivet.embedding.profile import find_profile
from trivet.embedding.prompts import Prompts, Rendered, Role
from trivet.embedding.readers.decoders import with_decoder_facts
from trivet.embedding.readers.families import read_checkpoint
from trivet.embedding.resolving import require_effect, resolve_prompts
from trivet.embedding.spaces import checked_weights, space_of
from trivet.embedding.spec import EncoderSpec
from trivet.embedding.texts import checked_titles, require_texts
from trivet.embedding.tokenizing import TextTokenizer
from trivet.embedding.weights import Weights, in_spaces
from trivet.errors import MissingHeadError
from trivet.query import Query
from trivet.types import Mode, Representations, Space

# What a checkpoint would hold if it made a leg.
_HEADS: dict[Mode, str] = {
    "dense": "a pooling of its token states",
    "sparse": "sparse_linear.pt, or a masked language model with SpladePooling",
    "multi": "token states that are not a language model's logits",
}


@dataclass(frozen=True, repr=False, eq=False)
class CheckpointEmbedder(Embedder):
    """A checkpoint whose weights are loaded when the first text is embedded.

    Attributes:
        name: as the caller named it.
        source: what loads the same checkpoint again.
        recipe: with which options.
        spec: what the checkpoint is.
        text_tokenizer: cuts texts into its tokens.
        spaces: the space of each leg.
        weights: loaded once, and shared.
        prompts: its wordings.
    """

    name: str
    source: str
    recipe: Mapping[str, Any]
    spec: EncoderSpec
    text_tokenizer: TextTokenizer
    spaces: Mapping[Mode, Space]
    weights: Weights
    prompts: Prompts

    @property
    def max_tokens(self) -> int:  # type: ignore[override]
        """The most tokens of a text that the model reads, special tokens included."""
        return self.spec.max_tokens

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self.weights.are_loaded

    @property
    def tokenizer(self) -> Tokenizer:
        """A copy of the tokenizer."""
        return self.text_tokenizer.copy()

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

    def load_weights(self) -> None:
        """Load the weights now."""
        self.weights.runner()

    def render(self, query: str | Query) -> str:
        """The exact text of a query."""
        require_texts([query.text if isinstance(query, Query) else query])
        return self.prompts.query(query).whole

    def render_document(self, text: str, *, title: str = "") -> str:
        """The exact text of a document."""
        require_texts([text])
        [title] = checked_titles([title], 1)
        return self.prompts.document(text, title).whole

    def count_tokens(
        self, texts: Sequence[str], *, titles: Sequence[str] | None = None
    ) -> list[int]:
        """Tokens of each text as a document."""
        require_texts(texts, blank=True)
        added = len(marker_ids(self.spec, "document"))
        pairs = zip(texts, checked_titles(titles, len(texts)), strict=True)
        rendered = [self.prompts.document(text, title).whole for text, title in pairs]
        return [added + n for n in self.text_tokenizer.count(rendered)]

    def __repr__(self) -> str:
        state = "loaded" if self.is_loaded else "not loaded"
        return f"Embedder({self.name!r}, modes={list(self.modes)}, {state})"

    def _with_spaces(self, spaces: Mapping[Mode, Space]) -> Embedder:
        return replace(self, spaces=spaces)

    def _embed_documents(
        self, texts: Sequence[str], titles: Sequence[str], truncate: bool
    ) -> Representations:
        pairs = zip(texts, titles, strict=True)
        rendered = [self.prompts.document(text, title) for text, title in pairs]
        return self._embed(rendered, "document", truncate)

    def _embed_queries(self, queries: Sequence[Query], truncate: bool) -> Representations:
        return self._embed([self.prompts.query(query) for query in queries], "query", truncate)

    def _embed(self, texts: Sequence[Rendered], role: Role, truncate: bool) -> Representations:
        if not texts:
            return in_spaces(None, self.spaces)
        # The door to torch and transformers: seconds and hundreds of megabytes.
        from trivet.embedding.runner import Job, Made

        static = self.weights.static_queries() if role == "query" else None
        if static is not None:
            return in_spaces(Made(sparse=static.embed([text.whole for text in texts])), self.spaces)
        prepared = prepare(self.spec, self.text_tokenizer, texts, role, truncate=truncate)
        job = Job(self.modes, role, self.text_tokenizer.special_ends)
        return in_spaces(self.weights.runner().represent(prepared, job), self.spaces)


def load_checkpoint(model: str | os.PathLike[str], options: LoadOptions) -> CheckpointEmbedder:
    """Find a checkpoint and read what it is; errors as in `Embedder.load`."""
    located = locate(model)
    name = os.fspath(model)
    profile = find_profile(options.profile, located.source)
    spec = read_checkpoint(located.folder)
    spec = spec if profile is None else profile.applied(spec)
    spec = with_decoder_facts(spec, profile, trust_remote_code=options.trust_remote_code)
    spec = resized(spec, layers=options.layers, dims=options.dims)
    modes = spec.modes if options.modes is None else options.modes
    _require_held(modes, spec.modes, name)
    tokenizer = TextTokenizer.read(spec)
    prompts = resolve_prompts(
        name, spec, profile=profile, override=options.prompts, task=options.task
    )
    require_effect(prompts, tokenizer)
    sums = {"weights": checked_weights(spec, located), "tokenizer": tokenizer.sha256}
    wording = prompts.documents().pattern
    return CheckpointEmbedder(
        name=name,
        source=located.source,
        recipe=options.recipe(located.source),
        spec=spec,
        text_tokenizer=tokenizer,
        spaces={
            mode: space_of(mode, spec, name, **sums, document_prompt=wording) for mode in modes
        },
        weights=Weights(spec, modes, options.precision),
        prompts=prompts,
    )


def _require_held(wanted: Sequence[Mode], held: Sequence[Mode], name: str) -> None:
    missing = [mode for mode in wanted if mode not in held]
    if missing:
        raise MissingHeadError(
            f"expected a checkpoint with a {missing[0]} head ({_HEADS[missing[0]]}), got {name!r}, "
            f"which holds {', '.join(held)}: ask for that, or choose another model"
        )
