"""LangChain's documents ↔ Trivet's; neither is ever changed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

from langchain_core.documents import Document

import trivet
from trivet.errors import InvalidDocumentError, InvalidInputError

# The namespace of ids made from content: uuid5(DNS, "trivet.langchain"), written out.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "trivet.langchain")


def with_ids(documents: Sequence[Document], ids: Sequence[str | None] | None) -> list[str]:
    """The id of each document: the one given for it, its own, or one made from its content.

    Args:
        documents: n documents.
        ids: n ids, None for a document's own; None for all of them.

    Raises:
        InvalidInputError: fewer or more ids than documents.
        InvalidDocumentError: metadata that cannot be stored.
    """
    given = [None] * len(documents) if ids is None else list(ids)
    if len(given) != len(documents):
        raise InvalidInputError(
            f"expected as many ids as documents ({len(documents)}), got {len(given)}"
        )
    pairs = zip(documents, given, strict=True)
    return [
        id if id is not None else document.id or _content_id(document) for document, id in pairs
    ]


def to_trivet(documents: Sequence[Document], ids: Sequence[str]) -> list[trivet.Document]:
    """The documents, each with its id; what is the same document twice is there once."""
    texts: dict[str, trivet.Document] = {}
    every = []
    for document, id in zip(documents, ids, strict=True):
        made = trivet.Document(document.page_content, id, metadata=document.metadata)
        if document.id is None and texts.get(id) == made:
            continue
        texts[id] = made
        every.append(made)
    return every


def from_trivet(document: trivet.Document) -> Document:
    """A stored document."""
    return Document(id=document.id, page_content=document.text, metadata=dict(document.metadata))


def passage(hit: trivet.Hit) -> Document:
    """What was found of a document."""
    return Document(id=hit.id, page_content=hit.text, metadata=dict(hit.metadata))


def _content_id(document: Document) -> str:
    # Metadata too: the same sentence of two sources is two documents.
    try:
        content = json.dumps(
            [document.page_content, document.metadata], sort_keys=True, default=repr
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidDocumentError(
            f"expected metadata of JSON values with texts as keys, got {error}: convert them"
        ) from error
    return str(uuid.uuid5(_NAMESPACE, content))
