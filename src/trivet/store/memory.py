"""qdrant-client's local mode in memory: the exact oracle, and an index that leaves no trace."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from qdrant_client import QdrantClient, models

from trivet.errors import IndexClosedError, StoreError
from trivet.store.bridge import query_requests
from trivet.store.bridge_filters import edge_filter
from trivet.store.client_models import (
    dense_vectors,
    found_point,
    named_vectors,
    point_struct,
    sparse_vectors_config,
    vector_name_config,
    vectors_config,
)
from trivet.store.engine import WRITE_BATCH
from trivet.store.payload_indexes import IndexKind
from trivet.store.points import PAYLOAD_CARRIED, PAYLOAD_OWN, FoundPoint, Point, PointVector
from trivet.types import Space, Vectors

COLLECTION = "trivet"


class MemoryEngine:
    """An engine that is gone when the process ends. Exact, and slow beyond some thousand points."""

    def __init__(self, spaces: Sequence[Space]) -> None:
        # Local mode iterates dictionaries that a writer changes: one call at a time.
        self._lock = threading.RLock()
        self._client: QdrantClient | None = QdrantClient(":memory:")
        self._client.create_collection(
            COLLECTION,
            vectors_config=vectors_config(spaces),
            sparse_vectors_config=sparse_vectors_config(spaces),
        )

    @property
    def name(self) -> str:
        """Engine and version."""
        return f"qdrant-client {version('qdrant-client')} in memory"

    @property
    def is_near(self) -> bool:
        """It runs in this process."""
        return True

    @property
    def adds_spaces(self) -> bool:
        """A named vector can be added beside stored points."""
        return True

    def upsert(self, points: Sequence[Point]) -> None:
        """Write whole points."""
        made = [point_struct(point) for point in points]
        if made:
            with self._using() as client:
                client.upsert(COLLECTION, made, wait=True)

    def delete(self, ids: Sequence[str]) -> None:
        """Delete points; missing ids are ignored."""
        if ids:
            with self._using() as client:
                client.delete(COLLECTION, models.PointIdsList(points=list(ids)), wait=True)

    def retrieve(
        self, ids: Sequence[str], *, fields: Sequence[str] | None = None
    ) -> dict[str, Mapping[str, Any]]:
        """Payloads by point id."""
        wanted: bool | list[str] = True if fields is None else list(fields)
        with self._using() as client:
            records = client.retrieve(COLLECTION, list(ids), with_payload=wanted)
        return {str(record.id): record.payload or {} for record in records}

    def query(self, requests: Sequence[models.QueryRequest]) -> list[list[FoundPoint]]:
        """Answer all queries, one after another; what a folder refuses is refused here too."""
        query_requests(requests)
        with self._using() as client:
            answers = client.query_batch_points(COLLECTION, requests)
        return [[found_point(point) for point in answer.points] for answer in answers]

    def count(self) -> int:
        """Points stored."""
        with self._using() as client:
            return client.count(COLLECTION, exact=True).count

    def pages(
        self, where: models.Filter | None = None, *, since: str | None = None
    ) -> Iterator[dict[str, Mapping[str, Any]]]:
        """Every point's payload, or those that match; what a folder refuses is refused here too."""
        if where is not None:
            edge_filter(where)
        offset: Any = since
        while True:
            with self._using() as client:
                records, offset = client.scroll(
                    COLLECTION, where, limit=WRITE_BATCH, offset=offset, with_payload=True
                )
            yield {str(record.id): record.payload or {} for record in records}
            if offset is None:
                return

    def vector_names(self) -> set[str]:
        """The named vectors that it has."""
        with self._using() as client:
            params = client.get_collection(COLLECTION).config.params
        dense = params.vectors if isinstance(params.vectors, dict) else {}
        return {*dense, *(params.sparse_vectors or {})}

    def add_space(self, space: Space) -> None:
        """Make a named vector for a space; nothing if it is there."""
        with self._using() as client:
            client.create_vector_name(COLLECTION, space.vector_name, vector_name_config(space))

    def set_vectors(self, vectors: Mapping[str, Mapping[str, PointVector]]) -> None:
        """Set named vectors of stored points."""
        made = [models.PointVectors(id=id, vector=named_vectors(v)) for id, v in vectors.items()]
        if made:
            with self._using() as client:
                client.update_vectors(COLLECTION, made, wait=True)

    def mark(self, ids: Sequence[str], names: Sequence[str]) -> None:
        """Note of stored points which of their named vectors were carried over."""
        if ids:
            marks = {PAYLOAD_CARRIED: list(names)}
            with self._using() as client:
                client.set_payload(COLLECTION, marks, list(ids), key=PAYLOAD_OWN, wait=True)

    def vectors(self, ids: Sequence[str], name: str) -> dict[str, Vectors]:
        """The dense vectors of a name, by point id."""
        with self._using() as client:
            records = client.retrieve(
                COLLECTION, list(ids), with_payload=False, with_vectors=[name]
            )
        return dense_vectors(records, name)

    def drop_vectors(self, name: str) -> None:
        """Drop a named vector from every point."""
        with self._using() as client:
            client.delete_vector_name(COLLECTION, name)

    def create_index(self, path: str, kind: IndexKind) -> None:
        """Nothing: every query reads every payload."""

    def flush(self) -> None:
        """Nothing to bring anywhere."""

    def size_bytes(self) -> int:
        """Nothing on disk."""
        return 0

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            client, self._client = self._client, None
            if client is not None:
                client.close()

    @contextmanager
    def _using(self) -> Iterator[QdrantClient]:
        with self._lock:
            if self._client is None:
                raise IndexClosedError(
                    "expected an open index, got one that was closed: open it again"
                )
            try:
                yield self._client
            except Exception as error:
                raise StoreError(f"the engine failed: {error}") from error
