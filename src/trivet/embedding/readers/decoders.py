"""What a decoder's checkpoint and its family's profile say about running it as an embedder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trivet.embedding.profile import Profile
from trivet.embedding.readers import kinds
from trivet.embedding.readers.files import (
    find_weights,
    read_object,
    read_object_if_there,
    whole_number,
)
from trivet.embedding.spec import EncoderSpec, LatentAttention, Loading
from trivet.errors import CheckpointError

# Encoders that came with code of their own and that transformers has taken in since.
_TAKEN_IN = ("nomic_bert", "jina_embeddings_v3", "gte", "eurobert")
_LATENT_TYPE = "nvembed"
_LATENT_PREFIX = "latent_attention_model."
_LATENT_BACKBONE = ("mistral", "embedding_model.")
_LATENT_HEADS = 8


def unwrapped(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of the transformer itself, where a checkpoint keeps it inside another."""
    if config.get("model_type") == _LATENT_TYPE:
        return {**config, **(config.get("text_config") or {}), "model_type": _LATENT_TYPE}
    return dict(config)


def own_code(config: Mapping[str, Any]) -> str | None:
    """The class that a config names in code of its own; None where transformers runs it."""
    if config.get("model_type") in _TAKEN_IN:
        return None
    code: str | None = (config.get("auto_map") or {}).get("AutoModel")
    return code


def with_decoder_facts(
    spec: EncoderSpec, profile: Profile | None, *, trust_remote_code: bool
) -> EncoderSpec:
    """The spec with attention, architecture and the token that ends texts.

    Args:
        spec: the checkpoint, with what its profile says of pooling and scaling.
        profile: goes before the checkpoint.
        trust_remote_code: whether code that a checkpoint brings along may run.

    Raises:
        CheckpointError: the checkpoint wants to run code of its own, or contradicts itself.
    """
    file = spec.folder / "config.json"
    config = read_object(file, kinds.BACKBONE)
    stated = None if profile is None else profile.architecture
    code = own_code(config)
    if code is not None and stated is None and not trust_remote_code:
        raise CheckpointError(
            f"expected a checkpoint that needs no code of its own, got {file}, which names "
            f"{code!r}: choose another model, give the profile of its family, or pass "
            "trust_remote_code=True if you trust its authors with this machine"
        )
    loading = Loading(
        causal=_deviating(config, _wanted(spec, profile)),
        architecture=stated,
        remote_code=code is not None and stated is None,
    )
    spec = replace(spec, loading=loading, eos=_eos(spec, profile))
    return _with_latent_attention(spec, config) if stated == _LATENT_TYPE else spec


def _wanted(spec: EncoderSpec, profile: Profile | None) -> bool | None:
    """Whether attention is causal by the profile, else by the Transformer module's settings."""
    if profile is None or profile.attention is None:
        return spec.loading.causal
    return profile.attention == "causal"


def _deviating(config: Mapping[str, Any], wanted: bool | None) -> bool | None:
    """Whether attention shall be causal, where the config says otherwise."""
    is_causal = config.get("is_causal", True) and not config.get("use_bidirectional_attention")
    return wanted if wanted is not None and wanted != bool(is_causal) else None


def _eos(spec: EncoderSpec, profile: Profile | None) -> str | None:
    """The token that shall end every text, where profile or tokenizer config say that one does."""
    if profile is not None and profile.eos is not None:
        return profile.eos
    config = read_object_if_there(spec.folder / "tokenizer_config.json", kinds.TOKENIZER)
    token = config.get("eos_token")
    content = token.get("content") if isinstance(token, dict) else token
    return content if config.get("add_eos_token") is True and isinstance(content, str) else None


def _with_latent_attention(spec: EncoderSpec, config: Mapping[str, Any]) -> EncoderSpec:
    if config.get("model_type") != _LATENT_TYPE:
        raise CheckpointError(
            f"expected a checkpoint of type {_LATENT_TYPE!r}, as its profile says, got "
            f"{config.get('model_type')!r} in {spec.folder / 'config.json'}: leave the profile out"
        )
    architecture, prefix = _LATENT_BACKBONE
    hidden = whole_number(unwrapped(config), ("hidden_size",), spec.folder / "config.json")
    heads = (config.get("latent_attention_config") or {}).get("num_cross_heads", _LATENT_HEADS)
    return replace(
        spec,
        loading=replace(spec.loading, architecture=architecture, weights_prefix=prefix),
        latent=LatentAttention(find_weights(spec.folder), _LATENT_PREFIX, heads, hidden),
    )
