"""The points of a collection on a server: written until they are there, and read back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from qdrant_client import QdrantClient, models

from trivet.config import ServerSettings
from trivet.store.client_models import dense_vectors
from trivet.store.engine import WRITE_BATCH
from trivet.store.points import PAYLOAD_CARRIED, PAYLOAD_OWN
from trivet.store.server_collection import ServerCollection
from trivet.types import Vectors

Payload: TypeAlias = Mapping[str, Any]
T = TypeVar("T")

# Bytes of JSON in one request, about: far below the 32 MB that a server takes by default, and small
# enough to be done within a timeout.
REQUEST_BYTES = 4_000_000
# A float32 as JSON, with its comma; and an index with its weight.
NUMBER_BYTES = 20
TERM_BYTES = 32


class ServerPoints:
    """Reads and writes points, in requests of bounded size that are sent until they succeed.

    Args:
        collection: which is there.
        ordering: of writes, where there are several replicas.

    Raises:
        StoreError: the collection cannot be read.
    """

    def __init__(self, collection: ServerCollection, ordering: models.WriteOrdering) -> None:
        self._connection = collection.connection
        self._name = collection.name
        self._ordering = ordering
        replicas = collection.info().config.params.replication_factor or 1
        # What was just written is read back from enough replicas to include one that has it.
        self._consistency = read_consistency(self._connection.settings) or (
            models.ReadConsistencyType.MAJORITY if replicas > 1 else None
        )

    def write(
        self,
        points: Sequence[models.PointStruct],
        mode: models.UpdateMode = models.UpdateMode.UPSERT,
    ) -> None:
        """Write points whole; with `INSERT_ONLY`, those that are there stay as they are."""

        def send(client: QdrantClient, some: Sequence[models.PointStruct]) -> None:
            result = client.upsert(
                self._name, list(some), wait=True, ordering=self._ordering, update_mode=mode
            )
            self._connection.settle(result, lambda: self._holds(some, mode))

        for batch in _bounded(points):
            self._connection.in_parts("write points", batch, send)

    def set_vectors(self, points: Sequence[models.PointVectors]) -> None:
        """Set named vectors of points that are there."""

        def send(client: QdrantClient, some: Sequence[models.PointVectors]) -> None:
            result = client.update_vectors(
                self._name, list(some), wait=True, ordering=self._ordering
            )
            self._connection.settle(result, lambda: self._holds_vectors(some))

        for batch in _batches(points):
            self._connection.in_parts("write vectors", batch, send)

    def change(self, fields: Payload, where: models.Filter) -> None:
        """Set fields of all points that match, each in one step; only reading tells which."""

        def send(client: QdrantClient) -> None:
            result = client.set_payload(
                self._name, dict(fields), points=where, wait=True, ordering=self._ordering
            )
            self._connection.settle(
                result,
                lambda: all(
                    fields.items() <= payload.items()
                    for page in self.pages(where)
                    for payload in page.values()
                ),
            )

        self._connection.call("change points", send)

    def mark(self, ids: Sequence[str], names: Sequence[str]) -> None:
        """Note of points which of their named vectors were carried over."""
        marks = {PAYLOAD_CARRIED: list(names)}

        def send(client: QdrantClient, some: Sequence[str]) -> None:
            result = client.set_payload(
                self._name, marks, list(some), key=PAYLOAD_OWN, wait=True, ordering=self._ordering
            )
            field = f"{PAYLOAD_OWN}.{PAYLOAD_CARRIED}"
            self._connection.settle(
                result,
                lambda: all(
                    (payload.get(PAYLOAD_OWN) or {}).get(PAYLOAD_CARRIED) == list(names)
                    for payload in self.retrieve(some, fields=[field]).values()
                ),
            )

        for batch in _batches(ids):
            self._connection.in_parts("mark points", batch, send)

    def delete(self, ids: Sequence[str]) -> None:
        """Delete points; missing ids are ignored."""

        def send(client: QdrantClient, some: Sequence[str]) -> None:
            selector = models.PointIdsList(points=list(some))
            result = client.delete(self._name, selector, wait=True, ordering=self._ordering)
            self._connection.settle(result, lambda: not self.retrieve(some, fields=()))

        for batch in _batches(ids):
            self._connection.in_parts("delete points", batch, send)

    def delete_where(self, where: models.Filter) -> None:
        """Delete all points that match."""

        def send(client: QdrantClient) -> None:
            selector = models.FilterSelector(filter=where)
            result = client.delete(self._name, selector, wait=True, ordering=self._ordering)
            self._connection.settle(result, lambda: not self.count(where))

        self._connection.call("delete points", send)

    def retrieve(
        self, ids: Sequence[str], *, fields: Sequence[str] | None = None
    ) -> dict[str, Payload]:
        """Payloads, or the named fields of them, by point id; missing ids are left out."""
        wanted: bool | list[str] = True if fields is None else list(fields) or False

        def send(client: QdrantClient, some: Sequence[str]) -> list[models.Record]:
            return client.retrieve(
                self._name, list(some), with_payload=wanted, consistency=self._consistency
            )

        found: dict[str, Payload] = {}
        for batch in _batches(ids):
            for records in self._connection.in_parts("give back points", batch, send):
                found.update({str(record.id): record.payload or {} for record in records})
        return found

    def vectors(self, ids: Sequence[str], name: str) -> dict[str, Vectors]:
        """The dense vectors of a name, by point id; points without one are left out."""

        def send(client: QdrantClient, some: Sequence[str]) -> list[models.Record]:
            return client.retrieve(
                self._name, list(some), with_payload=False, with_vectors=[name],
                consistency=self._consistency,
            )  # fmt: skip

        found: dict[str, Vectors] = {}
        for batch in _batches(ids):
            for records in self._connection.in_parts("give back vectors", batch, send):
                found.update(dense_vectors(records, name))
        return found

    def pages(
        self,
        where: models.Filter | None = None,
        *,
        fields: Sequence[str] | None = None,
        since: str | None = None,
    ) -> Iterator[dict[str, Payload]]:
        """Payloads, or fields of them, of all points that match, by point id, page by page."""
        wanted: bool | list[str] = True if fields is None else list(fields)
        offset: Any = since
        while True:
            records, offset = self._page(where, offset, wanted)
            yield {str(record.id): record.payload or {} for record in records}
            if offset is None:
                return

    def count(self, where: models.Filter | None = None) -> int:
        """How many points match."""
        return self._connection.call(
            "count points", lambda client: client.count(self._name, where, exact=True).count
        )

    def values(self, key: str, limit: int, where: models.Filter | None) -> dict[int, int]:
        """The most frequent values of an indexed field of whole numbers, each with its count.

        Args:
            key: of the field.
            limit: how many values.
            where: of the points that count; None = all.
        """
        answer = self._connection.call(
            f"count values of {key}",
            lambda client: client.facet(
                self._name, key, facet_filter=where, limit=limit, exact=True,
                consistency=self._consistency,
            ),
        )  # fmt: skip
        return {int(hit.value): hit.count for hit in answer.hits}

    def _page(
        self,
        where: models.Filter | None,
        offset: Any,  # noqa: ANN401  (a point id of any engine)
        wanted: bool | list[str],
    ) -> tuple[list[models.Record], Any]:
        return self._connection.call(
            "read points",
            lambda client: client.scroll(
                self._name,
                where,
                limit=WRITE_BATCH,
                offset=offset,
                with_payload=wanted,
                consistency=self._consistency,
            ),
        )

    def _holds(self, points: Sequence[models.PointStruct], mode: models.UpdateMode) -> bool:
        """Whether points are there, with these payloads or (`INSERT_ONLY`) any."""
        stored = self.retrieve([str(point.id) for point in points])
        if mode == models.UpdateMode.INSERT_ONLY:
            return len(stored) == len(points)
        return all(stored.get(str(point.id)) == point.payload for point in points)

    def _holds_vectors(self, points: Sequence[models.PointVectors]) -> bool:
        """Whether points have the named vectors; empty ones need not be there."""
        wanted = {
            str(point.id): {name for name, v in _named(point.vector).items() if _numbers(v)}
            for point in points
        }
        names = sorted(set().union(*wanted.values()))
        records = self._connection.call(
            "give back vectors",
            lambda client: client.retrieve(
                self._name, list(wanted), with_payload=False, with_vectors=names,
                consistency=self._consistency,
            ),
        )  # fmt: skip
        stored = {str(record.id): _named(record.vector).keys() for record in records}
        return all(names <= stored.get(id, set()) for id, names in wanted.items())


def read_consistency(settings: ServerSettings) -> models.ReadConsistency | None:
    """How many replicas must agree on what is read; None = as the server does."""
    asked = settings.consistency
    return models.ReadConsistencyType(asked) if isinstance(asked, str) else asked


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[i : i + WRITE_BATCH] for i in range(0, len(items), WRITE_BATCH))


def _bounded(points: Sequence[models.PointStruct]) -> Iterator[Sequence[models.PointStruct]]:
    """Batches of at most `WRITE_BATCH` points and about `REQUEST_BYTES`."""
    start, size_bytes = 0, 0
    for end, point in enumerate(points):
        point_bytes = _json_bytes(point)
        if end > start and (size_bytes + point_bytes > REQUEST_BYTES or end - start == WRITE_BATCH):
            yield points[start:end]
            start, size_bytes = end, 0
        size_bytes += point_bytes
    if points:
        yield points[start:]


def _json_bytes(point: models.PointStruct) -> int:
    """What a point comes to as JSON, about."""
    numbers = sum(_numbers(vector) for vector in _named(point.vector).values())
    return numbers + len(json.dumps(point.payload))


def _named(vectors: Any) -> Mapping[str, Any]:  # noqa: ANN401  (a union of nine types)
    return vectors if isinstance(vectors, dict) else {}


def _numbers(vector: Any) -> int:  # noqa: ANN401
    """Bytes of a vector as JSON, about; 0 if it is empty."""
    if isinstance(vector, models.SparseVector):
        return TERM_BYTES * len(vector.indices)
    rows = vector if vector and isinstance(vector[0], list) else [vector]
    return NUMBER_BYTES * sum(len(row) for row in rows)
