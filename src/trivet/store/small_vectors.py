"""Whether an engine keeps the vectors of a name small: an upgrade makes names that it does not."""

from __future__ import annotations

from trivet.store.edge_shard import small_names
from trivet.store.server import ServerEngine
from trivet.store.store import Store


def keeps_small(store: Store, name: str) -> bool:
    """Whether small vectors are made of those of a name.

    Args:
        store: of the index.
        name: of its dense vectors.

    Raises:
        StoreError: the engine's configuration cannot be read.
    """
    if store.folder is not None:
        return name in small_names(store.folder / store.manifest.shard)
    if not isinstance(store.engine, ServerEngine):
        return False
    vectors = store.engine.collection.info().config.params.vectors
    return isinstance(vectors, dict) and vectors[name].quantization_config is not None
