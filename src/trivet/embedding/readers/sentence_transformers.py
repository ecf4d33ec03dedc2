"""A folder that sentence-transformers or transformers saved becomes an `EncoderSpec`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trivet.embedding.japanese import is_japanese
from trivet.embedding.readers import kinds
from trivet.embedding.readers.decoders import unwrapped
from trivet.embedding.readers.files import (
    find_weights,
    positive_number,
    read_object,
    read_object_if_there,
    whole_number,
)
from trivet.embedding.readers.modules import (
    Module,
    UnknownModulesError,
    read_modules,
    read_projection,
    read_transformer,
    require_known,
)
from trivet.embedding.spec import POOLING_MODES, EncoderSpec, Loading, TokenVectors
from trivet.errors import CheckpointError

KINDS = ("Transformer", "Pooling", "Dense", "Normalize")

# One switch for each mode, as older versions wrote them; the order is that of the vectors.
_POOLING_SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# Encoders that are saved under the settings of encoder and decoder.
_HALVES_OF_PAIRS = ("t5", "mt5", "umt5", "t5gemma")
# What changes a backbone's states and does not show in its weights.
_BACKBONE_KEYS = (
    "model_type", "num_attention_heads", "n_heads", "num_key_value_heads", "hidden_act",
    "activation", "activation_function", "layer_norm_eps", "rms_norm_eps", "norm_eps",
    "position_embedding_type", "rope_theta", "rope_scaling", "rope_parameters", "is_causal",
    "use_bidirectional_attention", "sliding_window", "hidden_activation", "query_pre_attn_scalar",
    "attn_logit_softcapping", "global_rope_theta", "local_rope_theta",
    "local_attention", "global_attn_every_n_layers", "partial_rotary_factor",
    "embedding_multiplier", "residual_multiplier", "attention_multiplier",
)  # fmt: skip
# Whose position tables begin with rows of padding: 514 of them hold 512 tokens.
_PADDED_PLACES = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet")
_ROBERTA_PAD = 1


def read_dense(folder: Path) -> EncoderSpec:
    """Read what a checkpoint is from its JSON files; no weights are loaded.

    Args:
        folder: holds modules.json, or only what transformers itself saves: then texts are pooled
            as sentence-transformers would, by mean, without normalisation.

    Raises:
        UnknownModulesError: modules that this library does not run.
        CheckpointError: a file is missing or damaged.
    """
    if (folder / "modules.json").is_file():
        modules = _read_chain(folder / "modules.json")
        backbone = modules[0][1]
        spec = read_backbone(backbone, read_transformer(backbone))
        hidden = spec.dims
        spec = _with_heads(spec, modules[1:])
    else:
        spec = read_backbone(folder, {})
        hidden = spec.dims
    spec = with_library_config(spec, folder / "config_sentence_transformers.json")
    return replace(spec, multi=TokenVectors(hidden))


def _read_chain(file: Path) -> list[Module]:
    """The modules of a checkpoint, in a chain that this reader knows."""
    modules = read_modules(file, KINDS)
    chain = [kind for kind, _ in modules]
    known = ["Transformer", "Pooling", *["Dense"] * chain.count("Dense")]
    if chain not in (known, [*known, "Normalize"]):
        kind = UnknownModulesError if chain else CheckpointError
        raise kind(
            "expected Transformer, Pooling, any number of Dense, then Normalize or nothing, got "
            f"{', '.join(chain) or 'no module'} in {file}: choose a checkpoint of that order"
        )
    return modules


def read_backbone(folder: Path, settings: Mapping[str, Any]) -> EncoderSpec:
    """The spec of a backbone alone.

    Args:
        folder: holds what transformers saves.
        settings: of the Transformer module; empty for a bare folder.
    """
    file = folder / "config.json"
    config = unwrapped(read_object(file, kinds.BACKBONE))
    if config.get("is_encoder_decoder") or config.get("model_type") in _HALVES_OF_PAIRS:
        raise UnknownModulesError(
            f"expected an encoder or a decoder, got {config.get('model_type')!r} in {file}, "
            "which is both: choose a checkpoint of another architecture"
        )
    if not (folder / "tokenizer.json").is_file() and not is_japanese(folder):
        raise CheckpointError(
            f"expected the file tokenizer.json in {folder}, got none: save the tokenizer as a "
            "fast one with transformers, or fetch the checkpoint anew"
        )
    pad_id = config.get("pad_token_id")
    traits = {key: config[key] for key in _BACKBONE_KEYS if config.get(key) is not None}
    return EncoderSpec(
        folder=folder,
        weights_files=find_weights(folder),
        dims=whole_number(config, ("hidden_size", "dim", "d_model", "n_embd"), file),
        max_tokens=settings.get("max_seq_length") or _token_limit(folder, config),
        pooling=("lasttoken" if _is_causal(config) else "mean",),
        lower_case=bool(settings.get("do_lower_case")),
        pad_id=pad_id if isinstance(pad_id, int) else 0,
        layers=whole_number(config, ("num_hidden_layers", "n_layers", "n_layer"), file),
        backbone=json.dumps(traits, sort_keys=True),
        loading=Loading(causal=settings.get("is_causal")),
    )


def _token_limit(folder: Path, config: Mapping[str, Any]) -> int:
    """The text length that tokenizer and backbone allow where the module names none."""
    tokenizer = read_object_if_there(folder / "tokenizer_config.json", kinds.TOKENIZER)
    places = config.get("max_position_embeddings")
    if isinstance(places, int) and config.get("model_type") in _PADDED_PLACES:
        padding = config.get("pad_token_id", _ROBERTA_PAD)
        places -= (padding or 0) + 1
    stated = (tokenizer.get("model_max_length"), places)
    limits = [int(limit) for limit in stated if limit is not None and limit > 0]
    if not limits:
        raise CheckpointError(
            f"expected max_seq_length, model_max_length or max_position_embeddings in {folder}, "
            "got none of them: add max_seq_length to its sentence_bert_config.json"
        )
    return min(limits)


def _is_causal(config: Mapping[str, Any]) -> bool:
    architectures = config.get("architectures") or [""]
    return str(architectures[0]).endswith("ForCausalLM") and bool(config.get("is_causal", True))


def _with_heads(spec: EncoderSpec, modules: Sequence[Module]) -> EncoderSpec:
    """The spec with what the modules after the Transformer say."""
    for kind, folder in modules:
        if kind == "Pooling":
            spec = _with_pooling(spec, folder / "config.json")
        elif kind == "Dense":
            projection = read_projection(folder, spec.dims)
            spec = replace(
                spec,
                projections=(*spec.projections, projection),
                dims=projection.out_features,
            )
        else:
            spec = replace(spec, normalise=True)
    return spec


def _with_pooling(spec: EncoderSpec, file: Path) -> EncoderSpec:
    config = read_object(file, kinds.POOLING)
    stated = config.get("pooling_mode")
    if stated is None:
        switched = [mode for key, mode in _POOLING_SWITCHES.items() if config.get(key)]
        stated = switched or "mean"
    modes = (stated,) if isinstance(stated, str) else tuple(stated)
    for mode in modes:
        require_known("pooling_mode", mode, POOLING_MODES, file)
    include_prompt = bool(config.get("include_prompt", True))
    dims = spec.dims * len(modes)
    return replace(spec, pooling=modes, include_prompt=include_prompt, dims=dims)


def with_library_config(spec: EncoderSpec, file: Path) -> EncoderSpec:
    """The spec with the prompts and the cut that sentence-transformers keeps for the whole."""
    config = read_object_if_there(file, kinds.LIBRARY)
    prompts = {name: text or "" for name, text in (config.get("prompts") or {}).items()}
    default = config.get("default_prompt_name")
    if default is not None:
        require_known("default_prompt_name", default, prompts, file)
    dims = min(spec.dims, positive_number(config, "truncate_dim", file) or spec.dims)
    return replace(spec, prompts=prompts, default_prompt=default, dims=dims)
