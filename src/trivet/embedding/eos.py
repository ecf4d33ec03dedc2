"""The token that ends every text, put where a tokenizer's file has lost it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer

from trivet.errors import CheckpointError

_PROBE = "anchor"


def with_eos(tokenizer: Mapping[str, Any], eos: str, file: Path) -> dict[str, Any]:
    """A tokenizer that ends every text with a token: as it is where it does, or repaired.

    What transformers once added by the switch `add_eos_token` stands in few tokenizer.json, and a
    model that is pooled by its last token would then be read at the last word.

    Args:
        tokenizer: the content of a tokenizer.json.
        eos: the token.
        file: for the message.

    Raises:
        CheckpointError: the token is not in the vocabulary, texts end with another, or the
            tokenizer is of a kind that cannot be repaired.
    """
    settings = dict(tokenizer)
    number = Tokenizer.from_str(_dumped(settings)).token_to_id(eos)
    if number is None:
        raise CheckpointError(
            f"expected {eos!r}, which shall end every text, in the vocabulary of {file}, got "
            "none: correct the profile or tokenizer_config.json"
        )
    before = _encoded(settings)
    if before.ids[-1] == number and before.special_tokens_mask[-1]:
        return settings
    if before.special_tokens_mask[-1]:
        raise CheckpointError(
            f"expected texts that end with {eos!r} from {file}, got {before.tokens[-1]!r}: "
            "correct the profile or tokenizer_config.json"
        )
    settings["post_processor"] = _ending_with(settings.get("post_processor"), eos, number)
    try:
        after = _encoded(settings)
    except Exception as error:  # the tokenizers library raises plain Exception
        raise _unrepaired(eos, file) from error
    if after.ids != [*before.ids, number] or not after.special_tokens_mask[-1]:
        raise _unrepaired(eos, file)
    return settings


def _ending_with(processor: dict[str, Any] | None, eos: str, number: int) -> dict[str, Any]:
    """The post-processor with a template that ends so."""
    entry = {"id": eos, "ids": [number], "tokens": [eos]}
    if processor is None:
        text = {"Sequence": {"id": "A", "type_id": 0}}
        other = {"Sequence": {"id": "B", "type_id": 1}}
        template: dict[str, Any] = {
            "type": "TemplateProcessing",
            "single": [text],
            "pair": [text, other],
            "special_tokens": {},
        }
        return _ending_with(template, eos, number)
    processor = deepcopy(processor)
    if processor.get("type") == "TemplateProcessing":
        for form, side in (("single", 0), ("pair", 1)):
            processor[form].append({"SpecialToken": {"id": eos, "type_id": side}})
        processor["special_tokens"][eos] = entry
        return processor
    if processor.get("type") == "Sequence":
        parts = processor["processors"]
        templates = [i for i, part in enumerate(parts) if part["type"] == "TemplateProcessing"]
        if templates:
            parts[templates[-1]] = _ending_with(parts[templates[-1]], eos, number)
        else:
            parts.append(_ending_with(None, eos, number))
        return processor
    if processor.get("type") == "ByteLevel":
        return {"type": "Sequence", "processors": [processor, _ending_with(None, eos, number)]}
    return processor


def _encoded(settings: Mapping[str, Any]) -> Encoding:
    return Tokenizer.from_str(_dumped(settings)).encode(_PROBE)


def _dumped(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings)


def _unrepaired(eos: str, file: Path) -> CheckpointError:
    return CheckpointError(
        f"expected a tokenizer that can be made to end texts with {eos!r}, got {file}, whose "
        "post_processor is of another kind: save the tokenizer anew with that token"
    )
