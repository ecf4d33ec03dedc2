"""Which stored nodes a call of LlamaIndex's means: by ids, by source documents, by metadata."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llama_index.core.vector_stores.types import MetadataFilters
from llama_index.vector_stores.trivet.filters import (
    DOCUMENT_PATH,
    SOURCE_PATH,
    among,
    to_qdrant,
)
from qdrant_client import models

from trivet import Document, Index
from trivet.errors import InvalidInputError
from trivet.store.filters import payload_path


def selection(
    index: Index,
    *,
    node_ids: Sequence[str] | None = None,
    source_ids: Sequence[str] | None = None,
    filters: MetadataFilters | None = None,
) -> models.Filter | None:
    """The filter for nodes that all of these select; None if there are none.

    Args:
        index: asked for the texts of a field, where a filter looks for a part of one.
        node_ids: ids of nodes; None or empty = any.
        source_ids: ids of the documents that they were cut from, or that they are; None = any.
        filters: by metadata; None = any.

    Raises:
        InvalidFilterError: a filter that cannot be understood.
    """
    conditions: list[models.Condition] = []
    if node_ids:
        conditions.append(among(DOCUMENT_PATH, node_ids))
    if source_ids:
        conditions.append(from_sources(source_ids))
    if filters is not None:
        conditions.append(to_qdrant(filters, lambda field: field_texts(index, field)))
    return models.Filter(must=conditions) if conditions else None


def from_sources(ids: Sequence[str]) -> models.Filter:
    """Nodes that were cut from these documents, and what is stored of these documents whole."""
    no_source = models.IsEmptyCondition(is_empty=models.PayloadField(key=SOURCE_PATH))
    itself = models.Filter(must=[among(DOCUMENT_PATH, ids), no_source])
    return models.Filter(should=[among(SOURCE_PATH, ids), itself])


def required_id(source: object) -> str:
    """The id of a document.

    Raises:
        InvalidInputError: it is no text.
    """
    if not isinstance(source, str):
        raise InvalidInputError(f"expected the id of a document, got {source!r}")
    return source


def field_texts(index: Index, field: str) -> list[str]:
    """The texts that a metadata field has, each once; the items of lists too."""
    absent = models.IsEmptyCondition(is_empty=models.PayloadField(key=payload_path(field)))
    found = index.documents(filter=models.Filter(must_not=[absent]))
    return list(dict.fromkeys(text for document in found for text in _texts(document, field)))


def _texts(document: Document, field: str) -> Iterator[str]:
    value: object = document.metadata
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    items: Iterable[object] = value if isinstance(value, list) else [value]
    return (item for item in items if isinstance(item, str))
