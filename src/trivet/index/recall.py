"""How much of an exact search an index's own dense search finds, measured on stored vectors."""

from __future__ import annotations

import numpy as np

from trivet.errors import InvalidInputError
from trivet.reports import RecallReport
from trivet.store.neighbours import near_requests, vectors_request
from trivet.store.points import point_id
from trivet.store.small_vectors import keeps_small
from trivet.store.storage import FLOAT_BYTES, Storage, made_at_once, memory_bytes
from trivet.store.store import Store

BATCH = 64


def measure_recall(store: Store, *, k: int, sample: int) -> RecallReport:
    """Search for stored vectors as the index does, and by comparing every vector as it is.

    Raises:
        InvalidInputError: an index without a dense leg, or with fewer than two chunks.
        StoreError: the engine or the journal cannot be read.
    """
    manifest = store.manifest
    space = manifest.spaces.get("dense")
    if space is None or space.dims is None:
        raise InvalidInputError(
            f"expected an index with a dense leg, got one with {', '.join(manifest.spaces)}: only "
            "dense vectors are searched other than exactly"
        )
    # An upgrade makes full vectors, whatever the index was made with.
    storage = manifest.storage if keeps_small(store, space.vector_name) else "full"
    ids = _drawn(store, sample)
    chunks = store.journal.totals().chunks
    if chunks < 2 or not ids:
        raise InvalidInputError(
            f"expected an index with two chunks or more, got {chunks}: add some"
        )
    wanted = min(k, chunks - 1)
    found = [
        share
        for start in range(0, len(ids), BATCH)
        for share in _shares(store, space.vector_name, ids[start : start + BATCH], wanted, storage)
    ]
    return RecallReport(
        storage=storage,
        recall=float(np.mean(found)),
        k=wanted,
        sampled=len(found),
        vector_bytes=memory_bytes(storage, space.dims),
        full_bytes=space.dims * FLOAT_BYTES,
        small_chunks=_small(store, chunks, storage),
        chunks=chunks,
    )


def _drawn(store: Store, sample: int) -> list[str]:
    """Ids of points, each as likely as any other: a reservoir over the journal."""
    draws = np.random.default_rng(0)
    kept: list[str] = []
    seen = 0
    for page in store.journal.pages():
        for entry in page:
            for sequence in range(entry.chunks):
                seen += 1
                at = len(kept) if len(kept) < sample else int(draws.integers(seen))
                if at < sample:
                    kept[at : at + 1] = [point_id(store.manifest.namespace, entry.id, sequence)]
    return kept


def _shares(store: Store, name: str, ids: list[str], k: int, storage: Storage) -> list[float]:
    """The share of each point's k nearest others that the index's search finds."""
    spaces = store.manifest.vector_spaces
    [points] = store.query([vectors_request(name, spaces[name].dims or 0, ids)])
    requests = [
        request
        for point in points
        for request in near_requests(name, point.vectors[name], k + 1, storage)
    ]
    answers = iter([[found.id for found in answer] for answer in store.query(requests)])
    shares = []
    for point in points:
        ours, exact = (set(_others(next(answers), point.id, k)) for _ in range(2))
        shares.append(len(ours & exact) / k)
    return shares


def _others(ids: list[str], own: str, k: int) -> list[str]:
    return [id for id in ids if id != own][:k]


def _small(store: Store, chunks: int, storage: Storage) -> int:
    """Chunks whose small vectors are made; Edge leaves small segments as they are."""
    manifest = store.manifest
    if storage == "full":
        return 0
    if made_at_once(storage) or store.folder is None:
        return chunks
    made = any((store.folder / manifest.shard).rglob("quantized.data"))
    return min(manifest.optimized, chunks) if made else 0
