"""The space of each leg of a checkpoint: all that would change its document vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from trivet.embedding.locate import Located
from trivet.embedding.spec import (
    EncoderSpec,
    Projection,
    TokenPooling,
    TokenVectors,
    TokenWeights,
)
from trivet.errors import CheckpointError
from trivet.types import Fact, Mode, Space

_BLOCK_BYTES = 1 << 20


def files_sha256(paths: Iterable[Path]) -> str:
    """SHA-256 (hex) of a file's bytes, or of the sums of several in the order of their names."""
    sums = [_file_sha256(path) for path in sorted(paths, key=lambda path: path.name)]
    if len(sums) == 1:
        return sums[0]
    return hashlib.sha256("".join(sums).encode()).hexdigest()


def checked_weights(spec: EncoderSpec, located: Located) -> str:
    """SHA-256 of the weights, which must be the expected one where there is one.

    Raises:
        CheckpointError: it is another.
    """
    came = files_sha256(spec.weights_files)
    if located.weights_sha256 not in (None, came):
        raise CheckpointError(
            f"expected weights with SHA-256 {located.weights_sha256} in {spec.folder}, got {came}: "
            "install the package anew"
        )
    return came


def space_of(
    mode: Mode, spec: EncoderSpec, model: str, *, weights: str, tokenizer: str, document_prompt: str
) -> Space:
    """The space of one leg.

    Args:
        mode: one that the checkpoint holds.
        spec: the checkpoint.
        model: how the caller calls it.
        weights: SHA-256 of the backbone's weights.
        tokenizer: SHA-256 of the tokenizer.
        document_prompt: the text put before every document; a query's is free to differ.
    """
    facts: dict[str, Fact] = {
        "weights": weights,
        "tokenizer": tokenizer,
        "backbone": spec.backbone,
        "layers": spec.layers,
        "include_prompt": spec.include_prompt,
        "lower_case": spec.lower_case,
        "max_tokens": spec.max_tokens,
        "document_prompt": document_prompt,
        "precision": "float",
        **_loading_facts(spec),
    }
    if mode == "dense":
        return Space(mode, model, spec.dims, {**facts, **_dense_facts(spec)})
    if mode == "sparse":
        return Space(mode, model, None, {**facts, **_sparse_facts(spec)})
    assert spec.multi is not None  # a mode that the checkpoint holds
    return Space(mode, model, spec.multi.dims, {**facts, **_multi_facts(spec.multi)})


def _loading_facts(spec: EncoderSpec) -> dict[str, Fact]:
    """What makes the weights run otherwise than the config says; nothing for most models."""
    loading = spec.loading
    facts: dict[str, Fact] = {}
    if loading.causal is not None:
        facts["attention"] = "causal" if loading.causal else "bidirectional"
    if loading.architecture is not None:
        facts["architecture"] = loading.architecture
    if loading.remote_code:
        facts["code"] = files_sha256(spec.folder.glob("*.py"))
    if spec.latent is not None:
        facts["latent_heads"] = spec.latent.heads
    return facts


def _dense_facts(spec: EncoderSpec) -> dict[str, Fact]:
    return {
        "pooling": "+".join(spec.pooling),
        "projections": _projections_sha256(spec.projections),
        "normalise": spec.normalise,
        **({"cut_first": True} if spec.cut_first else {}),
    }


def _sparse_facts(spec: EncoderSpec) -> dict[str, Fact]:
    head = spec.sparse
    if isinstance(head, TokenWeights):
        return {
            "head": _projections_sha256((head.projection,)),
            "dropped_ids": " ".join(map(str, head.dropped_ids)),
        }
    assert head is not None  # a mode that the checkpoint holds
    return {
        "sparse_pooling": head.pooling,
        "activation": head.activation,
        "max_active": head.max_active,
    }


def _multi_facts(head: TokenVectors) -> dict[str, Fact]:
    skipped = head.skipped_ids if "document" in head.skipping else ()
    return {
        "head": _projections_sha256(head.projections),
        "kept": head.kept,
        "skipped_ids": " ".join(map(str, skipped)),
        "marker": head.markers.get("document"),
        "normalise": head.normalise,
        **_pooling_facts(head.pooling),
    }


def _pooling_facts(pooling: TokenPooling | None) -> dict[str, Fact]:
    if pooling is None or "document" not in pooling.roles:
        return {}
    return {
        "token_pooling": pooling.factor,
        "protected_tokens": pooling.protected,
        "pooled_to_unit": pooling.unit,
    }


def _projections_sha256(projections: tuple[Projection, ...]) -> str | None:
    """One sum over weights and activations of all projections; None where there are none."""
    if not projections:
        return None
    parts = [f"{files_sha256([p.weights_file])} {p.bias} {p.activation}" for p in projections]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
