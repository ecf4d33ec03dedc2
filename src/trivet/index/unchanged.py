"""Pieces of documents that are stored already, in the very words: their vectors as they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from trivet.errors import StoreError
from trivet.store.manifest import Manifest
from trivet.store.points import PAYLOAD_OWN, Chunk, point_ids
from trivet.store.store import Store
from trivet.store.stored_vectors import READABLE, PointRows, point_rows, represented
from trivet.store.writes import PAYLOAD_MARKS
from trivet.types import DenseVectors, Mode, MultiVectors, Representations

logger = logging.getLogger(__name__)

Titled: TypeAlias = tuple[str, str]
Stored: TypeAlias = Mapping[tuple[str, Titled], PointRows]


def stored_vectors(store: Store, manifest: Manifest, keys: Sequence[str]) -> Stored:
    """The vectors that the model made of the documents' chunks, by document, title and text.

    Args:
        store: of the index.
        manifest: of the index; an upgrade may change it meanwhile.
        keys: of documents, of which some are stored.

    Returns:
        None of an index of which models make legs that cannot be read back, or which is under way
        to another model; and none that were carried over: an edit makes them the model's own.
    """
    modes = manifest.model_modes
    if not modes or not set(modes) <= set(READABLE) or manifest.upgrade is not None:
        return {}
    names = {manifest.spaces[mode].vector_name for mode in modes}
    chunks = store.chunks(list(store.journal.entries(keys)))
    found = {
        id: chunk
        for key, several in chunks.items()
        for id, chunk in zip(
            point_ids(manifest.namespace, key, range(len(several))), several, strict=True
        )
        if names.isdisjoint(chunk.carried)
    }
    vectors = point_rows(store, list(found), {mode: manifest.spaces[mode] for mode in modes})
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
    spaces = {mode: manifest.spaces[mode] for mode in manifest.model_modes}
    if made is not None and {mode: leg.space for mode, leg in made.legs.items()} != spaces:
        # An upgrade cut over meanwhile: what was read is the older model's.
        return make([titled for _, titled in pieces])
    fresh = {} if made is None else dict(zip(new, _rows(made), strict=True))
    return represented(
        spaces, [fresh.get(place) or stored[piece] for place, piece in enumerate(pieces)]
    )


def _rows(made: Representations) -> list[PointRows]:
    legs: dict[Mode, DenseVectors | MultiVectors | None] = {
        "dense": made.dense,
        "multi": made.multi,
    }
    return [
        {mode: leg[n] for mode, leg in legs.items() if leg is not None} for n in range(len(made))
    ]
