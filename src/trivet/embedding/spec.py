"""What a checkpoint is: everything that the runner needs to know before it loads weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trivet.types import Fact, Mode, Space

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Projection:
    """A trained linear layer after the pooling.

    Attributes:
        weights_file: holds `linear.weight` and, with a bias, `linear.bias`.
        in_features: length of the vectors that come.
        out_features: length of the vectors that go.
        bias: whether it adds one.
        activation: the `torch.nn` class applied after it.
    """

    weights_file: Path
    in_features: int
    out_features: int
    bias: bool
    activation: str


@dataclass(frozen=True)
class EncoderSpec:
    """What a checkpoint folder holds, read from its JSON files alone.

    Attributes:
        folder: holds the backbone's config.json and tokenizer.json.
        weights_files: the backbone's weights, one file or its shards.
        dims: length of the dense vector, after projections and the checkpoint's own cut.
        max_tokens: the most tokens of one text, special tokens included.
        pooling: the pooling modes; the vectors of several are concatenated in this order.
        include_prompt: whether the prompt's tokens take part in the pooling.
        projections: the layers after the pooling, in order.
        normalise: whether vectors are scaled to length 1.
        lower_case: whether texts are lower-cased before the tokenizer sees them.
        pad_id: the token id of padding.
        prompts: prompt texts by name.
        default_prompt: the name of the prompt for a role that has none of its own.
        layers: transformer layers of the backbone.
        backbone: the settings of the backbone that its weights do not show, as canonical JSON.
    """

    folder: Path
    weights_files: tuple[Path, ...]
    dims: int
    max_tokens: int
    pooling: tuple[str, ...] = ("mean",)
    include_prompt: bool = True
    projections: tuple[Projection, ...] = ()
    normalise: bool = False
    lower_case: bool = False
    pad_id: int = 0
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    layers: int = 0
    backbone: str = "{}"

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer's file."""
        return self.folder / "tokenizer.json"

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The legs that the checkpoint holds heads for."""
        return ("dense",)


def files_sha256(paths: Iterable[Path]) -> str:
    """SHA-256 (hex) of a file's bytes, or of the sums of several in the order of their names."""
    sums = [_file_sha256(path) for path in sorted(paths, key=lambda path: path.name)]
    if len(sums) == 1:
        return sums[0]
    return hashlib.sha256("".join(sums).encode()).hexdigest()


def dense_space(
    spec: EncoderSpec, model: str, *, weights: str, tokenizer: str, document_prompt: str
) -> Space:
    """The space of a checkpoint's dense vectors.

    Args:
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
        "pooling": "+".join(spec.pooling),
        "include_prompt": spec.include_prompt,
        "projections": _projections_sha256(spec.projections),
        "normalise": spec.normalise,
        "lower_case": spec.lower_case,
        "max_tokens": spec.max_tokens,
        "document_prompt": document_prompt,
        "precision": "float",
    }
    return Space("dense", model, spec.dims, facts)


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
