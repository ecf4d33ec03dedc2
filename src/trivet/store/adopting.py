"""Looks at a collection that something else has made: its vectors, its payloads, its maker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qdrant_client import QdrantClient, models

from trivet.config import ServerSettings
from trivet.errors import InvalidInputError, NotAnIndexError, SpaceMismatchError
from trivet.store.adopted import AdoptedEngine, AdoptedStore
from trivet.store.adopted_layout import LLAMA_NODE, Layout
from trivet.store.aliases import followed
from trivet.store.connection import Connection, connect
from trivet.store.manifest import Manifest
from trivet.store.points import PAYLOAD_OWN
from trivet.store.retrying import Timing
from trivet.types import Space, Vectors

# Points whose vectors are compared with what the model makes of their texts.
SAMPLE = 8
_DISTANCES = (models.Distance.COSINE, models.Distance.DOT)


@dataclass(frozen=True)
class Sample:
    """A stored point: what may have been embedded of it, and its dense vector."""

    texts: Sequence[str]
    vector: Vectors


class ForeignCollection:
    """A collection that is there.

    Args:
        location: a server's URL, or a client, which is not closed here.
        collection: its name.
        settings: how to reach a server.

    Raises:
        NotAnIndexError: no such collection, or one of Trivet's own.
        InvalidInputError, StoreError: as `connect`.
    """

    def __init__(
        self, location: str | QdrantClient, collection: str, settings: ServerSettings
    ) -> None:
        self._owns = isinstance(location, str)
        self.name = collection
        self.location = f"{location}/collections/{collection}" if self._owns else collection
        self._connection = (
            connect(location, settings, Timing())
            if isinstance(location, str)
            else Connection(location, settings, "of a client", Timing())
        )
        try:
            if not self._connection.call("look", lambda c: c.collection_exists(collection)):
                raise NotAnIndexError(f"expected a collection {collection!r}, found none")
            # An alias may lead elsewhere tomorrow: this is about what it leads to now.
            self.name = followed(self._connection, collection)
            info = self._connection.call("look", lambda c: c.get_collection(self.name))
        except BaseException:
            self.close()
            raise
        self._dense = _dense_params(info)
        self._sparse = tuple(info.config.params.sparse_vectors or {})

    def close(self) -> None:
        """Close the connection, if it was made here."""
        if self._owns:
            self._connection.close()

    def dense_name(self, wanted: str | None, dims: int | None) -> str:
        """The dense vector of a model with so many dims; "" = the unnamed one.

        Raises:
            InvalidInputError: no such vector, several to choose from, or a distance that is
                neither cosine nor dot product.
            SpaceMismatchError: another size.
        """
        name = _only("vector", wanted, tuple(self._dense))
        params = self._dense[name]
        if params.distance not in _DISTANCES or params.multivector_config is not None:
            raise InvalidInputError(
                f"expected a single vector compared by cosine or dot product, got {name!r} of "
                f"{self.name!r} with {params.distance.value}: its scores would mean something else"
            )
        if params.size != dims:
            raise SpaceMismatchError(
                f"the collection {self.name!r} holds vectors of {params.size} numbers, got a model "
                f"that makes {dims}: adopt it with the model that made them"
            )
        return name

    def sparse_name(self, wanted: str | None) -> str | None:
        """The sparse vector; None if there is none.

        Raises:
            InvalidInputError: no such vector, or several to choose from.
        """
        if wanted is None and not self._sparse:
            return None
        return _only("sparse_vector", wanted, self._sparse)

    def layout(self, content: str, metadata: str) -> Layout:
        """How its payloads are laid out.

        Raises:
            NotAnIndexError: an empty collection, one of Trivet's own, or payloads without text.
        """
        payloads = [payload for payload, _ in self._some(with_vectors=False)]
        if not payloads:
            raise NotAnIndexError(
                f"expected a collection with points in it, got {self.name!r}, which is empty: "
                "there is nothing to adopt; make an index with trivet.open"
            )
        if any(PAYLOAD_OWN in payload for payload in payloads):
            raise NotAnIndexError(
                f"expected a collection that something else has made, got {self.name!r}, which is "
                "an index of Trivet: use trivet.open"
            )
        if all(LLAMA_NODE in payload for payload in payloads):
            return Layout("", "")
        # Of some the text may be kept elsewhere.
        if any(isinstance(payload.get(content), str) for payload in payloads):
            return Layout(content, metadata)
        raise NotAnIndexError(
            f"expected payloads of langchain-qdrant, with a text under {content!r}, or of "
            f"LlamaIndex, with {LLAMA_NODE!r}; got {sorted(payloads[0])[:8]} in {self.name!r}: "
            "name the keys by content_key and metadata_key"
        )

    def samples(self, layout: Layout, name: str) -> list[Sample]:
        """A few of its points with texts and dense vectors."""
        return [
            Sample(layout.embedded_texts(payload), _vector(vectors, name))
            for payload, vectors in self._some(with_vectors=True)
            if any(text.strip() for text in layout.embedded_texts(payload))
        ]

    def store(self, layout: Layout, manifest: Manifest, names: Mapping[Space, str]) -> AdoptedStore:
        """The store of an index over it."""
        ours = {space.vector_name: name for space, name in names.items()}
        engine = AdoptedEngine(self._connection, self.name, layout, ours)
        dense = [self._dense[name] for name in names.values() if name in self._dense]
        by_product = any(params.distance == models.Distance.DOT for params in dense)
        return AdoptedStore(engine, manifest, self.close, is_by_product=by_product)

    def _some(self, *, with_vectors: bool) -> list[tuple[dict[str, Any], Any]]:
        records, _ = self._connection.call(
            "read points",
            lambda c: c.scroll(self.name, limit=SAMPLE, with_vectors=with_vectors),
        )
        return [(record.payload or {}, record.vector) for record in records]


def least_likely(samples: Sequence[Sample], embed: Callable[[list[str]], Vectors]) -> float:
    """The median, over stored points, of the cosine between what is stored and what a model makes.

    Args:
        samples: points.
        embed: texts → unit rows.
    """
    best = []
    for sample in samples:
        made = embed([text for text in sample.texts if text.strip()])
        length = float(np.linalg.norm(sample.vector))
        best.append(float((made @ sample.vector).max()) / length if length else 0.0)
    return float(np.median(best)) if best else 1.0


def _only(keyword: str, wanted: str | None, there: Sequence[str]) -> str:
    names = ", ".join(repr(name) for name in there) or "none"
    if wanted is not None and wanted not in there:
        raise InvalidInputError(f"expected {keyword} out of {names}, got {wanted!r}")
    if wanted is None and len(there) != 1:
        raise InvalidInputError(
            f"expected a collection with one vector to take for {keyword}, got {names}: name it"
        )
    return there[0] if wanted is None else wanted


def _dense_params(info: models.CollectionInfo) -> dict[str, models.VectorParams]:
    vectors = info.config.params.vectors
    if vectors is None:
        return {}
    return {"": vectors} if isinstance(vectors, models.VectorParams) else dict(vectors)


def _vector(stored: Any, name: str) -> Vectors:  # noqa: ANN401  (as the client gives it)
    chosen = stored.get(name, []) if isinstance(stored, dict) else stored
    return np.asarray(chosen or [], dtype=np.float32)
