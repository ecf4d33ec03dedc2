"""A journal's entries as payloads of points, and back."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from qdrant_client import models

from trivet.errors import DocumentBusyError
from trivet.store.client_models import field_schema
from trivet.store.journal import JournalEntry, PendingEntry
from trivet.store.keys import shown, tenant_of
from trivet.store.server_points import Payload, ServerPoints
from trivet.store.server_redo import Hold
from trivet.store.server_writer import holders, is_value

# Of the journal's collection.
INDEXES: Mapping[str, models.PayloadFieldSchema] = {
    "kind": models.PayloadSchemaType.KEYWORD,
    "index": models.PayloadSchemaType.KEYWORD,
    "writer": models.PayloadSchemaType.KEYWORD,
    "token": models.PayloadSchemaType.KEYWORD,
    "expires": models.PayloadSchemaType.FLOAT,
    "chunks": models.PayloadSchemaType.INTEGER,
    "terms": models.PayloadSchemaType.INTEGER,
    "tenant": field_schema("tenant"),
}
# Documents come in few different lengths; beyond so many, the rarest count as the average.
MAX_VALUES = 100_000


def fields_of(entry: JournalEntry) -> dict[str, Any]:
    """A document's payload; `chunks` and `terms` are there on no other kind of point."""
    fields = {name: value for name, value in vars(entry).items() if name != "id"}
    tenant = tenant_of(entry.id)
    return {"document": entry.id, **fields, **({} if tenant is None else {"tenant": tenant})}


def entry_id(namespace: uuid.UUID, kind: str, key: str) -> str:
    """The id of a journal's point; each can be there only once."""
    return str(uuid.uuid5(namespace, f"journal\x1f{kind}\x1f{key}"))


def is_journal_of(points: ServerPoints, namespace: uuid.UUID) -> bool:
    """Whether a journal is empty or that of this index, by its first page: ids tell the index."""
    for id, payload in next(iter(points.pages(None)), {}).items():
        kind, document = payload.get("kind"), payload.get("document")
        if kind in ("document", "pending"):
            if id != entry_id(namespace, kind, str(document)):
                return False
        elif kind not in ("redo", "lock", "kept"):
            return False
    return True


def entry_of(payload: Payload) -> JournalEntry:
    """A document, of its payload."""
    return JournalEntry(
        id=payload["document"],
        digest=payload["digest"],
        chunks=payload["chunks"],
        revision=payload["revision"],
        terms=payload["terms"],
    )


def payload_of(pending: PendingEntry, hold: Hold) -> dict[str, Any]:
    """An open entry's payload; the document is nested, since it does not count yet."""
    return {
        "document": pending.entry.id,
        "entry": fields_of(pending.entry),
        "operation": pending.operation,
        "previous_chunks": pending.previous_chunks,
        "token": hold.token,
        "pieces": hold.pieces,
    }


def pending_of(payload: Payload) -> PendingEntry:
    """An open entry, without its redo."""
    return PendingEntry(
        entry_of(payload["entry"]), payload["operation"], payload["previous_chunks"], None
    )


def is_open(pending: PendingEntry, stored: JournalEntry | None) -> bool:
    """Whether the document is still as it was when the write was planned.

    If it is not, a replacement or an insert was closed in all but name, or another writer was
    faster before this one had the lock; a deletion likewise.
    """
    if pending.operation == "delete":
        return stored == pending.entry
    if pending.operation == "insert" or stored is None:
        return stored is None and pending.operation == "insert"
    before = (pending.entry.revision - 1, pending.previous_chunks)
    return (stored.revision, stored.chunks) == before


def busy_error(busy: Mapping[str, Payload]) -> DocumentBusyError:
    """What to raise where other writers are at work on documents, by what is there."""
    names = [shown(key) for key in sorted(busy)]
    first = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return DocumentBusyError(
        f"expected to write {first} alone, got it {holders(list(busy.values()))}: do the same "
        "again",
        busy,
    )


def documents_of(tenant: str | None) -> models.Filter:
    """The documents that are stored whole, of one tenant or of all."""
    owned = [] if tenant is None else [is_value("tenant", tenant)]
    return models.Filter(must=[is_value("kind", "document"), *owned])


def total_of(values: Mapping[int, int], documents: int) -> int:
    """The sum of a number over all documents.

    Args:
        values: its most frequent values, each with its count.
        documents: how many there are.
    """
    counted, total = sum(values.values()), sum(value * n for value, n in values.items())
    return total if len(values) < MAX_VALUES else round(total * documents / counted)
