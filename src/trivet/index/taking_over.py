"""An adopted collection copied into an index of Trivet's own, with its vectors as they are."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trivet.config import ServerSettings
from trivet.errors import InvalidInputError, UpgradeError
from trivet.index.open import is_url, open
from trivet.store.points import Chunk
from trivet.store.store import Store
from trivet.types import DenseVectors, Document, Mode, Representations

# A point's id is a number below this, or a UUID.
POINT_IDS = 2**64

if TYPE_CHECKING:
    from trivet.index.index import Index
    from trivet.index.shared import Shared


def take_over(
    shared: Shared,
    location: str | os.PathLike[str],
    *,
    collection: str | None,
    alias: str | None,
    server: ServerSettings | None,
) -> Index:
    """Copy an adopted collection to an index of Trivet's own; arguments as in `Index.take_over`."""
    store, place = shared.store, os.fspath(location)
    manifest = store.manifest
    _require_possible(store, place, alias)
    modes: tuple[Mode, ...] = ("dense",) if manifest.lexical is None else ("dense", "sparse")
    own = open(
        place,
        model=shared.model.found(),
        modes=modes,
        collection=collection,
        server=server,
        lexical=None if manifest.lexical is None else manifest.lexical.lexical,
    )
    try:
        _copy(store, own)
        if alias is not None:
            from trivet.store.aliases import lead
            from trivet.store.connecting import checked_collection

            lead(place, alias, checked_collection(collection), server or ServerSettings())
    except BaseException:
        own.close()
        raise
    return own


def _require_possible(store: Store, place: str, alias: str | None) -> None:
    if not store.is_adopted:
        raise InvalidInputError(
            "expected an adopted collection to take over, got an index of Trivet's own: nothing "
            "needs to be copied; use index.upgrade"
        )
    if alias is not None and not is_url(place):
        raise InvalidInputError(
            f"expected no alias for {place!r}, got {alias!r}: only a server has aliases; leave it "
            "out, and open the index by its own place"
        )
    if "sparse" in store.manifest.model_modes:
        raise UpgradeError(
            "expected a dense model, with or without BM25, got one whose learned sparse vectors "
            "cannot be read back: adopt the collection with embedder.only(['dense'])"
        )


def _copy(store: Store, own: Index) -> None:
    """Copy every document that is not there yet as it is, and see that none is missing."""
    _require_none_of_others(store, own)
    for page in store.engine.pages():
        there = {document.id: document for document in own.get(list(page))}
        chunks = {
            id: chunk
            for id, chunk in _with_text(page)
            # One that was copied before may have been changed since.
            if id not in there or not _is_as(there[id], chunk)
        }
        if chunks:
            _put(store, own, chunks)
    copied, stored = own.count(), store.engine.count()
    if copied != stored:
        raise UpgradeError(
            f"expected {stored} documents, as the adopted collection has, got {copied} copied: "
            "somebody writes to it; stop that, delete here what was deleted there, and take it "
            "over again, which goes on where it was"
        )


def _require_none_of_others(store: Store, own: Index) -> None:
    """Refuse an index with documents that the adopted collection does not have.

    Raises:
        UpgradeError: there is one: nothing was copied.
    """
    for entries in own._store.journal.pages():
        ids = [entry.id for entry in entries]
        # Another id is no id of a point, which a server refuses to look up.
        known = [id for id in ids if _is_point_id(id)]
        there = store.engine.retrieve(known) if known else {}
        others = [id for id in ids if id not in there]
        if others:
            raise UpgradeError(
                f"expected a new index, or one that a copy was stopped in, got one with documents "
                f"that the adopted collection does not have, such as {others[0]!r}: name another "
                "place, or delete here what was deleted there"
            )


def _is_point_id(id: str) -> bool:
    if id.isascii() and id.isdigit():
        return int(id) < POINT_IDS
    try:
        return str(uuid.UUID(id)) == id
    except ValueError:
        return False


def _is_as(document: Document, chunk: Chunk) -> bool:
    return (document.text, document.metadata) == (chunk.text, chunk.metadata)


def _with_text(page: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Chunk]]:
    for id, payload in page.items():
        chunk = Chunk.from_payload(payload)
        if not chunk.text.strip():
            raise UpgradeError(
                f"expected a text in the payload of the point {id!r}, to be searched and embedded "
                "anew, got none: write the texts into the collection, or delete such points"
            )
        yield id, chunk


def _put(store: Store, own: Index, chunks: Mapping[str, Chunk]) -> None:
    space = store.manifest.spaces["dense"]
    vectors = store.engine.vectors(list(chunks), space.vector_name)
    bare = [id for id in chunks if id not in vectors]
    if bare:
        raise UpgradeError(
            f"expected a vector of every point, got none of {bare[0]!r}: it was deleted meanwhile, "
            "then take the collection over again; or it never had one, then write it there, or "
            "delete such points"
        )
    documents = [Document(c.text, id, metadata=c.metadata) for id, c in chunks.items()]
    dense = DenseVectors(space, np.stack([vectors[id] for id in chunks]))
    own.upsert(documents, on_error="raise", representations=Representations(dense=dense))
