"""An adopted collection and its copy, compared page by page until nothing differs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trivet.errors import UpgradeError
from trivet.index.documents import CheckedDocument, checked_copies
from trivet.index.upgrade.texts import TextResolver, whole_text
from trivet.index.vectors import GivenVectors
from trivet.store.adopted_layout import with_text_length
from trivet.store.points import Chunk, point_ids
from trivet.types import DenseVectors, Document, Representations, Vectors

if TYPE_CHECKING:
    from trivet.index.index import Index
    from trivet.store.adopted import AdoptedStore

# A point's id is a number below this, or a UUID.
POINT_IDS = 2**64
# How often a collection that somebody writes to is looked through before that is given up.
PASSES = 5
# Unit vectors come back from engines to the last bits.
SAME = 1e-4
# Lengths that differ by less order nothing otherwise.
SAME_LENGTH = 1e-3
# What is kept in the journal of a copy that is not done yet: what it is a copy of.
UNDER_WAY = "taking-over"
DONE = "taken-over"


@dataclass(frozen=True)
class Page:
    """Points of the adopted collection, as they were read."""

    documents: list[Document]
    vectors: Vectors


class Copy:
    """An index that is being made a copy of an adopted collection.

    Args:
        store: of the adopted collection.
        own: the index.
        source: names the collection, wherever it is.
        resolver: knows the texts that the collection does not hold; of what it does not know
            either, vector and metadata are copied. None = every point must have a text.

    Raises:
        UpgradeError: the index holds documents that the collection does not have.
    """

    def __init__(
        self, store: AdoptedStore, own: Index, source: str, resolver: TextResolver | None
    ) -> None:
        self._store = store
        self._own = own
        self._resolver = resolver
        self._space = store.manifest.spaces["dense"]
        self._lengths = np.array([np.inf, 0.0])
        # What was there once, and is to be deleted when it is not any more.
        self._seen: set[str] = set()
        journal = own._store.journal
        if not own.count():
            journal.keep(UNDER_WAY, source.encode())
        is_ours = journal.kept(UNDER_WAY) == source.encode() and journal.kept(DONE) is None
        gone = self._gone()
        if is_ours:
            self._seen.update(gone)
        self._require_known(gone)

    def until_still(self) -> None:
        """Bring over what differs until nothing does.

        Raises:
            UpgradeError: something differed every time, or a point cannot be copied.
        """
        for _ in range(PASSES):
            differed = self.bring_over()
            if not differed:
                return
        raise UpgradeError(
            f"expected a collection that nobody writes to, got one of which {len(differed)} "
            f"documents, such as {differed[0]!r}, had changed at the last of {PASSES} looks: stop "
            "that, and take it over again, which goes on where it was"
        )

    def bring_over(self) -> list[str]:
        """Make the copy as the collection is; returns the ids of the documents that differed."""
        differed = []
        for points in self._store.engine.pages():
            self._seen.update(points)
            page = self._read(points)
            rows = self._differing(page)
            if rows:
                documents = [page.documents[row] for row in rows]
                dense = DenseVectors(self._space, page.vectors[rows])
                self._write(documents, Representations(dense=dense))
                differed += [document.id or "" for document in documents]
        gone = self._gone()
        self._require_known(gone)
        self._own.delete(gone)
        return differed + gone

    def close(self) -> None:
        """Note that the copy is done: what is in it from now on may be its owner's."""
        self._own._store.journal.keep(DONE, b"1")

    def _write(self, documents: list[Document], made: Representations) -> None:
        """Store documents with their vectors, as `Index.upsert` does, be they without a text."""
        own = self._own
        given = GivenVectors(made, len(documents), own._store, own._model)
        checked = checked_copies(documents)
        own._ingest(checked, given, "raise", None, len(documents), replace_existing=True)

    def _read(self, points: Mapping[str, Mapping[str, Any]]) -> Page:
        """Documents and unit vectors of points; those that were deleted meanwhile are left out."""
        vectors = self._store.engine.vectors(list(points), self._space.vector_name)
        bare = [id for id in points if id not in vectors]
        for id in self._store.engine.retrieve(bare) if bare else ():
            raise UpgradeError(
                f"expected a vector of every point, got none of {id!r}: write it there, or delete "
                "such points"
            )
        documents = [self._document(id, points[id]) for id in points if id in vectors]
        rows = np.array([vectors[d.id or ""] for d in documents], dtype=np.float32)
        return Page(documents, self._unit(rows.reshape(len(documents), -1), documents))

    def _document(self, id: str, payload: Mapping[str, Any]) -> Document:
        """A point as a document; its text is "" where nobody has it.

        Raises:
            UpgradeError: a point without a text, and nobody to ask.
            InvalidInputError: the resolver gave back what is no text.
        """
        chunk = Chunk.from_payload(payload)
        if chunk.text.strip():
            return Document(chunk.text, id, metadata=chunk.metadata)
        if self._resolver is None:
            raise UpgradeError(
                f"expected a text in the payload of the point {id!r}, to be searched and embedded "
                "anew, got none: write the texts into the collection, hand in text_resolver, or "
                "delete such points"
            )
        text = whole_text(chunk, self._resolver)
        return Document(text, id, metadata=with_text_length(chunk.metadata, text))

    def _unit(self, rows: Vectors, documents: list[Document]) -> Vectors:
        """Rows of length 1, as an index compares by cosine.

        Raises:
            UpgradeError: a row without a length, or rows of several lengths in a collection that
                is compared by dot product.
        """
        lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
        wrong = ~(np.isfinite(lengths) & (lengths > 0))
        if wrong.any():
            raise UpgradeError(
                f"expected vectors with a direction, got one of length {lengths[wrong][0]} of the "
                f"point {documents[int(np.argmax(wrong))].id!r}: write it anew, or delete the point"
            )
        if self._store.is_by_product and len(rows):
            least, most = min(self._lengths[0], lengths.min()), max(self._lengths[1], lengths.max())
            self._lengths[:] = least, most
            if most > least * (1 + SAME_LENGTH):
                raise UpgradeError(
                    "expected vectors of one length in a collection that is compared by dot "
                    f"product, got lengths from {least:.3g} to {most:.3g}: an index compares by "
                    "cosine, which would rank otherwise; go on with the collection as it is, or "
                    "index its documents anew with trivet.open"
                )
        unit: Vectors = (rows / lengths[:, None]).astype(np.float32)
        return unit

    def _differing(self, page: Page) -> list[int]:
        """The rows that the copy does not have as they are."""
        store, ids = self._own._store, [document.id or "" for document in page.documents]
        entries = store.journal.entries(ids)
        points = {id: point_ids(store.manifest.namespace, id, [0])[0] for id in ids}
        there = [points[id] for id in ids if id in entries]
        vectors = store.engine.vectors(there, self._space.vector_name) if there else {}
        checked = list(checked_copies(page.documents))
        return [
            row
            for row, (id, one) in enumerate(zip(ids, checked, strict=True))
            if not isinstance(one, CheckedDocument)
            or id not in entries
            or entries[id].digest != one.digest
            or points[id] not in vectors
            or not _is_same(vectors[points[id]], page.vectors[row])
        ]

    def _gone(self) -> list[str]:
        """Documents of the copy that the collection does not have."""
        gone: list[str] = []
        for entries in self._own._store.journal.pages():
            ids = [entry.id for entry in entries]
            # Another id is no id of a point, which a server refuses to look up.
            known = [id for id in ids if _is_point_id(id)]
            there = self._store.engine.retrieve(known) if known else {}
            gone += [id for id in ids if id not in there]
        return gone

    def _require_known(self, gone: list[str]) -> None:
        """Refuse documents that never came from the collection.

        Raises:
            UpgradeError: there is one: it is somebody else's, and stays.
        """
        others = [id for id in gone if id not in self._seen]
        if others:
            raise UpgradeError(
                "expected a new index, or one that a copy was stopped in, got one with documents "
                f"that the adopted collection does not have, such as {others[0]!r}: name another "
                "place, or delete here what was deleted there"
            )


def _is_same(own: Vectors, unit: Vectors) -> bool:
    return bool(np.abs(own / np.linalg.norm(own) - unit).max() < SAME)


def _is_point_id(id: str) -> bool:
    if id.isascii() and id.isdigit():
        return int(id) < POINT_IDS
    try:
        return str(uuid.UUID(id)) == id
    except ValueError:
        return False
