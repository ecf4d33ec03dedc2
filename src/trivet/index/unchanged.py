"""Pieces of documents that are stored already, in the very words: their vectors as they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from trivet.errors import StoreError
from trivet.store.manifest import Manifest
from trivet.store.points import PAYLOAD_OWN, Chunk, point_ids
from trivet.store.store import Store
from trivet.store.writes import PAYLOAD_MARKS
from trivet.types import DenseVectors, Representations, Vectors

logger = logging.getLogger(__name__)

Titled: TypeAlias = tuple[str, str]
Stored: TypeAlias = Mapping[tuple[str, Titled], Vectors]


def stored_vectors(store: Store, manifest: Manifest, keys: Sequence[str]) -> Stored:
    """The dense vectors of the documents' chunks, by document, title and text.

    Args:
        store: of the index.
        manifest: of the index; an upgrade may change it meanwhile.
        keys: of documents, of which some are stored.

    Returns:
        None of an index of which models make other legs than a dense one, or which is under way to
        another model; and none that were carried over: an edit makes them the model's own.
    """
    if manifest.model_modes != ("dense",) or manifest.upgrade is not None:
        return {}
    namespace, name = manifest.namespace, manifest.spaces["dense"].vector_name
    chunks = store.chunks(list(store.journal.entries(keys)))
    found = {
        id: chunk
        for key, several in chunks.items()
        for id, chunk in zip(point_ids(namespace, key, range(len(several))), several, strict=True)
        if name not in chunk.carried
    }
    vectors = store.engine.vectors(list(found), name)
    # Another call may have replaced a point after its text was read and before its vector was.
    marks = store.engine.retrieve(list(found), fields=PAYLOAD_MARKS)
    return {
        (chunk.key, (chunk.title, chunk.text)): vectors[id]
        for id, chunk in found.items()
        if id in vectors and _is_still(chunk, marks.get(id, {}).get(PAYLOAD_OWN, {}))
    }


def _is_still(chunk: Chunk, own: Mapping[str, Any]) -> bool:
    return (own.get("hash"), own.get("revision")) == (chunk.digest, chunk.revision)


def _readable(store: Store, manifest: Manifest, keys: Sequence[str]) -> Stored:
    """As `stored_vectors`; none where they cannot be read: to store anew is what mends a document.

    A point that was damaged is read as anything. A server that is away for a moment costs no more
    than an embedding.
    """
    try:
        return stored_vectors(store, manifest, keys)
    except (StoreError, KeyError, TypeError, ValueError, AttributeError) as error:
        logger.debug("stored vectors are not used again: %r", error)
        return {}


def with_stored(
    store: Store,
    pieces: Sequence[tuple[str, Titled]],
    make: Callable[[Sequence[Titled]], Representations],
) -> Representations:
    """The model's legs of pieces, of which those that are stored are not made again.

    Args:
        store: of the index.
        pieces: n titled texts, each after its document's key.
        make: n titled texts → their vectors.
    """
    manifest = store.manifest
    stored = _readable(store, manifest, list(dict.fromkeys(key for key, _ in pieces)))
    new = [place for place, piece in enumerate(pieces) if piece not in stored]
    made = make([pieces[place][1] for place in new]) if new else None
    if made is not None and len(new) == len(pieces):
        return made
    space = manifest.spaces["dense"]
    if made is not None and (made.dense is None or made.dense.space != space):
        # An upgrade cut over meanwhile: what was read is the older model's.
        return make([titled for _, titled in pieces])
    rows = np.empty((len(pieces), space.dims or 0), dtype=np.float32)
    for place, piece in enumerate(pieces):
        if piece in stored:
            rows[place] = stored[piece]
    if made is not None and made.dense is not None:
        rows[new] = made.dense.values
    return Representations(DenseVectors(space, rows))
