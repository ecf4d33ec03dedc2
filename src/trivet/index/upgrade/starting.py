"""An upgrade begun, or the one under way found again."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from trivet.embedding import Embedder
from trivet.errors import InvalidInputError, ReadOnlyError, UpgradeError, UpgradeInProgressError
from trivet.index.tokens import stored_space
from trivet.index.upgrade.upgrade import Upgrade
from trivet.store.generations import NATIVE_STATES, Generation
from trivet.store.manifest import Manifest

if TYPE_CHECKING:
    from trivet.index.shared import Shared


def start_upgrade(shared: Shared, new: str | os.PathLike[str] | Embedder) -> Upgrade:
    """The upgrade of an index to a model.

    Raises:
        UpgradeInProgressError: one to another model is under way.
        UpgradeError: an index without dense vectors of a model, which alone can be mapped.
        InvalidInputError: the index is of that model.
        ReadOnlyError: an adopted collection: `take_over` comes first.
        MissingHeadError: the model makes no dense vectors.
        ModelNotFoundError, CheckpointError: it cannot be found or read.
    """
    if shared.store.is_adopted:
        raise ReadOnlyError(
            "expected an index of Trivet's own to upgrade, got an adopted collection, to which no "
            "named vector is added: copy it first, vectors and all, with index.take_over(location, "
            "collection=…, alias=…), and upgrade what that returns"
        )
    embedder = new if isinstance(new, Embedder) else Embedder.load(new)
    current = current_upgrade(shared)
    manifest = shared.store.manifest
    generation = _generation(embedder, manifest)
    if current is not None:
        if current.generation.spaces["dense"] != generation.spaces["dense"]:
            raise UpgradeInProgressError(
                f"expected no upgrade under way, got one to {current.generation.name!r}: finish "
                "it or roll it back (index.current_upgrade)"
            )
        shared.model.bring(embedder)
        return current
    if generation.spaces["dense"] == manifest.spaces["dense"]:
        raise InvalidInputError(
            f"expected another model, got {embedder.name!r}, whose vectors the index holds: "
            "there is nothing to upgrade (what an upgrade has left translated is embedded by "
            "index.make_native())"
        )
    shared.model.begin(generation, embedder)
    return Upgrade(shared, generation)


def current_upgrade(shared: Shared) -> Upgrade | None:
    """The upgrade under way, also one that another machine has begun; None if there is none."""
    shared.store.refresh()
    manifest = shared.store.manifest
    record = manifest.upgrade
    if record is None:
        return None
    swapped = record.state in NATIVE_STATES
    return Upgrade(shared, manifest.generation if swapped else record.other)


def _generation(embedder: Embedder, manifest: Manifest) -> Generation:
    if "dense" not in manifest.model_modes:
        raise UpgradeError(
            "expected an index with dense vectors of a model, got one without: BM25 needs no "
            "upgrade, and no map leads between other vectors; index the documents anew elsewhere"
        )
    embedder.only(["dense"])
    modes = [mode for mode in manifest.model_modes if mode in embedder.spaces]
    spaces = {
        mode: stored_space(embedder.spaces[mode], like=manifest.spaces[mode]) for mode in modes
    }
    # Of all legs: a model that was tried with fewer of them has left canaries of these alone.
    legs = "".join(sorted(space.fingerprint for space in spaces.values()))
    canaries = f"canaries-{hashlib.sha256(legs.encode()).hexdigest()[:16]}"
    return Generation(embedder.source, embedder.recipe, spaces, canaries)
