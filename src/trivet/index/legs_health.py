"""How many points and documents each named vector of an index covers, and by whose vectors."""

from __future__ import annotations

import logging

from trivet.errors import DriftError, SpaceMismatchError, StoreError
from trivet.index.model import TRANSLATION, IndexModel
from trivet.index.upgrade.migrating import count_remaining
from trivet.reports import LegHealth
from trivet.store.bare import lacking
from trivet.store.carried import carried_documents
from trivet.store.generations import NATIVE_STATES
from trivet.store.manifest import Manifest
from trivet.store.store import Store
from trivet.types import Mode

logger = logging.getLogger(__name__)


def examine_legs(store: Store, model: IndexModel) -> tuple[LegHealth, ...]:
    """The named vectors of an index, those that serve first.

    Args:
        store: of the index.
        model: its models; for the map by which vectors were translated.

    Raises:
        StoreError: the engine cannot be read.
    """
    manifest = store.manifest
    serving = {manifest.spaces[mode].vector_name for mode in _serving(manifest)}
    points, documents = store.engine.count(), store.journal.count()
    there = store.engine.vector_names()
    legs = []
    for name, space in manifest.vector_spaces.items():
        told = name, space.mode, space.model, space.fingerprint, name in serving
        if name not in there:
            legs.append(LegHealth(*told, 0, 0, 0))
            continue
        bare, incomplete = (0, 0) if store.is_adopted else lacking(store, name)
        translated = _translated(store, model, name)
        native = documents - incomplete - translated
        legs.append(LegHealth(*told, points - bare, native, translated))
    return tuple(sorted(legs, key=lambda leg: not leg.serves))


def _serving(manifest: Manifest) -> list[Mode]:
    """The legs that queries of the model that serves are searched by."""
    complete, record = manifest.complete(list(manifest.spaces)), manifest.upgrade
    if record is None or not record.is_bridged:
        return complete
    mapped = {"dense", *record.facts.get("mapped", ())}
    return [mode for mode in complete if mode in mapped or mode not in manifest.model_modes]


def _translated(store: Store, model: IndexModel, name: str) -> int:
    """Documents that have a translated vector of a name; 0 where their map cannot be read."""
    record = store.manifest.upgrade
    if record is None or record.state not in (*NATIVE_STATES, "translating"):
        return len(carried_documents(store, name))
    try:
        translation = model.map_of(record, TRANSLATION)
    except (DriftError, SpaceMismatchError, StoreError) as error:
        logger.info("translated vectors are not told from native ones: %s", error)
        return 0
    if translation.target.vector_name != name:
        return len(carried_documents(store, name))
    return count_remaining(store, translation).translated
