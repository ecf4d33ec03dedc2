"""What an index tells about itself."""

from __future__ import annotations

from trivet.reports import IndexInfo
from trivet.store.carried import carried_documents
from trivet.store.scope import Scope
from trivet.store.store import Store


def describe(location: str, store: Store, scope: Scope, dense_floor: float | None) -> IndexInfo:
    """Engine, sizes, spaces and model of an index; documents and chunks of those in scope."""
    store.refresh()
    manifest = store.manifest
    totals = store.journal.totals(scope.name)
    dense = manifest.spaces.get("dense")
    return IndexInfo(
        location=location,
        engine=store.engine.name,
        documents=totals.documents,
        chunks=totals.chunks,
        spaces=tuple(manifest.spaces.values()),
        model=manifest.model,
        size_bytes=store.size_bytes(),
        created=manifest.created,
        optimized=manifest.optimized,
        optimize_pays=store.optimize_pays,
        tenants=manifest.tenants,
        tenant=scope.name,
        dense_floor=dense_floor,
        translated=0 if dense is None else len(carried_documents(store, dense.vector_name)),
    )
