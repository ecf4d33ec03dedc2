"""Parts that are one checkpoint become one embedder, which makes all their legs in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from trivet.embedding.checkpoint import CheckpointEmbedder
from trivet.embedding.embedder import Embedder
from trivet.embedding.prompts import Prompts
from trivet.embedding.spec import EncoderSpec, VocabularyWeights
from trivet.types import Mode


def joined(parts: Mapping[Mode, Embedder]) -> tuple[Embedder, ...]:
    """One embedder for each forward pass that the parts need.

    Args:
        parts: an embedder for each leg, which makes that leg alone.
    """
    passes: list[dict[Mode, Embedder]] = []
    for mode, part in parts.items():
        for legs in passes:
            if _is_one_pass(next(iter(legs.values())), part):
                legs[mode] = part
                break
        else:
            passes.append({mode: part})
    return tuple(_as_one(legs) for legs in passes)


def _is_one_pass(one: Embedder, other: Embedder) -> bool:
    """Whether two parts read the same tokens with the same backbone."""
    if not isinstance(one, CheckpointEmbedder) or not isinstance(other, CheckpointEmbedder):
        return False
    return (
        _sums(one) == _sums(other)
        and one.weights.precision == other.weights.precision
        and _without_name(one.prompts) == _without_name(other.prompts)
        and _without_heads(one.spec) == _without_heads(other.spec)
        and _token_rules(one.spec) == _token_rules(other.spec)
    )


def _sums(part: CheckpointEmbedder) -> tuple[object, ...]:
    """What tells the files of two checkpoints apart, wherever they lie."""
    facts = next(iter(part.spaces.values())).facts
    return tuple(facts.get(name) for name in ("weights", "tokenizer", "code"))


def _without_name(prompts: Prompts) -> Prompts:
    return replace(prompts, model="")


def _without_heads(spec: EncoderSpec) -> EncoderSpec:
    """A checkpoint without its place, its heads, and its prompts as they were stored."""
    return replace(
        spec,
        folder=Path(),
        weights_files=(),
        dims=0,
        pooling=(),
        projections=(),
        normalise=False,
        cut_first=False,
        latent=None,
        sparse=None,
        multi=None,
        prompts={},
        default_prompt=None,
    )


def _token_rules(spec: EncoderSpec) -> tuple[object, ...]:
    """What heads ask of the backbone: its logits, a marker at the start, a query that is filled."""
    wants_logits = isinstance(spec.sparse, VocabularyWeights)
    if spec.multi is None:
        return wants_logits, {}, None
    return wants_logits, dict(spec.multi.markers), spec.multi.expansion


def _as_one(legs: Mapping[Mode, Embedder]) -> Embedder:
    """The parts of one pass as one embedder."""
    parts = {mode: part for mode, part in legs.items() if isinstance(part, CheckpointEmbedder)}
    if len(parts) < 2:
        return next(iter(legs.values()))
    base = next(iter(parts.values()))
    spaces = {mode: part.spaces[mode] for mode, part in parts.items()}
    if all(part.weights is base.weights for part in parts.values()):
        return replace(base, spaces=spaces)
    # The heads of the dense leg are the base's: dense comes first.
    spec = replace(
        base.spec,
        sparse=parts["sparse"].spec.sparse if "sparse" in parts else base.spec.sparse,
        multi=parts["multi"].spec.multi if "multi" in parts else base.spec.multi,
    )
    loaded = next((part for part in parts.values() if part.is_loaded), base)
    return replace(
        base, spec=spec, spaces=spaces, weights=loaded.weights.with_heads(spec, tuple(parts))
    )
