"""A Qdrant server or cluster as the engine of an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qdrant_client import QdrantClient, models

from trivet.store.client_models import field_schema, found_point, named_vectors, point_struct
from trivet.store.engine import WRITE_BATCH
from trivet.store.payload_indexes import IndexKind
from trivet.store.points import PAYLOAD_OWN, FoundPoint, Point, PointVector
from trivet.store.server_collection import ServerCollection
from trivet.store.server_points import ServerPoints, read_consistency
from trivet.types import Space, Vectors

# What our own reads and deletions filter by.
OWN_INDEXES: Mapping[str, models.PayloadFieldSchema] = {
    f"{PAYLOAD_OWN}.document": models.PayloadSchemaType.KEYWORD,
    f"{PAYLOAD_OWN}.revision": models.PayloadSchemaType.INTEGER,
}


class ServerEngine:
    """One collection on a server; what it calls done can be read back.

    Args:
        collection: which is there.

    Raises:
        StoreError: the collection cannot be read.
    """

    def __init__(self, collection: ServerCollection) -> None:
        self.collection = collection
        self._connection = collection.connection
        # Through one replica, so that none sees a deletion before the write that it takes back.
        self._points = ServerPoints(collection, models.WriteOrdering.MEDIUM)

    @property
    def name(self) -> str:
        """Engine and version."""
        return f"qdrant {self._connection.version} on a server"

    @property
    def is_near(self) -> bool:
        """It runs in a process of its own, often on another machine."""
        return False

    @property
    def adds_spaces(self) -> bool:
        """Whether a named vector can be added beside stored points: from version 1.18 on."""
        return self._connection.adds_vectors

    def upsert(self, points: Sequence[Point]) -> None:
        """Write whole points."""
        self._points.write([point_struct(point) for point in points])

    def delete(self, ids: Sequence[str]) -> None:
        """Delete points; missing ids are ignored."""
        self._points.delete(ids)

    def retrieve(
        self, ids: Sequence[str], *, fields: Sequence[str] | None = None
    ) -> dict[str, Mapping[str, Any]]:
        """Payloads by point id."""
        return self._points.retrieve(ids, fields=fields)

    def query(self, requests: Sequence[models.QueryRequest]) -> list[list[FoundPoint]]:
        """Answer all queries in one request, or in few if they are many."""
        name, consistency = self.collection.name, read_consistency(self._connection.settings)

        def ask(
            client: QdrantClient, some: Sequence[models.QueryRequest]
        ) -> list[models.QueryResponse]:
            return client.query_batch_points(name, list(some), consistency=consistency)

        found: list[list[FoundPoint]] = []
        for start in range(0, len(requests), WRITE_BATCH):
            batch = requests[start : start + WRITE_BATCH]
            for answers in self._connection.in_parts("search", batch, ask):
                found += [[found_point(point) for point in answer.points] for answer in answers]
        return found

    def count(self) -> int:
        """Points stored."""
        return self._points.count()

    def pages(
        self, where: models.Filter | None = None, *, since: str | None = None
    ) -> Iterator[dict[str, Mapping[str, Any]]]:
        """Every point's payload, or those that match, a page at a time."""
        return self._points.pages(where, since=since)

    def vector_names(self) -> set[str]:
        """The named vectors that it has."""
        return self.collection.vector_names()

    def add_space(self, space: Space) -> None:
        """Make a named vector for a space; nothing if it is there.

        Raises:
            ServerTooOldError: a server of version 1.17, and points are stored.
        """
        self.collection.add_vector(space)

    def set_vectors(self, vectors: Mapping[str, Mapping[str, PointVector]]) -> None:
        """Set named vectors of stored points."""
        self._points.set_vectors(
            [
                models.PointVectors.model_construct(id=id, vector=named_vectors(named))
                for id, named in vectors.items()
            ]
        )

    def mark(self, ids: Sequence[str], names: Sequence[str]) -> None:
        """Note of stored points which of their named vectors were carried over."""
        self._points.mark(ids, names)

    def vectors(self, ids: Sequence[str], name: str) -> dict[str, Vectors]:
        """The dense vectors of a name, by point id."""
        return self._points.vectors(ids, name)

    def drop_vectors(self, name: str) -> None:
        """Drop a named vector from every point; a server of version 1.17 keeps it, unused."""
        self.collection.drop_vector(name)

    def create_index(self, path: str, kind: IndexKind) -> None:
        """Index a payload field; nothing if it is indexed."""
        self.collection.create_indexes({path: field_schema(kind)})

    def flush(self) -> None:
        """Nothing to do: what a server calls completed is in its write-ahead log."""

    def size_bytes(self) -> int:
        """0: a server does not say what a collection occupies."""
        return 0

    def close(self) -> None:
        """Nothing to release: the connection is another's."""
