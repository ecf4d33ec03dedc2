"""The door to an engine: the few verbs that every Qdrant must offer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from trivet.store.payload_indexes import IndexKind
from trivet.store.points import FoundPoint, Point, PointVector
from trivet.types import Space, Vectors

if TYPE_CHECKING:
    from qdrant_client import models

# One operation of an engine: small enough for the write-ahead log and for short pauses.
WRITE_BATCH = 256


class Engine(Protocol):
    """A Qdrant that holds one index. Writes are serialised by the store; reads are thread-safe.

    Every verb raises `StoreError` when the engine fails.
    """

    @property
    def name(self) -> str:
        """Engine and version, for people."""

    @property
    def is_near(self) -> bool:
        """Whether it runs in this process, and scans payloads that have no index fast."""

    @property
    def adds_spaces(self) -> bool:
        """Whether a named vector can be added beside stored points."""

    def upsert(self, points: Sequence[Point]) -> None:
        """Write whole points; on return a reader sees them."""

    def delete(self, ids: Sequence[str]) -> None:
        """Delete points; ids that are not there are ignored."""

    def retrieve(
        self, ids: Sequence[str], *, fields: Sequence[str] | None = None
    ) -> dict[str, Mapping[str, Any]]:
        """Payloads (or the named fields of them) by point id; missing ids are left out."""

    def query(self, requests: Sequence[models.QueryRequest]) -> list[list[FoundPoint]]:
        """One request to the engine that answers all queries, each best first."""

    def count(self) -> int:
        """Points stored."""

    def pages(
        self, where: models.Filter | None = None, *, since: str | None = None
    ) -> Iterator[dict[str, Mapping[str, Any]]]:
        """Every point's payload by id, a page at a time; of those that match, if a filter is given.

        Points may be deleted while they are read.

        Args:
            where: the filter.
            since: the first point, in the engine's order, whether it is there or not; None = all.

        Raises:
            InvalidFilterError: a filter that an engine does not know.
        """

    def vector_names(self) -> set[str]:
        """The named vectors that it has, whether a point has a vector of them or not."""

    def add_space(self, space: Space) -> None:
        """Make a named vector for a space, empty on every point; nothing if it is there."""

    def set_vectors(self, vectors: Mapping[str, Mapping[str, PointVector]]) -> None:
        """Set named vectors of stored points: {point id: {vector name: vector}}."""

    def mark(self, ids: Sequence[str], names: Sequence[str]) -> None:
        """Note of stored points which of their named vectors were carried over."""

    def vectors(self, ids: Sequence[str], name: str) -> dict[str, Vectors]:
        """The dense vectors of a name, by point id; points without one are left out."""

    def drop_vectors(self, name: str) -> None:
        """Drop a named vector from every point; nothing if it is not there."""

    def create_index(self, path: str, kind: IndexKind) -> None:
        """Index a payload field, so that filters by it are fast; nothing if it is indexed."""

    def flush(self) -> None:
        """Return when everything written would survive a loss of power."""

    def size_bytes(self) -> int:
        """Bytes on disk; 0 for an engine in memory or on a server."""

    def close(self) -> None:
        """Release files and memory."""
