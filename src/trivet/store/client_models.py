"""Spaces, points and payload indexes in the terms of `qdrant_client.models`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from qdrant_client import models

from trivet.errors import StoreError
from trivet.store.payload_indexes import IndexKind
from trivet.store.points import FoundPoint, Point, PointVector
from trivet.store.storage import Storage, client_quantization, originals_on_disk
from trivet.types import Space, SparseVector, Vectors

MAX_SIM = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
# Token vectors only rescore candidates that other legs found: a graph over them is of no use.
NO_GRAPH = models.HnswConfigDiff(m=0)

_FIELD_SCHEMAS: Mapping[IndexKind, models.PayloadFieldSchema] = {
    "keyword": models.PayloadSchemaType.KEYWORD,
    "integer": models.PayloadSchemaType.INTEGER,
    "float": models.PayloadSchemaType.FLOAT,
    "datetime": models.PayloadSchemaType.DATETIME,
    "text": models.PayloadSchemaType.TEXT,
    "bool": models.PayloadSchemaType.BOOL,
    "tenant": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
}


def vectors_config(
    spaces: Iterable[Space], storage: Storage = "full"
) -> dict[str, models.VectorParams]:
    """The dense and the token vectors of a collection."""
    return {s.vector_name: _vector_params(s, storage) for s in spaces if s.mode != "sparse"}


def sparse_vectors_config(spaces: Iterable[Space]) -> dict[str, models.SparseVectorParams]:
    """The sparse vectors of a collection; Qdrant weighs those of BM25 by their IDF."""
    return {
        s.vector_name: models.SparseVectorParams(modifier=_modifier(s))
        for s in spaces
        if s.mode == "sparse"
    }


def vector_name_config(
    space: Space,
) -> models.DenseVectorNameConfig | models.SparseVectorNameConfig:
    """A vector name that is added to a collection that is there."""
    if space.mode == "sparse":
        return models.SparseVectorNameConfig(
            sparse=models.SparseVectorConfig(modifier=_modifier(space))
        )
    params = _vector_params(space)
    return models.DenseVectorNameConfig(
        dense=models.DenseVectorConfig(
            size=params.size,
            distance=params.distance,
            multivector_config=params.multivector_config,
            datatype=models.VectorStorageDatatype.UINT8 if params.datatype else None,
        )
    )


def field_schema(kind: IndexKind) -> models.PayloadFieldSchema:
    """The index of a payload field."""
    return _FIELD_SCHEMAS[kind]


def point_struct(point: Point) -> models.PointStruct:
    """A point to be written; not validated, since every point was checked."""
    return models.PointStruct.model_construct(
        id=point.id, vector=named_vectors(point.vectors), payload=dict(point.payload)
    )


def named_vectors(vectors: Mapping[str, PointVector]) -> dict[str, Any]:
    """Vectors by name, as lists."""
    return {
        name: models.SparseVector(indices=v.indices.tolist(), values=v.values.tolist())
        if isinstance(v, SparseVector)
        else v.tolist()
        for name, v in vectors.items()
    }


def found_point(point: models.ScoredPoint) -> FoundPoint:
    """A point that a search found."""
    vectors = point.vector if isinstance(point.vector, dict) else {}
    return FoundPoint(str(point.id), point.score, point.payload or {}, vectors)


def _vector_params(space: Space, storage: Storage = "full") -> models.VectorParams:
    if space.mode == "multi":
        return models.VectorParams(
            size=_dims(space),
            # Their products are what they were made for: Cosine would scale bytes anew.
            distance=models.Distance.DOT,
            multivector_config=MAX_SIM,
            hnsw_config=NO_GRAPH,
            datatype=models.Datatype.UINT8 if space.facts.get("datatype") == "uint8" else None,
        )
    return models.VectorParams(
        size=_dims(space),
        distance=models.Distance.COSINE,
        on_disk=originals_on_disk(storage),
        quantization_config=client_quantization(storage),
    )


def _modifier(space: Space) -> models.Modifier | None:
    """BM25 leaves the rarity of words to the engine; a model's weights hold it already."""
    return models.Modifier.IDF if space.is_lexical else None


def _dims(space: Space) -> int:
    if space.dims is None:
        raise StoreError(f"expected a space with dims, got {space!r}")
    return space.dims


def dense_vectors(records: Iterable[models.Record], name: str) -> dict[str, Vectors]:
    """The dense vectors of a name ("" is the unnamed one), by point id, of points that have one."""
    every = {str(record.id): record.vector for record in records}
    named = {id: held if isinstance(held, dict) else {"": held} for id, held in every.items()}
    return {
        id: np.array(held[name], dtype=np.float32)
        for id, held in named.items()
        if held.get(name) is not None
    }
