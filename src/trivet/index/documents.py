"""What a caller hands in, made into documents that are known to be storable."""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from trivet.errors import InvalidDocumentError, InvalidInputError
from trivet.query import text_problem
from trivet.reports import FailedDocument
from trivet.store.keys import document_key
from trivet.store.points import Chunk
from trivet.types import Document

# The namespace of ids made from content: uuid5(DNS, "trivet.content"), written out.
CONTENT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "trivet.content")
# Deeper nesting is a mistake, and would exhaust the stack of a JSON reader.
MAX_METADATA_DEPTH = 64
INT64_LIMIT = 2**63

Texts: TypeAlias = Iterable[str | Document]


@dataclass(frozen=True)
class CheckedDocument:
    """A document whose every field may be stored.

    Attributes:
        id: the caller's id, or a uuid5 of title and text.
        text: as it came.
        title: as it came.
        metadata: as it came; JSON values only.
        digest: SHA-256 (hex) over title, text and metadata.
        position: in the call, from 0.
        tenant: whose document it is; None in an index without tenants.
    """

    id: str
    text: str
    title: str
    metadata: Mapping[str, Any]
    digest: str
    position: int
    tenant: str | None = None

    @cached_property
    def key(self) -> str:
        """What the journal knows it by."""
        return document_key(self.tenant, self.id)


Incoming: TypeAlias = CheckedDocument | FailedDocument


def checked_documents(
    texts: Texts,
    ids: Sequence[str] | None,
    metadatas: Sequence[Mapping[str, Any]] | None,
    tenant: str | None = None,
) -> Iterator[Incoming]:
    """Check a call now, and its documents one by one as they are asked for.

    Args:
        texts: texts or `Document`s; a generator is streamed unless `ids` or `metadatas` are given.
        ids: one id for each, in place of the documents' own.
        metadatas: one mapping for each, in place of the documents' own.
        tenant: whose documents they are; None in an index without tenants.

    Raises:
        InvalidInputError: the call as a whole is wrong (before the first document is read).
    """
    texts = checked_texts(texts)
    if ids is not None or metadatas is not None:
        texts = list(texts)
        for name, given in (("ids", ids), ("metadatas", metadatas)):
            if given is None:
                continue
            if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Sequence):
                raise InvalidInputError(
                    f"expected {name} to be a list with one entry for each text, "
                    f"got {type(given).__name__}"
                )
            if len(given) != len(texts):
                raise InvalidInputError(
                    f"expected as many {name} as texts ({len(texts)}), got {len(given)}"
                )
    if isinstance(texts, Sequence):
        _refuse_doubled_ids(texts, ids)
    return (
        _checked(_with_fields(text, i, ids, metadatas), i, tenant) for i, text in enumerate(texts)
    )


def checked_copies(documents: Sequence[Document]) -> Iterator[Incoming]:
    """Check documents that are copied with their vectors, of which some may have no text ("")."""
    return (_checked(document, i, None, may_lack_text=True) for i, document in enumerate(documents))


def checked_texts(texts: Texts) -> Texts:
    """What may hold texts.

    Raises:
        InvalidInputError: one text, or nothing that can be iterated over.
    """
    if isinstance(texts, (str, bytes, Document, Mapping)) or not isinstance(texts, Iterable):
        raise InvalidInputError(
            f"expected a list (or another iterable) of texts or Documents, got one "
            f"{type(texts).__name__}: put it in a list"
        )
    return texts


def known_length(texts: Texts) -> int | None:
    """How many texts there are; None where only reading them tells."""
    return len(texts) if isinstance(texts, Sized) else None


def put_together(chunks: Sequence[Chunk]) -> Document:
    """A stored document, out of all its chunks."""
    return Document(
        text="".join(chunk.text for chunk in chunks),
        id=chunks[0].document,
        title=chunks[0].title,
        metadata=dict(chunks[0].metadata),
    )


def _refuse_doubled_ids(texts: Sequence[str | Document], ids: Sequence[str] | None) -> None:
    given: Sequence[str | None] = (
        [t.id for t in texts if isinstance(t, Document)] if ids is None else ids
    )
    seen: dict[str, int] = {}
    for position, id in enumerate(given):
        if isinstance(id, str) and seen.setdefault(id, position) != position:
            raise InvalidInputError(
                f"expected distinct ids in one call, got {id!r} at positions {seen[id]} and "
                f"{position}: nothing was written"
            )


def _with_fields(
    text: str | Document,
    position: int,
    ids: Sequence[str] | None,
    metadatas: Sequence[Mapping[str, Any]] | None,
) -> Document:
    document = text if isinstance(text, Document) else Document(text)
    id = document.id if ids is None else ids[position]
    metadata = document.metadata if metadatas is None else metadatas[position]
    return Document(document.text, id, document.title, {} if metadata is None else metadata)


def _checked(
    document: Document, position: int, tenant: str | None, *, may_lack_text: bool = False
) -> Incoming:
    lacks_text = may_lack_text and document.text == ""
    problem = _document_problem(document, lacks_text=lacks_text)
    if problem:
        id = document.id if isinstance(document.id, str) else None
        named = f"document {id!r}" if id is not None else f"document at position {position}"
        return FailedDocument(id, position, InvalidDocumentError(f"{named}: {problem}"))
    id = document.id
    if id is None:
        id = str(uuid.uuid5(CONTENT_NAMESPACE, f"{document.title}\x1f{document.text}"))
    content = {"title": document.title, "text": document.text, "metadata": document.metadata}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=dict)
    digest = hashlib.sha256(text.encode()).hexdigest()
    # A copy: the caller may change the mapping for the next document of a generator.
    metadata = json.loads(json.dumps(document.metadata, default=dict))
    return CheckedDocument(id, document.text, document.title, metadata, digest, position, tenant)


def _document_problem(document: Document, *, lacks_text: bool) -> str | None:
    problem = text_problem(document.text)
    if problem and not lacks_text:
        return f"expected a text, {problem}"
    if document.id is not None:
        problem = text_problem(document.id)
        if problem:
            return f"expected the id to be a text, {problem}"
    if document.title != "":
        problem = text_problem(document.title)
        if problem:
            return f'expected the title to be a text or "", {problem}'
    if not isinstance(document.metadata, Mapping):
        return f"expected metadata to be a mapping, got {type(document.metadata).__name__}"
    return _json_problem(document.metadata, "metadata", 0)


def _json_problem(value: object, path: str, depth: int) -> str | None:
    """Why a value would not come back equal from JSON, or None."""
    if depth > MAX_METADATA_DEPTH:
        return f"expected {path} to be nested at most {MAX_METADATA_DEPTH} levels deep, got more"
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"expected str keys in {path}, got {key!r} ({type(key).__name__})"
            problem = _string_problem(key, f"a key of {path}") or _json_problem(
                item, f"{path}.{key}", depth + 1
            )
            if problem:
                return problem
        return None
    if isinstance(value, list):
        problems = (_json_problem(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value))
        return next((problem for problem in problems if problem), None)
    return _scalar_problem(value, path)


def _scalar_problem(value: object, path: str) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return _string_problem(value, path)
    if isinstance(value, int):
        inside = -INT64_LIMIT <= value < INT64_LIMIT
        return None if inside else f"expected {path} within 64 bits, got {value}"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"expected {path} to be finite, got {value}"
    return (
        f"expected JSON values (str, int, float, bool, None, list, dict) in {path}, got "
        f"{type(value).__name__}: convert it, for example with str() or list()"
    )


def _string_problem(text: str, path: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"expected Unicode in {path}, got a lone surrogate in {text[:40]!r}"
    return None
