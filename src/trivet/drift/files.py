"""Drift maps on disk: numbers in safetensors, the rest in JSON with a checksum over both."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from trivet.drift.affine import Affine
from trivet.errors import DriftMapFileError
from trivet.types import Space, Vectors

if TYPE_CHECKING:
    from trivet.drift.map import DriftMap

FACTS_FILE = "drift.json"
NUMBERS_FILE = "drift.safetensors"
FORMAT = "trivet-drift-map-1"
_LENGTH_BYTES = 8


def save_map(drift: DriftMap, folder: str | os.PathLike[str]) -> None:
    """As `DriftMap.save`: each file is replaced whole, the facts last."""
    numbers = to_bytes(drift)
    facts = to_facts(drift, numbers)
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        _replace(place / NUMBERS_FILE, numbers)
        _replace(place / FACTS_FILE, json.dumps(facts, indent=1).encode())
    except OSError as error:
        raise DriftMapFileError(f"cannot write the drift map to {place}: {error}") from error


def load_map(folder: str | os.PathLike[str]) -> DriftMap:
    """As `DriftMap.load`."""
    place = Path(folder)
    try:
        facts = json.loads((place / FACTS_FILE).read_text("utf-8"))
        numbers = (place / NUMBERS_FILE).read_bytes()
    except (OSError, ValueError, RecursionError) as error:
        raise DriftMapFileError(
            f"expected {FACTS_FILE} and {NUMBERS_FILE} of a drift map in {place}, got {error}: "
            "fit the map again"
        ) from error
    return from_facts(facts, numbers, str(place))


def to_bytes(drift: DriftMap) -> bytes:
    """The numbers of a map."""
    arrays: dict[str, Vectors] = {}
    for position, step in enumerate(drift.steps):
        arrays[f"{position}.shift"] = step.shift
        for number, factor in enumerate(step.factors):
            arrays[f"{position}.factor.{number}"] = np.ascontiguousarray(factor)
    return save(arrays)


def to_facts(drift: DriftMap, numbers: bytes) -> dict[str, Any]:
    """All but the numbers of a map, as a JSON object with a checksum over both."""
    facts = {
        "format": FORMAT,
        "source": drift.source.to_json(),
        "target": drift.target.to_json(),
        "method": drift.method,
        "parameters": dict(drift.parameters),
        "provenance": asdict(drift.provenance),
        "factors": [len(step.factors) for step in drift.steps],
    }
    return {**facts, "checksum": _checksum(facts, numbers)}


def pack(drift: DriftMap) -> bytes:
    """A whole map as bytes, for `unpack`."""
    numbers = to_bytes(drift)
    facts = json.dumps(to_facts(drift, numbers)).encode()
    return len(facts).to_bytes(_LENGTH_BYTES, "little") + facts + numbers


def unpack(content: bytes, where: str) -> DriftMap:
    """A map from what `pack` made.

    Raises:
        DriftMapFileError: it is damaged, or something else.
    """
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    try:
        facts = json.loads(content[_LENGTH_BYTES:end])
    except (ValueError, RecursionError) as error:
        raise DriftMapFileError(
            f"expected a drift map in {where}, got {error}: fit the map again"
        ) from error
    return from_facts(facts, content[end:], where)


def from_facts(facts: Any, numbers: bytes, where: str) -> DriftMap:  # noqa: ANN401 - foreign JSON
    """A map from what `to_facts` and `to_bytes` made.

    Args:
        facts: as read from JSON.
        numbers: as read.
        where: names the place in errors.

    Raises:
        DriftMapFileError: they are not of one map, or damaged.
    """
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise DriftMapFileError(
            f"expected a drift map of format {FORMAT!r} in {where}, got another program's or "
            "another version's file: fit the map again"
        )
    if facts.get("checksum") != _checksum(facts, numbers):
        raise DriftMapFileError(
            f"the drift map in {where} is damaged: its checksum is not that of its content; fit "
            "the map again"
        )
    try:
        return _built(facts, load(numbers))
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise DriftMapFileError(
            f"expected a drift map in {where}, got {error!r}: fit the map again"
        ) from error


def _built(facts: Mapping[str, Any], arrays: Mapping[str, Vectors]) -> DriftMap:
    # `DriftMap.load` imports this module.
    from trivet.drift.map import DriftMap, Provenance

    steps = tuple(
        Affine(
            tuple(arrays[f"{position}.factor.{number}"] for number in range(factors)),
            arrays[f"{position}.shift"],
        )
        for position, factors in enumerate(facts["factors"])
    )
    return DriftMap(
        Space.from_json(facts["source"]),
        Space.from_json(facts["target"]),
        facts["method"],
        facts["parameters"],
        Provenance(**facts["provenance"]),
        steps,
    )


def _checksum(facts: Mapping[str, Any], numbers: bytes) -> str:
    content = {name: value for name, value in facts.items() if name != "checksum"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    digest.update(numbers)
    return digest.hexdigest()


def _replace(file: Path, content: bytes) -> None:
    scratch = file.with_name(f"{file.name}.new")
    with scratch.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    scratch.replace(file)
