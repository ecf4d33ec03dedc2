"""An embedder that is a checkpoint in a folder, run by this library."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from semantic_text_splitter import TextSplitter
from tokenizers import Tokenizer

from trivet.embedding.embedder import Embedder
from trivet.embedding.job import Job, Made
from trivet.embedding.locate import locate
from trivet.embedding.opening import open_folder
from trivet.embedding.options import LoadOptions
from trivet.embedding.preparing import marker_ids, prepare
from trivet.embedding.profile import find_profile
from trivet.embedding.prompted import PromptedEmbedder
from trivet.embedding.prompts import Prompts, Rendered, Role
from trivet.embedding.resolving import require_effect, require_place, resolve_prompts
from trivet.embedding.spaces import checked_weights, space_of
from trivet.embedding.spec import EncoderSpec
from trivet.embedding.tokenizing import TextTokenizer
from trivet.embedding.weights import Weights, in_spaces
from trivet.errors import MissingHeadError
from trivet.types import Mode, Representations, Space

# What a checkpoint would hold if it made a leg.
_HEADS: dict[Mode, str] = {
    "dense": "a pooling of its token states",
    "sparse": "sparse_linear.pt, or a masked language model with SpladePooling",
    "multi": "token states that are not a language model's logits",
}


@dataclass(frozen=True, repr=False, eq=False)
class CheckpointEmbedder(PromptedEmbedder):
    """A checkpoint whose weights are loaded when the first text is embedded.

    Attributes:
        name: as the caller named it.
        source: what loads the same checkpoint again.
        recipe: with which options.
        spec: what the checkpoint is.
        text_tokenizer: cuts documents into its tokens.
        query_tokenizer: cuts queries.
        spaces: the space of each leg.
        weights: loaded once, and shared.
        prompts: its wordings.
    """

    name: str
    source: str
    recipe: Mapping[str, Any]
    spec: EncoderSpec
    text_tokenizer: TextTokenizer
    query_tokenizer: TextTokenizer
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
        """A copy of the tokenizer, without truncation or padding."""
        return self.text_tokenizer.copy()

    def load_weights(self) -> None:
        """Load the weights now."""
        self.weights.load()

    def close(self) -> None:
        """End the processes that were started for several devices."""
        self.weights.close()

    def text_splitter(self, tokens: int) -> TextSplitter:
        """What cuts a long text, by the tokenizer itself."""
        tokenizer = self.text_tokenizer.tokenizer
        try:
            return TextSplitter.from_huggingface_tokenizer(tokenizer, tokens, trim=False)
        except Exception:  # noqa: BLE001 - the splitter's own, of a tokenizer with parts in Python
            return super().text_splitter(tokens)

    def __repr__(self) -> str:
        state = "loaded" if self.is_loaded else "not loaded"
        return f"Embedder({self.name!r}, modes={list(self.modes)}, {state})"

    def _with_spaces(self, spaces: Mapping[Mode, Space]) -> Embedder:
        return replace(self, spaces=spaces)

    def _count(self, texts: Sequence[str]) -> list[int]:
        added = len(marker_ids(self.spec, "document"))
        return [added + count for count in self.text_tokenizer.count(texts)]

    def _embed(self, texts: Sequence[Rendered], role: Role, truncate: bool) -> Representations:
        if not texts:
            return in_spaces(None, self.spaces)
        static = self.weights.static_queries() if role == "query" else None
        if static is not None:
            return in_spaces(Made(sparse=static.embed([text.whole for text in texts])), self.spaces)
        tokenizer = self.query_tokenizer if role == "query" else self.text_tokenizer
        prepared = prepare(self.spec, tokenizer, texts, role, truncate=truncate)
        job = Job(self.modes, role, tokenizer.special_ends)
        return in_spaces(self.weights.represent(prepared, job), self.spaces)


def load_checkpoint(model: str | os.PathLike[str], options: LoadOptions) -> CheckpointEmbedder:
    """Find a checkpoint and read what it is; errors as in `Embedder.load`."""
    located = locate(model)
    name = os.fspath(model)
    profile = find_profile(options.profile, located.source)
    opened = open_folder(located.folder, profile, options)
    spec, tokenizer = opened.spec, opened.documents
    modes = spec.modes if options.modes is None else options.modes
    _require_held(modes, spec.modes, name)
    prompts = resolve_prompts(
        name, spec, profile=profile, override=options.prompts, task=options.task
    )
    require_effect(prompts, tokenizer)
    require_place(prompts, spec)
    sums = {"weights": checked_weights(spec, located), "tokenizer": tokenizer.sha256}
    wording = prompts.documents().pattern
    return CheckpointEmbedder(
        name=name,
        source=located.source,
        recipe=options.recipe(located.source),
        spec=spec,
        text_tokenizer=tokenizer,
        query_tokenizer=opened.queries,
        spaces={
            mode: space_of(mode, spec, name, **sums, document_prompt=wording) for mode in modes
        },
        weights=Weights(spec, modes, options.precision, options.devices, opened.runner),
        prompts=prompts,
    )


def _require_held(wanted: Sequence[Mode], held: Sequence[Mode], name: str) -> None:
    missing = [mode for mode in wanted if mode not in held]
    if missing:
        raise MissingHeadError(
            f"expected a checkpoint with a {missing[0]} head ({_HEADS[missing[0]]}), got {name!r}, "
            f"which holds {', '.join(held)}: ask for that, or choose another model"
        )
