"""A folder becomes all that an embedder is made of, whoever runs its modules."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path

from trivet.embedding.elastic import pooled, resized
from trivet.embedding.job import Represents
from trivet.embedding.options import LoadOptions
from trivet.embedding.profile import Profile
from trivet.embedding.readers.chain import read_chain
from trivet.embedding.readers.decoders import with_decoder_facts
from trivet.embedding.readers.families import read_checkpoint, runs_elsewhere
from trivet.embedding.readers.modules import UnknownModulesError
from trivet.embedding.spec import EncoderSpec
from trivet.embedding.tokenizing import TextTokenizer
from trivet.errors import InvalidInputError, MissingExtraError


@dataclass(frozen=True, eq=False)
class Opened:
    """What a folder holds.

    Attributes:
        spec: the checkpoint, as the options want it.
        documents: cuts documents into tokens.
        queries: cuts queries into tokens.
        runner: its weights, where they had to be loaded to learn what it is.
    """

    spec: EncoderSpec
    documents: TextTokenizer
    queries: TextTokenizer
    runner: Represents | None = None


def open_folder(folder: Path, profile: Profile | None, options: LoadOptions) -> Opened:
    """Read a checkpoint's folder; errors as in `Embedder.load`."""
    try:
        spec = read_checkpoint(folder)
    except UnknownModulesError as unknown:
        if not runs_elsewhere(folder):
            raise
        return _open_chain(folder, profile, options, unknown)
    spec = spec if profile is None else profile.applied(spec)
    spec = with_decoder_facts(spec, profile, trust_remote_code=options.trust_remote_code)
    spec = _fitted(spec, options)
    tokenizer = TextTokenizer.read(spec)
    return Opened(spec, tokenizer, tokenizer)


def _open_chain(
    folder: Path, profile: Profile | None, options: LoadOptions, unknown: UnknownModulesError
) -> Opened:
    """A checkpoint that sentence-transformers runs; only its own code knows what it makes."""
    if importlib.util.find_spec("sentence_transformers") is None:
        raise MissingExtraError(
            f'{unknown}, or run pip install "trivet[st]", which brings what runs it'
        ) from unknown
    if profile is not None and not profile.states_wordings_alone:
        raise InvalidInputError(
            f"expected a profile of wordings for {folder}, whose modules sentence-transformers "
            f"runs, got {profile.family!r}, which states more: leave all but its tasks out"
        )
    spec = read_chain(folder, trusted=options.trust_remote_code)
    # The door to sentence-transformers: seconds and hundreds of megabytes.
    from trivet.embedding.chain import load_chain
    from trivet.embedding.chain_texts import text_tokenizer
    from trivet.embedding.kernels.hardware import choose_device

    first = None if options.devices is None else options.devices[0]
    runner = load_chain(spec, options.precision, choose_device(first))
    documents = text_tokenizer(runner.model, "document", folder)
    queries = text_tokenizer(runner.model, "query", folder)
    spec = replace(runner.spec, max_tokens=documents.max_tokens, query_tokens=queries.max_tokens)
    spec = _fitted(spec, options)
    return Opened(spec, documents, queries, replace(runner, spec=spec))


def _fitted(spec: EncoderSpec, options: LoadOptions) -> EncoderSpec:
    spec = resized(spec, layers=options.layers, dims=options.dims)
    return pooled(spec, options.token_pooling)
