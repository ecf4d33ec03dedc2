"""One tiny checkpoint of every family that is read, and what of it can be broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chains import build_chain
from checkpoints import Recipe, build_checkpoint
from decoders import build_decoder, build_nv_embed
from japanese import build_japanese
from layouts import (
    build_document_only,
    build_m3,
    build_native,
    build_pylate,
    build_splade,
    build_stanford,
)


@dataclass(frozen=True)
class Family:
    """A family of checkpoints.

    Attributes:
        build: writes one into a folder, which is made.
        tokenizer: the file of its tokenizer.
        weights: of its backbone.
        heads: files of weights beside those.
        settings: JSON files that it cannot do without.
        options: for `Embedder.load`.
    """

    build: Callable[[Path], Path]
    tokenizer: str = "tokenizer.json"
    weights: str = "model.safetensors"
    heads: tuple[str, ...] = ()
    settings: tuple[str, ...] = ("config.json",)
    options: Mapping[str, Any] = field(default_factory=dict)


FAMILIES = {
    "dense": Family(
        lambda folder: build_checkpoint(folder, Recipe(dense=(24,))),
        heads=("2_Dense/model.safetensors",),
        settings=("modules.json", "config.json", "1_Pooling/config.json", "2_Dense/config.json"),
    ),
    "bare": Family(lambda folder: build_checkpoint(folder, Recipe(bare=True))),
    "m3": Family(
        build_m3,
        heads=("sparse_linear.pt", "colbert_linear.pt"),
        settings=("modules.json", "config.json", "1_Pooling/config.json"),
    ),
    "splade": Family(
        build_splade, settings=("modules.json", "config.json", "1_SpladePooling/config.json")
    ),
    "document-only": Family(
        build_document_only,
        tokenizer="document_0_Transformer/tokenizer.json",
        weights="document_0_Transformer/model.safetensors",
        heads=("query_0_SparseStaticEmbedding/model.safetensors",),
        settings=("modules.json", "router_config.json", "document_0_Transformer/config.json"),
    ),
    "stanford": Family(build_stanford, settings=("config.json", "artifact.metadata")),
    "pylate": Family(
        build_pylate,
        heads=("1_Dense/model.safetensors",),
        settings=("modules.json", "config.json", "1_Dense/config.json"),
    ),
    "native": Family(
        build_native,
        heads=("1_Dense/model.safetensors",),
        settings=("modules.json", "config.json", "1_Dense/config.json"),
    ),
    "decoder": Family(
        lambda folder: build_decoder(folder, "qwen3", ends="</s>", pooling="lasttoken"),
        settings=("modules.json", "config.json", "1_Pooling/config.json"),
    ),
    "nv-embed": Family(build_nv_embed, options={"profile": "nv-embed"}),
    "japanese": Family(
        build_japanese,
        tokenizer="vocab.txt",
        settings=("modules.json", "config.json", "1_Pooling/config.json"),
    ),
    "chain": Family(
        lambda folder: build_chain(folder, "layer-norm"),
        heads=("2_LayerNorm/model.safetensors",),
        settings=("modules.json", "config.json", "1_Pooling/config.json"),
    ),
}
