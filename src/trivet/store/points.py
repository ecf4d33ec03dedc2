"""Points: what is written to an engine, and the checks that every point passes before it is."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from trivet.errors import InvalidDocumentError, SpaceMismatchError, StoreError
from trivet.store.keys import document_key
from trivet.types import Hit, Mode, Representations, Space, SparseVector, Vectors

PAYLOAD_TEXT = "page_content"
PAYLOAD_METADATA = "metadata"
PAYLOAD_OWN = "_trivet"
PAYLOAD_CHECK = "check"
TENANT_PATH = f"{PAYLOAD_OWN}.tenant"
PAYLOAD_CARRIED = "carried"

# A float as JSON writes it. Edge gives one in five back with another last digit.
_FLOAT = re.compile(r"-?\d+(?:\.\d+(?:e[+-]?\d+)?|e[+-]?\d+)")

PointVector: TypeAlias = Vectors | SparseVector


@dataclass(frozen=True)
class Chunk:
    """A piece of a document: what is embedded, stored and found.

    Attributes:
        document: the caller's document id.
        sequence: position among the document's chunks, from 0.
        text: exactly the document's text from `span[0]` to `span[1]`.
        span: character offsets in the document's text.
        title: the document's title.
        metadata: the document's metadata (JSON values).
        digest: SHA-256 (hex) of the document's content and metadata.
        revision: counts the times the document was written, from 1.
        chunks: how many chunks the document has.
        tenant: whose document it is; None in an index without tenants.
        carried: names of its vectors that were carried over from another model's, or left out, for
            want of their own, and that nothing else tells.
    """

    document: str
    sequence: int
    text: str
    span: tuple[int, int]
    title: str
    metadata: Mapping[str, Any]
    digest: str
    revision: int
    chunks: int
    tenant: str | None = None
    carried: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What the journal knows its document by."""
        return document_key(self.tenant, self.document)

    @property
    def id(self) -> str:
        """How a chunk is named to the user."""
        return f"{self.document}#{self.sequence}"

    def payload(self) -> dict[str, Any]:
        """The payload as stored; `page_content` and `metadata` are what other readers expect."""
        own = {
            "id": self.id,
            "document": self.document,
            "sequence": self.sequence,
            "span": list(self.span),
            "title": self.title,
            "hash": self.digest,
            "revision": self.revision,
            "chunks": self.chunks,
            PAYLOAD_CHECK: self.checksum(),
        }
        if self.tenant is not None:
            own["tenant"] = self.tenant
        if self.carried:
            own[PAYLOAD_CARRIED] = list(self.carried)
        return {
            PAYLOAD_TEXT: self.text,
            PAYLOAD_METADATA: dict(self.metadata),
            PAYLOAD_OWN: own,
        }

    def checksum(self) -> str:
        """16 hex digits of the SHA-256 of everything that is stored of it; floats to 6 digits."""
        facts = [self.id, self.text, self.span, self.title, self.digest, self.revision, self.chunks]
        if self.tenant is not None:
            facts.append(self.tenant)
        metadata = json.dumps(dict(self.metadata), sort_keys=True)
        rounded = _FLOAT.sub(lambda found: f"{float(found[0]):.6g}", metadata)
        return hashlib.sha256((json.dumps(facts) + rounded).encode()).hexdigest()[:16]

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Chunk:
        """Read a stored payload."""
        own = payload[PAYLOAD_OWN]
        start, end = own["span"]
        return cls(
            document=own["document"],
            sequence=own["sequence"],
            # Somebody may keep texts elsewhere, and have taken them out.
            text=payload.get(PAYLOAD_TEXT) or "",
            span=(start, end),
            title=own["title"],
            metadata=payload[PAYLOAD_METADATA],
            digest=own["hash"],
            revision=own["revision"],
            chunks=own["chunks"],
            tenant=own.get("tenant"),
            carried=tuple(own.get(PAYLOAD_CARRIED) or ()),
        )

    def hit(self, score: float, scores: dict[Mode, float], *, as_chunk: bool) -> Hit:
        """This chunk as a result: of its document, or (`as_chunk`) of itself."""
        return Hit(
            id=self.id if as_chunk else self.document,
            score=score,
            text=self.text,
            metadata=dict(self.metadata),
            scores=scores,
            span=self.span,
            tenant=self.tenant,
            document=self.document,
        )


@dataclass(frozen=True)
class Point:
    """A point as every engine takes it: a UUID, named vectors, a JSON payload."""

    id: str
    vectors: Mapping[str, PointVector]
    payload: Mapping[str, Any]

    @property
    def names(self) -> set[str]:
        """Of its vectors, and of those that it is marked to lack for want of a model."""
        return {*self.vectors, *self.payload[PAYLOAD_OWN].get(PAYLOAD_CARRIED, ())}


@dataclass(frozen=True)
class FoundPoint:
    """A point as a search returns it.

    Attributes:
        id: of the point.
        score: of the search.
        payload: as far as it was asked for.
        vectors: by name, those that were asked for.
    """

    id: str
    score: float
    payload: Mapping[str, Any]
    vectors: Mapping[str, Any] = field(default_factory=dict)


def place(payload: Mapping[str, Any]) -> tuple[str, str, int]:
    """Where a point stands among others of one score: by document, then by place in it."""
    own = payload[PAYLOAD_OWN]
    return own["document"], own.get("tenant") or "", own["sequence"]


def point_id(namespace: uuid.UUID, key: str, sequence: int) -> str:
    r"""The id of a chunk's point: uuid5 of tenant, document id (its key) and sequence.

    `\x1f` (unit separator) joins the parts.
    """
    return str(uuid.uuid5(namespace, f"\x1f{key}\x1f{sequence}"))


def point_ids(namespace: uuid.UUID, key: str, sequences: Iterable[int]) -> list[str]:
    """The ids of several chunks of one document."""
    return [point_id(namespace, key, sequence) for sequence in sequences]


def make_point(
    namespace: uuid.UUID,
    chunk: Chunk,
    representations: Representations,
    row: int = 0,
    beside: Representations | None = None,
) -> Point:
    """The point of a chunk: one row of `representations`, and of those of another model beside."""
    legs = [*representations.legs.values(), *(() if beside is None else beside.legs.values())]
    return Point(
        id=point_id(namespace, chunk.key, chunk.sequence),
        vectors={leg.space.vector_name: leg[row] for leg in legs},
        payload=chunk.payload(),
    )


def check_points(points: Sequence[Point], spaces: Mapping[str, Space]) -> None:
    """Refuse a whole batch if one point of it could harm the engine or would never be found.

    Engines accept NaN, unsorted or doubled sparse indices and half a batch; we do not.

    Args:
        points: the batch.
        spaces: the index's spaces by vector name.

    Raises:
        InvalidDocumentError: a vector that is not finite, zero, or malformed; names the document.
        SpaceMismatchError: a vector name that the index does not hold, or one that is missing.
        StoreError: two points of the batch share an id.
    """
    if len({point.id for point in points}) != len(points):
        raise StoreError(f"expected distinct points in a batch of {len(points)}, got doubled ids")
    for point in points:
        name = point.payload[PAYLOAD_OWN]["id"]
        if point.names != set(spaces):
            raise SpaceMismatchError(
                f"chunk {name!r}: expected vectors {sorted(spaces)}, got {sorted(point.vectors)}"
            )
        for vector_name, vector in point.vectors.items():
            problem = _vector_problem(vector, spaces[vector_name])
            if problem:
                raise InvalidDocumentError(f"chunk {name!r}, vector {vector_name}: {problem}")


def _vector_problem(vector: PointVector, space: Space) -> str | None:
    if space.mode == "sparse":
        if not isinstance(vector, SparseVector):
            return f"expected a SparseVector, got {type(vector).__name__}"
        return _sparse_problem(vector)
    if type(vector) is not np.ndarray:
        return f"expected a plain numpy array, got {type(vector).__name__}"
    if space.mode == "multi":
        return _tokens_problem(vector, space)
    if vector.dtype != np.float32 or vector.shape != (space.dims,):
        return f"expected float32 of {space.dims} dims, got {vector.dtype} {vector.shape}"
    # One pass: a NaN or an infinity anywhere makes the sum of squares not finite.
    norm = float(np.dot(vector.astype(np.float64), vector))
    if not np.isfinite(norm):
        return "expected finite numbers, got NaN, an infinity or numbers beyond float32"
    if norm == 0.0:
        return "expected a vector with a length, got all zeros: it has no direction to compare"
    return None


def _tokens_problem(vectors: Vectors, space: Space) -> str | None:
    shape = vectors.shape
    if vectors.dtype != np.float32 or len(shape) != 2 or shape[1] != space.dims or not shape[0]:
        return (
            f"expected float32 of one token or more and {space.dims} dims, got {vectors.dtype} "
            f"{shape}"
        )
    if not np.all(np.isfinite(vectors)):
        return "expected finite numbers, got NaN or an infinity"
    is_bytes = space.facts.get("datatype") == "uint8"
    if is_bytes and not np.array_equal(vectors, np.clip(np.rint(vectors), 0, 255)):
        return "expected whole numbers from 0 to 255, got others"
    return None


def _sparse_problem(vector: SparseVector) -> str | None:
    indices, values = vector.indices, vector.values
    if type(indices) is not np.ndarray or type(values) is not np.ndarray:
        return f"expected plain numpy arrays, got {type(indices).__name__}, {type(values).__name__}"
    if values.dtype != np.float32:
        return f"expected float32 weights, got {values.dtype}"
    if indices.ndim != 1 or indices.shape != values.shape:
        return f"expected as many indices as values, got {indices.shape} and {values.shape}"
    if indices.dtype != np.uint32 or bool(np.any(indices[1:] <= indices[:-1])):
        return f"expected strictly ascending uint32 indices, got {indices[:8]!r}"
    if not bool(np.all(np.isfinite(values))):
        return "expected finite weights, got NaN or an infinity"
    return None
