"""Qdrant Edge: the real engine in a folder, behind the guards that it needs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import qdrant_edge as edge

from trivet.errors import IndexClosedError, IndexDamagedError, IndexLockedError, StoreError
from trivet.store.bridge import query_request
from trivet.store.engine import WRITE_BATCH
from trivet.store.payload_indexes import IndexKind
from trivet.store.points import FoundPoint, Point, PointVector
from trivet.types import Space, SparseVector

if TYPE_CHECKING:
    from qdrant_client import models

logger = logging.getLogger(__name__)
T = TypeVar("T")


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

    @classmethod
    def create(cls, folder: Path, spaces: Sequence[Space]) -> EdgeEngine:
        """Make an empty shard with a named vector for each space."""
        folder.mkdir(parents=True, exist_ok=True)
        with _translated(f"make a shard in {folder}"):
            return cls(edge.EdgeShard.create(str(folder), _config(spaces, [])), folder)

    @classmethod
    def load(cls, folder: Path, spaces: Sequence[Space], scratch: str | None) -> EdgeEngine:
        """Open an existing shard.

        The engine changes its vector names in two files, one after the other, and refuses a shard
        whose process died in between. Then the shard has either all names or all but the scratch.

        Args:
            folder: of the shard.
            spaces: what it holds.
            scratch: the sparse vector name that was being made or dropped, if one was.

        Raises:
            IndexDamagedError: the engine cannot read it.
        """
        if not (folder / "edge_config.json").is_file():
            raise IndexDamagedError(
                f"expected the engine's files in {folder}, found none: restore the folder from a "
                "backup, or delete it and index the documents anew"
            )
        candidates: list[edge.EdgeConfig | None] = [None]
        if scratch is not None:
            candidates += [_config(spaces, [scratch]), _config(spaces, [])]
        failures: list[BaseException] = []
        for config in candidates:
            try:
                return cls(edge.EdgeShard.load(str(folder), config), folder)
            except (KeyboardInterrupt, SystemExit):  # noqa: PERF203
                raise
            except BaseException as error:  # noqa: BLE001  (pyo3's PanicException is no Exception)
                failures.append(error)
        if "WouldBlock" in str(failures[0]):
            raise IndexLockedError(
                f"the engine's files in {folder} are held by another process, or by an index that "
                "was not closed: close it there first"
            ) from failures[0]
        if not isinstance(failures[0], Exception) and (folder / "wal").is_dir():
            # The log holds an operation that the engine panics on. Everything that the journal
            # calls committed was flushed before; what was not is in the journal as pending.
            (folder / "wal").rename(folder / f"wal.broken-{time.time_ns()}")
            logger.warning("the engine's log in %s was set aside: it panics on it", folder)
            return cls.load(folder, spaces, scratch)
        raise IndexDamagedError(
            f"the engine cannot open its files in {folder} ({_first_line(failures[0])}): restore "
            "the folder from a backup, or delete it and index the documents anew"
        ) from failures[0]

    @property
    def name(self) -> str:
        """Engine and version."""
        return f"qdrant-edge {version('qdrant-edge-py')}"

    @property
    def adds_spaces(self) -> bool:
        """A named vector can be added beside stored points."""
        return True

    def upsert(self, points: Sequence[Point]) -> None:
        """Write whole points, at most `WRITE_BATCH` in one operation."""
        for batch in _batches(points):
            made = [edge.Point(p.id, _vectors(p.vectors), dict(p.payload)) for p in batch]
            self._update(edge.UpdateOperation.upsert_points(made))

    def delete(self, ids: Sequence[str]) -> None:
        """Delete points; missing ids are ignored."""
        for batch in _batches(ids):
            self._update(edge.UpdateOperation.delete_points(list(batch)))

    def retrieve(
        self, ids: Sequence[str], *, fields: Sequence[str] | None = None
    ) -> dict[str, Mapping[str, Any]]:
        """Payloads by point id."""
        wanted = True if fields is None else list(fields)
        records = self._read(lambda shard: shard.retrieve(list(ids), wanted, False))
        return {str(record.id): record.payload or {} for record in records}

    def query(self, requests: Sequence[models.QueryRequest]) -> list[list[FoundPoint]]:
        """Answer all queries in one planned batch."""
        batch = edge.QueryBatchRequest([query_request(request) for request in requests])
        answers = self._read(lambda shard: shard.query_batch(batch))
        return [[FoundPoint(str(p.id), p.score, p.payload or {}) for p in a] for a in answers]

    def count(self) -> int:
        """Points stored."""
        return self._read(lambda shard: shard.count(edge.CountRequest(exact=True)))

    def pages(self) -> Iterator[dict[str, Mapping[str, Any]]]:
        """Every point's payload, a page at a time."""
        offset = None
        while True:
            request = edge.ScrollRequest(
                offset=offset, limit=WRITE_BATCH, with_payload=True, with_vector=False
            )
            records, offset = self._read(partial(edge.EdgeShard.scroll, scroll=request))
            yield {str(record.id): record.payload or {} for record in records}
            if offset is None:
                return

    def add_space(self, space: Space) -> None:
        """Make a named vector for a space; nothing if it is there."""
        if space.mode == "sparse":
            operation = edge.UpdateOperation.create_sparse_vector(
                space.vector_name, modifier=_modifier(space)
            )
        else:
            params = _params(space)
            operation = edge.UpdateOperation.create_dense_vector(
                space.vector_name,
                params.size,
                params.distance,
                params.multivector_config,
                params.datatype,
            )
        self._update(operation)

    def set_vectors(self, vectors: Mapping[str, Mapping[str, PointVector]]) -> None:
        """Set named vectors of stored points."""
        for batch in _batches(list(vectors)):
            made = [edge.PointVectors(id, _vectors(vectors[id])) for id in batch]
            self._update(edge.UpdateOperation.update_vectors(made))

    def drop_vectors(self, name: str) -> None:
        """Drop a named vector from every point."""
        self._update(edge.UpdateOperation.delete_vector_name(name))

    def create_index(self, path: str, kind: IndexKind) -> None:
        """Index a payload field; an index of the same kind is left as it is."""
        self._update(edge.UpdateOperation.create_field_index(path, _field_schema(kind)))

    def flush(self) -> None:
        """Bring everything written to the disk."""
        with self._lock:
            self._read(lambda shard: shard.flush())

    def size_bytes(self) -> int:
        """Bytes that the files occupy (the log is sparse: its apparent size is larger)."""
        return sum(f.stat().st_blocks * 512 for f in self._folder.rglob("*") if f.is_file())

    def close(self) -> None:
        """Flush and release the files."""
        with self._lock:
            shard, self._shard = self._shard, None
            if shard is not None and self._damage is None:
                with _translated("close"):
                    shard.flush()
                    shard.close()

    def _open(self) -> edge.EdgeShard:
        if self._shard is None:
            raise IndexClosedError("expected an open index, got one that was closed: open it again")
        return self._shard

    def _read(self, call: Callable[[edge.EdgeShard], T]) -> T:
        with _translated("read"):
            return call(self._open())

    def _update(self, operation: edge.UpdateOperation) -> None:
        with self._lock:
            if self._damage is not None:
                raise IndexDamagedError(
                    f"nothing is written after the engine failed inside ({self._damage}): "
                    "close the index, open it again and add the same documents again"
                )
            try:
                with _translated("write"):
                    self._open().update(operation)
            except IndexDamagedError as error:
                self._damage = _first_line(error)
                raise


@contextmanager
def _translated(action: str) -> Iterator[None]:
    """Turn the engine's bare exceptions and panics into ours."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, StoreError):
        raise
    except Exception as error:
        raise StoreError(f"the engine failed to {action}: {_first_line(error)}") from error
    except BaseException as error:  # pyo3's PanicException is no Exception
        logger.warning("the engine panicked: %s", error)
        raise IndexDamagedError(f"the engine panicked: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[i : i + WRITE_BATCH] for i in range(0, len(items), WRITE_BATCH))


def _dims(space: Space) -> int:
    if space.dims is None:
        raise StoreError(f"expected a space with dims, got {space!r}")
    return space.dims


def _config(spaces: Sequence[Space], sparse_names: Sequence[str]) -> edge.EdgeConfig:
    """The names of the spaces, and of sparse vectors beside them."""
    modifiers: dict[str, edge.Modifier | None] = dict.fromkeys(sparse_names, edge.Modifier.Idf)
    modifiers |= {s.vector_name: _modifier(s) for s in spaces if s.mode == "sparse"}
    return edge.EdgeConfig(
        vectors={s.vector_name: _params(s) for s in spaces if s.mode != "sparse"},
        sparse_vectors={
            name: edge.EdgeSparseVectorParams(modifier=modifier)
            for name, modifier in modifiers.items()
        },
        wal_enabled=True,
    )


def _params(space: Space) -> edge.EdgeVectorParams:
    if space.mode == "dense":
        return edge.EdgeVectorParams(size=_dims(space), distance=edge.Distance.Cosine)
    # Token vectors are compared with the candidates of other legs only: a graph would never be
    # walked. Their products are what they were made for: Cosine would scale bytes anew.
    is_bytes = space.facts.get("datatype") == "uint8"
    return edge.EdgeVectorParams(
        size=_dims(space),
        distance=edge.Distance.Dot,
        multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim),
        datatype=edge.VectorStorageDatatype.Uint8 if is_bytes else None,
        hnsw_config=edge.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000),
    )


def _modifier(space: Space) -> edge.Modifier | None:
    """BM25 leaves the rarity of words to the engine; a model's weights hold it already."""
    return edge.Modifier.Idf if space.is_lexical else None


def _vectors(vectors: Mapping[str, PointVector]) -> dict[str, Any]:
    return {
        name: edge.SparseVector(v.indices.tolist(), v.values.tolist())
        if isinstance(v, SparseVector)
        else (v.tolist() if v.ndim == 2 else v)
        for name, v in vectors.items()
    }


def _field_schema(kind: IndexKind) -> edge.PayloadSchemaType | edge.KeywordIndexParams:
    if kind == "tenant":
        return edge.KeywordIndexParams(is_tenant=True)
    schemas = {
        "keyword": edge.PayloadSchemaType.Keyword,
        "integer": edge.PayloadSchemaType.Integer,
        "float": edge.PayloadSchemaType.Float,
        "datetime": edge.PayloadSchemaType.Datetime,
        "text": edge.PayloadSchemaType.Text,
        "bool": edge.PayloadSchemaType.Bool,
    }
    return schemas[kind]
