"""A collection that something else has made, as the store of an index that is only read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from qdrant_client import QdrantClient, models

from trivet.errors import StoreError
from trivet.store.adopted_journal import AdoptedJournal, refuse
from trivet.store.adopted_layout import Layout, point_id
from trivet.store.client_models import dense_vectors
from trivet.store.connection import Connection
from trivet.store.engine import WRITE_BATCH
from trivet.store.journal import Version
from trivet.store.manifest import Manifest
from trivet.store.payload_indexes import IndexKind
from trivet.store.points import Chunk, FoundPoint, Point, PointVector
from trivet.store.store import Store
from trivet.store.writes import DocumentWrite
from trivet.types import Space, Vectors

R = TypeVar("R")
Stage = TypeVar("Stage", models.Prefetch, models.QueryRequest)


class AdoptedEngine:
    """Reads a foreign collection, and gives back payloads as if they were ours.

    Args:
        connection: to its server.
        collection: its name.
        layout: of its payloads.
        names: our vector names → the collection's; "" is the unnamed vector.
    """

    is_near = False
    adds_spaces = False

    def __init__(
        self, connection: Connection, collection: str, layout: Layout, names: Mapping[str, str]
    ) -> None:
        self._connection = connection
        self._collection = collection
        self._layout = layout
        self._names = names

    @property
    def name(self) -> str:
        """Engine and version."""
        return f"Qdrant {self._connection.version}, adopted"

    def retrieve(
        self, ids: Sequence[str], *, fields: Sequence[str] | None = None
    ) -> dict[str, Mapping[str, Any]]:
        """Payloads by point id, whole."""
        wanted = [point_id(id) for id in ids]
        records = self._call("give back points", lambda c: c.retrieve(self._collection, wanted))
        return self._payloads(records)

    def query(self, requests: Sequence[models.QueryRequest]) -> list[list[FoundPoint]]:
        """Answer all queries in one request."""
        asked = [self._request(request) for request in requests]
        answers = self._call("search", lambda c: c.query_batch_points(self._collection, asked))
        return [
            [
                FoundPoint(
                    str(p.id),
                    p.score,
                    self._layout.payload(str(p.id), p.payload or {}) if whole.with_payload else {},
                )
                for p in answer.points
            ]
            for whole, answer in zip(asked, answers, strict=True)
        ]

    def count(self) -> int:
        """Points stored."""
        return self._call("count", lambda c: c.count(self._collection, exact=True).count)

    def pages(
        self, where: models.Filter | None = None, *, since: str | None = None
    ) -> Iterator[dict[str, Mapping[str, Any]]]:
        """Payloads of all points that match, a page at a time."""
        wanted = self._layout.filter(where)
        offset: Any = None if since is None else point_id(since)
        while True:
            at = offset
            records, offset = self._call(
                "read points",
                lambda c: c.scroll(self._collection, wanted, limit=WRITE_BATCH, offset=at),  # noqa: B023
            )
            yield self._payloads(records)
            if offset is None:
                return

    def upsert(self, points: Sequence[Point]) -> None:
        """Refuse."""
        refuse("add to")

    def delete(self, ids: Sequence[str]) -> None:
        """Refuse."""
        refuse("delete from")

    def vector_names(self) -> set[str]:
        """Those that it was adopted with; others in the collection are none of ours."""
        return set(self._names)

    def add_space(self, space: Space) -> None:
        """Refuse."""
        refuse("add vectors to")

    def vectors(self, ids: Sequence[str], name: str) -> dict[str, Vectors]:
        """The dense vectors of a name, by point id."""
        wanted, action = [point_id(id) for id in ids], "give back vectors"
        records = self._call(action, lambda c: c.retrieve(self._collection, wanted, False, True))
        return dense_vectors(records, self._names[name])

    def set_vectors(self, vectors: Mapping[str, Mapping[str, PointVector]]) -> None:
        """Refuse."""
        refuse("add vectors to")

    def mark(self, ids: Sequence[str], names: Sequence[str]) -> None:
        """Refuse."""
        refuse("mark points of")

    def drop_vectors(self, name: str) -> None:
        """Refuse."""
        refuse("drop vectors from")

    def create_index(self, path: str, kind: IndexKind) -> None:
        """Refuse."""
        refuse("make payload indexes in")

    def flush(self) -> None:
        """Nothing was written."""

    def size_bytes(self) -> int:
        """A server does not say."""
        return 0

    def close(self) -> None:
        """Nothing of its own to release."""

    def _call(self, action: str, request: Callable[[QdrantClient], R]) -> R:
        try:
            return self._connection.call(action, request)
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(
                f"expected the collection {self._collection!r} to {action}, got {error}"
            ) from error

    def _payloads(self, records: Iterable[models.Record]) -> dict[str, Mapping[str, Any]]:
        return {str(r.id): self._layout.payload(str(r.id), r.payload or {}) for r in records}

    def _request(self, request: models.QueryRequest) -> models.QueryRequest:
        """A request in the collection's names, for whole payloads."""
        wanted = bool(request.with_payload)
        return self._stage(request).model_copy(update={"with_payload": wanted})

    def _stage(self, stage: Stage) -> Stage:
        changed: dict[str, Any] = {}
        if stage.using is not None:
            changed["using"] = self._names[stage.using] or None
        if stage.filter is not None:
            changed["filter"] = self._layout.filter(stage.filter)
        if stage.prefetch is not None:
            within = stage.prefetch if isinstance(stage.prefetch, list) else [stage.prefetch]
            changed["prefetch"] = [self._stage(each) for each in within]
        return stage.model_copy(update=changed)


class AdoptedStore(Store):
    """A foreign collection, whose points keep their own ids.

    Args:
        engine: reads it.
        manifest: the spaces that its vectors are said to live in.
        release: called by `close`.
        is_by_product: whether its dense vectors are compared by dot product, and not by cosine.
    """

    is_adopted = True

    def __init__(
        self,
        engine: AdoptedEngine,
        manifest: Manifest,
        release: Callable[[], None],
        *,
        is_by_product: bool,
    ) -> None:
        self.is_by_product = is_by_product
        super().__init__(
            engine,
            AdoptedJournal(engine.count),
            manifest,
            save_manifest=lambda _: refuse("change"),
            release=release,
        )

    def write(self, writes: Sequence[DocumentWrite]) -> None:
        """Refuse."""
        refuse("add to")

    def delete(self, ids: Sequence[str], versions: Mapping[str, Version] | None = None) -> int:
        """Refuse."""
        refuse("delete from")

    def chunk_ids(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """Each document is one point."""
        return {id: [id] for id in self.engine.retrieve(list(ids))}

    def point_id(self, document: str, sequence: int) -> str:
        """Its own id."""
        return document

    def chunks(self, ids: Sequence[str]) -> dict[str, list[Chunk]]:
        """The one chunk of each point."""
        found = self.engine.retrieve(ids)
        return {id: [Chunk.from_payload(payload)] for id, payload in found.items()}
