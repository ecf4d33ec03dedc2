"""An embedder is made again from what an index keeps of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from trivet.embedding.checkpoint import load_checkpoint
from trivet.embedding.composed import COMPOSED, compose_parts
from trivet.embedding.embedder import Embedder
from trivet.embedding.hosted import WRAPPED
from trivet.embedding.options import LoadOptions
from trivet.errors import MissingHeadError, ModelNotFoundError
from trivet.types import Mode, checked_modes


def reload(source: str, recipe: Mapping[str, Any], modes: Sequence[str] | None = None) -> Embedder:
    """Make an embedder by its `source` and `recipe`.

    Args:
        source: an embedder's `source`.
        recipe: its `recipe`, as JSON gives it back.
        modes: the legs to make; None = all that it made. Parts of a composed embedder that make
            none of them are not read.

    Raises:
        ModelNotFoundError: a wrapped model, which nothing stored makes again; or as in
            `Embedder.load`.
        MissingHeadError: a leg that the embedder did not make.
        CheckpointError, InvalidInputError: as in `Embedder.load`.
    """
    wanted = None if modes is None else checked_modes(modes)
    if source.startswith(WRAPPED):
        name = source.removeprefix(WRAPPED)
        known = ", ".join(f"{key}={value!r}" for key, value in {"name": name, **recipe}.items())
        raise ModelNotFoundError(
            f"expected the wrapped model {name!r}, whose calls no file holds: open the index with "
            f"model=Embedder.wrap({known}, …)"
        )
    if source == COMPOSED:
        stored = recipe["parts"]
        return compose_parts(_parts(stored, checked_modes(stored) if wanted is None else wanted))
    return load_checkpoint(source, replace(LoadOptions.from_recipe(recipe), modes=wanted))


def _parts(stored: Mapping[str, Mapping[str, Any]], modes: Sequence[Mode]) -> dict[Mode, Embedder]:
    """The parts for these legs; one that makes several is read once."""
    alike: dict[str, list[Mode]] = {}
    for mode in modes:
        if mode not in stored:
            raise MissingHeadError(
                f"expected an embedder that makes {mode} vectors, got one composed of parts for "
                f"{', '.join(stored)}: ask for these"
            )
        alike.setdefault(json.dumps(stored[mode], sort_keys=True), []).append(mode)
    parts: dict[Mode, Embedder] = {}
    for made in alike.values():
        part = stored[made[0]]
        embedder = reload(part["source"], part["recipe"], made)
        parts.update({mode: embedder.only((mode,)) for mode in made})
    return parts
