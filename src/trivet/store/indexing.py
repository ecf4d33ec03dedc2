"""Payload indexes of an index that is open: the missing ones are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trivet.errors import SettingsMismatchError
from trivet.store.filters import payload_path
from trivet.store.manifest import Manifest
from trivet.store.payload_indexes import IndexKind
from trivet.store.store import PATIENCE_S, Store


def index_fields(store: Store, indexes: Mapping[str, IndexKind]) -> None:
    """Make the payload indexes that are not there yet; none is dropped.

    Args:
        store: of the index.
        indexes: kinds by metadata field.

    Raises:
        SettingsMismatchError: a field has an index of another kind.
    """
    if not _lacking(store.manifest, indexes):
        return
    with store.writing, store.journal.exclusive(PATIENCE_S):
        store.refresh()
        lacking = _lacking(store.manifest, indexes)
        for name, kind in lacking.items():
            store.engine.create_index(payload_path(name), kind)
        store.engine.flush()
        store.become(replace(store.manifest, indexes={**store.manifest.indexes, **lacking}))


def _lacking(manifest: Manifest, indexes: Mapping[str, IndexKind]) -> dict[str, IndexKind]:
    stored = manifest.indexes
    for name, kind in indexes.items():
        if stored.get(name, kind) != kind:
            raise SettingsMismatchError(
                f"the index has a payload index of {name!r} as {stored[name]}, got {kind}: leave "
                "it out, or index the documents anew elsewhere"
            )
    return {name: kind for name, kind in indexes.items() if name not in stored}
