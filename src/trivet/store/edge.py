"""Qdrant Edge: the real engine in a folder, behind the guards that it needs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import qdrant_edge as edge

from trivet.errors import IndexClosedError, IndexDamagedError
from trivet.store.bridge import query_requests
from trivet.store.bridge_filters import edge_filter
from trivet.store.edge_changes import Changes
from trivet.store.edge_points import edge_vectors, found_points, named_vectors
from trivet.store.edge_prefetches import answered
from trivet.store.edge_shard import (
    create_shard,
    field_schema,
    first_line,
    load_shard,
    modifier,
    shard_names,
    translated,
    vector_params,
)
from trivet.store.engine import WRITE_BATCH
from trivet.store.log_room import close_with_small_log
from trivet.store.payload_indexes import IndexKind
from trivet.store.points import PAYLOAD_CARRIED, PAYLOAD_OWN, FoundPoint, Point, PointVector
from trivet.store.room import LAST_BYTES, require_room
from trivet.store.storage import Storage
from trivet.types import Space, Vectors

if TYPE_CHECKING:
    from qdrant_client import models

T = TypeVar("T")

# Requests that Edge answers in one call, for which it keeps Python's lock: of 64 three-leg queries
# in one call every other thread, event loops too, would stand still for 0.1 s. More than 16 at a
# time share no more work (10,000 chunks: 0.47 ms a dense scan; 0.45 by 64, 0.87 alone).
QUERY_BATCH = 16


class EdgeEngine:
    """One shard of Qdrant Edge in a folder. Always with a write-ahead log.

    Edge panics (an exception outside `Exception`) on input that it should refuse, after it has
    logged it. Points are therefore checked before they come here, and a panic all the same marks
    the shard as damaged: nothing more is written to it.
    """

    def __init__(self, shard: edge.EdgeShard, folder: Path) -> None:
        self._shard: edge.EdgeShard | None = shard
        self._folder = folder
        self._lock = threading.Lock()
        self._damage: str | None = None
        self._changes: Changes | None = None

    @classmethod
    def create(cls, folder: Path, spaces: Sequence[Space], storage: Storage = "full") -> EdgeEngine:
        """Make an empty shard with a named vector for each space."""
        return cls(create_shard(folder, spaces, storage), folder)

    @classmethod
    def load(
        cls,
        folder: Path,
        spaces: Sequence[Space],
        scratch: str | None,
        passing: Sequence[Space] = (),
        storage: Storage = "full",
    ) -> EdgeEngine:
        """Open an existing shard; arguments and errors as in `load_shard`."""
        return cls(load_shard(folder, spaces, scratch, passing, storage), folder)

    @property
    def name(self) -> str:
        """Engine and version."""
        return f"qdrant-edge {version('qdrant-edge-py')}"

    @property
    def is_near(self) -> bool:
        """It runs in this process."""
        return True

    @property
    def adds_spaces(self) -> bool:
        """A named vector can be added beside stored points."""
        return True

    def upsert(self, points: Sequence[Point]) -> None:
        """Write whole points, at most `WRITE_BATCH` in one operation."""
        for batch in _batches(points):
            made = [edge.Point(p.id, edge_vectors(p.vectors), dict(p.payload)) for p in batch]
            self._update(edge.UpdateOperation.upsert_points(made), [p.id for p in batch])

    def delete(self, ids: Sequence[str]) -> None:
        """Delete points; missing ids are ignored."""
        for batch in _batches(ids):
            # Not ours, but there may be some: numbered points.
            made: list[Any] = [int(id) if id.isdigit() else id for id in batch]
            self._update(edge.UpdateOperation.delete_points(made), batch)

    def retrieve(
        self, ids: Sequence[str], *, fields: Sequence[str] | None = None
    ) -> dict[str, Mapping[str, Any]]:
        """Payloads by point id."""
        wanted = True if fields is None else list(fields)
        records = self._read(lambda shard: shard.retrieve(list(ids), wanted, False))
        return {str(record.id): record.payload or {} for record in records}

    def query(self, requests: Sequence[models.QueryRequest]) -> list[list[FoundPoint]]:
        """Answer all queries in one planned batch."""
        answers = answered(requests, self._ask)
        return [found_points(*each) for each in zip(requests, answers, strict=True)]

    def _ask(
        self, requests: Sequence[models.QueryRequest | models.Prefetch]
    ) -> list[list[edge.ScoredPoint]]:
        asked = query_requests(requests)
        answers: list[list[edge.ScoredPoint]] = []
        for start in range(0, len(asked), QUERY_BATCH):
            batch = edge.QueryBatchRequest(asked[start : start + QUERY_BATCH])
            answers += self._read(partial(edge.EdgeShard.query_batch, request=batch))
        return answers

    def count(self) -> int:
        """Points stored."""
        return self._read(lambda shard: shard.count(edge.CountRequest(exact=True)))

    def pages(
        self, where: models.Filter | None = None, *, since: str | None = None
    ) -> Iterator[dict[str, Mapping[str, Any]]]:
        """Every point's payload, or those that match, a page at a time."""
        offset: Any = since
        matching = None if where is None else edge_filter(where)
        while True:
            request = edge.ScrollRequest(
                offset=offset, limit=WRITE_BATCH, filter=matching, with_payload=True,
                with_vector=False,
            )  # fmt: skip
            records, offset = self._read(partial(edge.EdgeShard.scroll, scroll=request))
            yield {str(record.id): record.payload or {} for record in records}
            if offset is None:
                return

    def vector_names(self) -> set[str]:
        """The named vectors that it has."""
        return shard_names(self._folder)

    def add_space(self, space: Space) -> None:
        """Make a named vector for a space; nothing if it is there."""
        if space.mode == "sparse":
            operation = edge.UpdateOperation.create_sparse_vector(
                space.vector_name, modifier=modifier(space)
            )
        else:
            params = vector_params(space)
            operation = edge.UpdateOperation.create_dense_vector(
                space.vector_name,
                params.size,
                params.distance,
                params.multivector_config,
                params.datatype,
            )
        self._update(operation, None)

    def set_vectors(self, vectors: Mapping[str, Mapping[str, PointVector]]) -> None:
        """Set named vectors of stored points."""
        for batch in _batches(list(vectors)):
            made = [edge.PointVectors(id, edge_vectors(vectors[id])) for id in batch]
            self._update(edge.UpdateOperation.update_vectors(made), batch)

    def mark(self, ids: Sequence[str], names: Sequence[str]) -> None:
        """Note of stored points which of their named vectors were carried over."""
        for batch in _batches(ids):
            marked = {PAYLOAD_CARRIED: list(names)}, PAYLOAD_OWN
            self._update(edge.UpdateOperation.set_payload(list(batch), *marked), batch)

    def vectors(self, ids: Sequence[str], name: str) -> dict[str, Vectors]:
        """The dense vectors of a name, by point id."""
        records = self._read(lambda shard: shard.retrieve(list(ids), False, [name]))
        return {
            str(record.id): np.array(named[name], dtype=np.float32)
            for record in records
            if name in (named := named_vectors(record.vector, [name]))
        }

    def drop_vectors(self, name: str) -> None:
        """Drop a named vector from every point."""
        self._update(edge.UpdateOperation.delete_vector_name(name), None)

    def create_index(self, path: str, kind: IndexKind) -> None:
        """Index a payload field; an index of the same kind is left as it is."""
        self._update(edge.UpdateOperation.create_field_index(path, field_schema(kind)), None)

    def flush(self) -> None:
        """Bring everything written to the disk."""
        with self._lock:
            self._read(lambda shard: shard.flush())

    def size_bytes(self) -> int:
        """Bytes that the files occupy (the log is sparse: its apparent size is larger)."""
        size = 0
        for file in self._folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # the engine drops files as it goes
                size += file.stat().st_blocks * 512 if file.is_file() else 0
        return size

    def follow(self) -> None:
        """From now on, keep what is written for `take_changes`."""
        with self._lock:
            self._changes = Changes()

    def take_changes(self) -> Changes:
        """What was written since `follow`, or since this was last asked for."""
        with self._lock:
            changes, self._changes = self._changes, Changes()
            return changes or Changes()

    def unfollow(self) -> None:
        """Keep what is written no longer."""
        with self._lock:
            self._changes = None

    def send(self, ids: Collection[str], other: EdgeEngine, names: Collection[str]) -> None:
        """Make another engine hold these points as this one does; what is gone is deleted there.

        Args:
            ids: of points.
            other: whose vector names are `names`.
            names: of the vectors that are sent along.
        """
        for batch in _batches(list(ids)):
            read = partial(edge.EdgeShard.retrieve, point_ids=list(batch), with_payload=True)
            records = self._read(partial(read, with_vector=True))
            made = [edge.Point(r.id, named_vectors(r.vector, names), r.payload) for r in records]
            found = {str(record.id) for record in records}
            other._update(edge.UpdateOperation.upsert_points(made), batch)
            other.delete([id for id in batch if id not in found])

    @property
    def is_open(self) -> bool:
        """Whether `close` was not called yet."""
        return self._shard is not None

    def take_over(self, other: EdgeEngine) -> None:
        """Serve another engine's shard from now on; reads that are under way are answered."""
        with self._lock, other._lock:
            self._open()
            self._shard, self._folder = other._shard, other._folder
            other._shard = None

    def close(self) -> None:
        """Flush and release the files."""
        with self._lock:
            shard, self._shard = self._shard, None
            if shard is not None and self._damage is None:
                with translated("close"):
                    close_with_small_log(shard, self._folder)

    def _open(self) -> edge.EdgeShard:
        if self._shard is None:
            raise IndexClosedError("expected an open index, got one that was closed: open it again")
        return self._shard

    def _read(self, call: Callable[[edge.EdgeShard], T]) -> T:
        with translated("read"):
            return call(self._open())

    def _update(self, operation: edge.UpdateOperation, points: Sequence[str] | None) -> None:
        """Do one operation, on these points; None = on the vector names."""
        with self._lock:
            if self._damage is not None:
                raise IndexDamagedError(
                    f"nothing is written after the engine failed inside ({self._damage}): "
                    "close the index, open it again and add the same documents again"
                )
            require_room(self._folder, 0, margin_bytes=LAST_BYTES)
            if self._changes is not None:
                self._changes.take(points)
            try:
                with translated("write"):
                    self._open().update(operation)
            except IndexDamagedError as error:
                self._damage = first_line(error)
                raise


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[i : i + WRITE_BATCH] for i in range(0, len(items), WRITE_BATCH))
