"""Of which kind each setting is that is read of a checkpoint's JSON files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from trivet.errors import CheckpointError


@dataclass(frozen=True)
class Kind:
    """What a setting may be; null stands for one that is not there.

    Attributes:
        name: as people call it.
        holds: whether a value is of it.
        inside: the settings of an object that are read.
    """

    name: str
    holds: Callable[[object], bool]
    inside: Mapping[str, Kind] = field(default_factory=dict)


Kinds: TypeAlias = Mapping[str, Kind]


def checked_object(
    stored: Mapping[str, object], kinds: Kinds, file: Path, path: str = ""
) -> dict[str, Any]:
    """An object without the settings that are null, all others being of their kinds.

    Args:
        stored: the object.
        kinds: of the settings that are read; others may be anything, and stay as they are.
        file: it is in.
        path: of the object in the file, with a dot at its end.

    Raises:
        CheckpointError: a setting is of another kind.
    """
    checked = dict(stored)
    for key, kind in kinds.items():
        came = checked.get(key)
        if came is None:
            checked.pop(key, None)
            continue
        if not kind.holds(came):
            raise CheckpointError(
                f"expected {kind.name} under {path}{key} in {file}, got {came!r}: fetch the "
                "checkpoint anew, or correct the file"
            )
        if isinstance(came, dict):
            checked[key] = checked_object(came, kind.inside, file, f"{path}{key}.")
    return checked


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_token(value: object) -> bool:
    return isinstance(value.get("content") if isinstance(value, dict) else value, str)


def _are_numbered_tokens(value: object) -> bool:
    return isinstance(value, dict) and all(
        number.isdecimal() and isinstance(token, dict) and _is_token(token)
        for number, token in value.items()
    )


def _object(**inside: Kind) -> Kind:
    return Kind("an object", lambda value: isinstance(value, dict), inside)


def _each(name: str, holds: Callable[[object], bool]) -> Kind:
    """An object whose names may be any, and whose values are of one kind."""
    return Kind(
        f"an object of {name}",
        lambda value: isinstance(value, dict) and all(map(holds, value.values())),
    )


_FLAG = Kind("true or false", lambda value: isinstance(value, bool))
_TEXT = Kind("a text", lambda value: isinstance(value, str))
_TEXTS = Kind("a list of texts", _are_texts)
_NUMBER = Kind("a number", _is_number)
_COUNT = Kind("a whole number, 0 or more", _is_count)
_SIZE = Kind("a whole number above 0", lambda value: _is_count(value) and value != 0)
_TOKEN = Kind("a token's text, or an object with its content", _is_token)
_OBJECT = _object()
_EACH_TEXT = _each("texts", lambda value: isinstance(value, str))

MODULE: Kinds = {"type": _TEXT, "path": _TEXT}
LIBRARY: Kinds = {
    "model_type": _TEXT,
    "prompts": _each("texts", lambda value: value is None or isinstance(value, str)),
    "default_prompt_name": _TEXT,
    "truncate_dim": _COUNT,
    "max_active_dims": _SIZE,
    # PyLate's own.
    "skiplist_words": _TEXTS,
    "query_prefix": _TEXT,
    "document_prefix": _TEXT,
    "query_length": _COUNT,
    "document_length": _COUNT,
    "do_query_expansion": _FLAG,
    "attend_to_expansion_tokens": _FLAG,
}
_LAYERS: Kinds = {
    **dict.fromkeys(("hidden_size", "dim", "d_model", "n_embd"), _SIZE),
    **dict.fromkeys(("num_hidden_layers", "n_layers", "n_layer"), _SIZE),
}
BACKBONE: Kinds = {
    **_LAYERS,
    "model_type": _TEXT,
    "architectures": _TEXTS,
    "tokenizer_class": _TEXT,
    "auto_map": _OBJECT,
    "vocab_size": _SIZE,
    "max_position_embeddings": _NUMBER,
    "is_encoder_decoder": _FLAG,
    "is_causal": _FLAG,
    "latent_attention_config": _object(num_cross_heads=_SIZE),
    "text_config": _object(**_LAYERS, max_position_embeddings=_NUMBER, is_causal=_FLAG),
}
TOKENIZER: Kinds = {
    **dict.fromkeys(
        ("cls_token", "sep_token", "eos_token", "pad_token", "unk_token", "mask_token"), _TOKEN
    ),
    "tokenizer_class": _TEXT,
    "model_max_length": _NUMBER,
    "add_eos_token": _FLAG,
    # The Japanese one's own.
    "do_lower_case": _FLAG,
    "word_tokenizer_type": _TEXT,
    "subword_tokenizer_type": _TEXT,
    "mecab_kwargs": _object(normalize_text=_FLAG, mecab_dic=_TEXT),
    "added_tokens_decoder": Kind("an object of tokens by their numbers", _are_numbered_tokens),
}
ADDED_TOKENS: Kinds = {}  # any names
FOREIGN: Kinds = {"model_type": _TEXT, "auto_map": _OBJECT}
TOKENIZER_CLASS: Kinds = {"tokenizer_class": _TEXT}
TRANSFORMER: Kinds = {
    "max_seq_length": _COUNT,
    "do_lower_case": _FLAG,
    "transformer_task": _TEXT,
    "module_output_name": _TEXT,
    "modality_config": _object(text=_object(method_output_name=_TEXT)),
    "processor_kwargs": _object(model_max_length=_COUNT),
    "tokenizer_args": _object(model_max_length=_COUNT),
    **dict.fromkeys(("model_kwargs", "model_args"), _OBJECT),
    **dict.fromkeys(("config_kwargs", "config_args"), _object(is_causal=_FLAG)),
    "query_expansion": _object(strategy=_TEXT, length=_SIZE, token=_TEXT, attend=_FLAG),
    "query_length": _COUNT,
    "document_length": _COUNT,
}
POOLING: Kinds = {
    "pooling_mode": Kind(
        "a text or a list of texts", lambda value: isinstance(value, str) or _are_texts(value)
    ),
    "include_prompt": _FLAG,
    **dict.fromkeys(
        (
            "pooling_mode_cls_token",
            "pooling_mode_max_tokens",
            "pooling_mode_mean_tokens",
            "pooling_mode_mean_sqrt_len_tokens",
            "pooling_mode_weightedmean_tokens",
            "pooling_mode_lasttoken",
        ),
        _FLAG,
    ),
}
DENSE: Kinds = {
    "in_features": _SIZE,
    "out_features": _SIZE,
    "bias": _FLAG,
    "activation_function": _TEXT,
    "module_input_name": _TEXT,
    "module_output_name": _TEXT,
    "use_residual": _FLAG,
}
NORMALIZE: Kinds = {"module_input_name": _TEXT}
MASK: Kinds = {"skiplist_words": _TEXTS, "skiplist_tasks": _TEXTS}
TOKEN_POOLING: Kinds = {
    "pool_factor": _NUMBER,
    "num_protected_tokens": _COUNT,
    "normalize_embeddings": _FLAG,
    "tasks": _TEXTS,
}
SPLADE: Kinds = {"pooling_strategy": _TEXT, "activation_function": _TEXT}
ROUTER: Kinds = {
    "structure": _each("lists of texts", _are_texts),
    "types": _EACH_TEXT,
    "parameters": _object(route_mappings=_OBJECT),
}
STANFORD: Kinds = {
    "query_token_id": _TEXT,
    "doc_token_id": _TEXT,
    "query_maxlen": _COUNT,
    "doc_maxlen": _COUNT,
    "dim": _COUNT,
    "mask_punctuation": _FLAG,
    "attend_to_mask_tokens": _FLAG,
}
WEIGHTS_INDEX: Kinds = {"weight_map": _EACH_TEXT}
