"""The files of a checkpoint folder, or an error that names the one that is missing or damaged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trivet.embedding.readers.kinds import WEIGHTS_INDEX, Kinds, checked_object
from trivet.errors import CheckpointError


def read_object(file: Path, kinds: Kinds) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        file: holds it.
        kinds: of the settings that the caller reads.

    Raises:
        CheckpointError: the file is missing, holds something else, or a setting is of another kind.
    """
    stored = _read_json(file)
    if not isinstance(stored, dict):
        raise _wrong_kind(file, "object", stored)
    return checked_object(stored, kinds, file)


def read_objects(file: Path, kinds: Kinds) -> list[dict[str, Any]]:
    """Read a JSON list of objects; arguments and errors as of `read_object`."""
    stored = _read_json(file)
    if not isinstance(stored, list) or not all(isinstance(entry, dict) for entry in stored):
        raise _wrong_kind(file, "list of objects", stored)
    return [checked_object(entry, kinds, file) for entry in stored]


def read_object_if_there(file: Path, kinds: Kinds) -> dict[str, Any]:
    """Read a JSON object, an empty one where there is no such file; errors as of `read_object`."""
    return read_object(file, kinds) if file.is_file() else {}


def whole_number(config: Mapping[str, Any], keys: Sequence[str], file: Path) -> int:
    """The first of these settings that is there.

    Raises:
        CheckpointError: none is there, or it is no whole number.
    """
    came = next((config[key] for key in keys if key in config), None)
    if isinstance(came, bool) or not isinstance(came, int):
        raise CheckpointError(
            f"expected a whole number under {' or '.join(keys)} in {file}, got {came!r}: "
            "fetch the checkpoint anew, or choose one of another architecture"
        )
    return came


def positive_number(config: Mapping[str, Any], key: str, file: Path) -> int | None:
    """A setting that may be absent, null or 0: None then.

    Raises:
        CheckpointError: it is no whole number above 0.
    """
    came = config.get(key) or None
    if came is not None and (not isinstance(came, int) or isinstance(came, bool) or came < 0):
        raise CheckpointError(
            f"expected a whole number above 0 under {key} in {file}, got {came!r}: fetch the "
            "checkpoint anew, or correct the file"
        )
    return came


def find_weights(folder: Path) -> tuple[Path, ...]:
    """The file of weights, or its shards; safetensors before pickles.

    Raises:
        CheckpointError: there is none, or a shard is missing.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if not single.is_file() and index.is_file():
        names = sorted(set((read_object(index, WEIGHTS_INDEX).get("weight_map") or {}).values()))
        shards = tuple(folder / name for name in names)
        missing = [name for name in names if not (folder / name).is_file()]
        if shards and not missing:
            return shards
        raise CheckpointError(
            f"expected the files that {index} names, got none called "
            f"{missing[0] if missing else 'anything'}: fetch the checkpoint anew"
        )
    for file in (single, folder / "pytorch_model.bin"):
        if file.is_file():
            return (file,)
    raise CheckpointError(
        f"expected model.safetensors or pytorch_model.bin in {folder}, got neither: "
        "fetch the checkpoint anew"
    )


def _read_json(file: Path) -> object:
    try:
        stored: object = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"expected the file {file.name} in {file.parent}, got none: fetch the checkpoint anew"
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"expected JSON in {file}, got {error}: fetch the checkpoint anew"
        ) from error
    return stored


def _wrong_kind(file: Path, expected: str, came: object) -> CheckpointError:
    return CheckpointError(
        f"expected a JSON {expected} in {file}, got {type(came).__name__}: "
        "fetch the checkpoint anew"
    )
