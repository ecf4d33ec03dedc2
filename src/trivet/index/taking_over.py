"""An adopted collection copied into an index of Trivet's own, with its vectors as they are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trivet.config import ServerSettings
from trivet.errors import InvalidInputError, UpgradeError
from trivet.index.open import is_url, open
from trivet.store.points import Chunk
from trivet.store.store import Store
from trivet.types import DenseVectors, Document, Mode, Representations

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
    store = shared.store
    if not store.is_adopted:
        raise InvalidInputError(
            "expected an adopted collection to take over, got an index of Trivet's own: nothing "
            "needs to be copied; use index.upgrade"
        )
    place = os.fspath(location)
    if alias is not None and not is_url(place):
        raise InvalidInputError(
            f"expected no alias for {place!r}, got {alias!r}: only a server has aliases; leave it "
            "out, and open the index by its own place"
        )
    manifest = store.manifest
    if "sparse" in manifest.model_modes:
        raise UpgradeError(
            "expected a dense model, with or without BM25, got one whose learned sparse vectors "
            "cannot be read back: adopt the collection with embedder.only(['dense'])"
        )
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


def _copy(store: Store, own: Index) -> None:
    """Copy every document that is not there yet, and see that none is missing."""
    for page in store.engine.pages():
        there = {document.id for document in own.get(list(page))}
        chunks = dict(_with_text({id: page[id] for id in page if id not in there}))
        if chunks:
            _put(store, own, chunks)
    copied, stored = own.count(), store.engine.count()
    if copied != stored:
        raise UpgradeError(
            f"expected {stored} documents, as the adopted collection has, got {copied} copied: "
            "somebody writes to it; stop that, delete here what was deleted there, and take it "
            "over again, which goes on where it was"
        )


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
    whole = [id for id in chunks if id in vectors]
    if not whole:
        return
    documents = [Document(chunks[id].text, id, metadata=chunks[id].metadata) for id in whole]
    dense = DenseVectors(space, np.stack([vectors[id] for id in whole]))
    own.upsert(documents, on_error="raise", representations=Representations(dense=dense))
