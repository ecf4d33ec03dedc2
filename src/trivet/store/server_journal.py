"""The journal of an index on a server: a payload-only collection beside it, for many writers.

An open entry is a lock on its document: it is inserted only where none is, which is one step on
the server, and read back before anything else is written. Whoever finds one whose lease is over
makes it its own, again in one step, and finishes or takes back what it stands for.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from qdrant_client import models

from trivet.errors import StoreError
from trivet.store.journal import JournalEntry, JournalTotals, PendingEntry
from trivet.store.keys import shown
from trivet.store.server_collection import ServerCollection
from trivet.store.server_entries import (
    MAX_VALUES,
    busy_error,
    documents_of,
    entry_id,
    entry_of,
    fields_of,
    is_open,
    payload_of,
    pending_of,
    total_of,
)
from trivet.store.server_kept import Kept
from trivet.store.server_points import Payload, ServerPoints
from trivet.store.server_redo import Hold, Redo
from trivet.store.server_writer import LOCK_FIELDS, Writer

logger = logging.getLogger(__name__)

# A lease must outlast the longest call and leave time to renew it, which is done after a quarter.
LEASE_CALLS = 4
INSERT_ONLY = models.UpdateMode.INSERT_ONLY


class ServerJournal:
    """A journal in a collection of payloads. Many may read; one thread writes.

    Kinds of points: "document" is stored whole; "pending" is under way; "redo" is a piece of what
    finishes a replacement; "lock" keeps all other writers out; "kept" is kept by name. Ids are
    uuid5 of the index's namespace, so that each can be there only once.

    Args:
        collection: the journal's, which is there.
        namespace: of the index.
    """

    def __init__(self, collection: ServerCollection, namespace: uuid.UUID) -> None:
        connection = collection.connection
        # A condition and what depends on it are one step only on the replica that leads.
        self._points = ServerPoints(collection, models.WriteOrdering.STRONG)
        self._namespace = namespace
        lease_s = LEASE_CALLS * connection.patience_s
        self._writer = Writer(self._points, namespace, connection.timing, lease_s)
        self._kept = Kept(self._points, namespace)
        self._redo = Redo(self._points, self._writer, namespace)
        self._lock_id = self._id("lock", "")
        self._held: dict[str, Hold] = {}
        self._is_exclusive = False
        # Whether pieces of redo may be there that belong to no open entry.
        self._is_untidy = True

    def entries(self, ids: Sequence[str]) -> dict[str, JournalEntry]:
        """The documents among `ids` that are stored whole."""
        stored = self._points.retrieve([self._id("document", id) for id in ids])
        return {payload["document"]: entry_of(payload) for payload in stored.values()}

    def pages(self) -> Iterator[list[JournalEntry]]:
        """The documents that are stored whole, a page at a time."""
        for page in self._points.pages(documents_of(None)):
            yield [entry_of(payload) for payload in page.values()]

    def count(self, tenant: str | None = None) -> int:
        """Documents that are stored whole, of one tenant or of all."""
        return self._points.count(documents_of(tenant))

    def totals(self, tenant: str | None = None) -> JournalTotals:
        """What the documents come to: the server counts how often each length comes."""
        documents = self.count(tenant)
        # Unfiltered it is cheaper, and the same: no other kind of point has these fields.
        where = None if tenant is None else documents_of(tenant)
        chunks, terms = (
            total_of(self._points.values(field, MAX_VALUES, where), documents)
            for field in ("chunks", "terms")
        )
        return JournalTotals(documents, chunks, terms)

    def pending(self) -> list[PendingEntry]:
        """What is ours to finish or take back: our own, and what dead writers left."""
        pages = self._points.pages(self._writer.in_reach("pending"))
        found = {id: payload for page in pages for id, payload in page.items()}
        dead = [id for id, payload in found.items() if not self._writer.owns(payload)]
        if dead:
            self._writer.claim(dead)
            found = self._points.retrieve(list(found))
        mine = [payload for payload in found.values() if self._writer.owns(payload)]
        self._held = {p["document"]: Hold(p["token"], p["pieces"]) for p in mine}
        if dead:
            self._redo.claim(self._held)
        stored = self.entries(list(self._held))
        entries = [pending_of(payload) for payload in mine]
        still_open = [p for p in entries if is_open(p, stored.get(p.entry.id))]
        # The others were closed in all but name, or never got to write anything.
        self._remove([p.entry.id for p in entries if p not in still_open])
        if self._is_untidy:
            self._redo.sweep(list(self._held.values()))
            self._is_untidy = False
        return [
            replace(p, redo=self._redo.read(p.entry.id, self._held[p.entry.id])) for p in still_open
        ]

    def begin(self, entries: Sequence[PendingEntry]) -> None:
        """Open writes, all or none.

        Raises:
            DocumentBusyError: another writer holds one of the documents, or has changed it.
        """
        if not entries:
            return
        self._is_untidy = True
        token = uuid.uuid4().hex
        holds = self._redo.write(token, {p.entry.id: p.redo for p in entries})
        lock = self._writer.lock()
        opened = [
            self._point("pending", p.entry.id, {**lock, **payload_of(p, holds[p.entry.id])})
            for p in entries
        ]
        self._points.write(opened, INSERT_ONLY)
        ours, busy = self._contested(entries, token)
        if busy:
            redo = [point for id, hold in holds.items() for point in self._redo.ids(id, hold)]
            self._points.delete([*(self._id("pending", id) for id in ours), *redo])
            raise busy_error(busy)
        self._held.update(holds)
        self._is_untidy = False

    def commit(self, entries: Sequence[PendingEntry]) -> None:
        """Close writes that the engine holds whole."""
        self.renew()
        documents = [pending.entry.id for pending in entries]
        self._require_held(documents)
        written = [p.entry for p in entries if p.operation != "delete"]
        deleted = [p.entry.id for p in entries if p.operation == "delete"]
        self._points.write([self._point("document", e.id, fields_of(e)) for e in written])
        self._points.delete([self._id("document", id) for id in deleted])
        self._remove(documents)

    def abandon(self, entries: Sequence[PendingEntry]) -> None:
        """Close writes that were taken back."""
        self._remove([p.entry.id for p in entries if p.entry.id in self._held])

    def renew(self) -> None:
        """Keep what is ours for another lease, if a quarter of this one is over.

        Raises:
            StoreError: another writer has taken it over meanwhile.
        """
        if not (self._held or self._is_exclusive) or not self._writer.renew():
            return
        self._require_held(list(self._held))
        if self._is_exclusive and self._points.count(self._writer.owned([self._lock_id])) == 0:
            raise StoreError(
                "expected to be the only writer, got another that took over, since this one said "
                f"nothing for {self._writer.lease_s:.0f} s: do the same again"
            )

    def wait(self, ids: Iterable[str]) -> None:
        """Return when no other writer holds any of the documents, or all of them."""
        points = [self._lock_id, *(self._id("pending", id) for id in ids)]
        self._writer.wait(2 * self._writer.lease_s, lambda: self._in_the_way(points))

    @contextmanager
    def exclusive(self, patience_s: float) -> Iterator[None]:
        """Keep every other writer out, after those at work have finished or died.

        The lock is set before the others' open entries are looked for, and these are opened before
        the lock is looked for: one of two writers always sees the other.

        Raises:
            DocumentBusyError: others were at work for too long.
        """
        self._writer.wait(patience_s, self._lock)
        self._is_exclusive = True
        try:
            self._writer.wait(patience_s, self._others_at_work)
            yield
        finally:
            self._is_exclusive = False
            try:
                self._points.delete_where(self._writer.owned([self._lock_id]))
            except StoreError as error:
                logger.warning("a lock stays until its lease is over: %s", error)

    def kept(self, name: str) -> bytes | None:
        """What was kept under a name; None if nothing was."""
        return self._kept.read(name)

    def keep(self, name: str, content: bytes) -> bytes:
        """Keep bytes under a name until it is forgotten; returns those that were first."""
        return self._kept.write(name, content)

    def forget(self, prefixes: Sequence[str], but: Collection[str]) -> None:
        """Drop what is kept under names that begin with one of these, but for some names."""
        self._kept.forget(prefixes, but)

    def recount(self, terms: Mapping[str, int]) -> None:
        """Change the lengths of documents, by id, while every other writer is kept out."""
        recounted = [replace(e, terms=terms[e.id]) for e in self.entries(list(terms)).values()]
        self._points.write([self._point("document", e.id, fields_of(e)) for e in recounted])

    def size_bytes(self) -> int:
        """0: a server does not say what a collection occupies."""
        return 0

    def close(self) -> None:
        """Nothing to release: the connection is another's."""

    def _id(self, kind: str, key: str) -> str:
        return entry_id(self._namespace, kind, key)

    def _point(self, kind: str, key: str, fields: Mapping[str, Any]) -> models.PointStruct:
        payload = {"kind": kind, **fields}
        return models.PointStruct(id=self._id(kind, key), vector={}, payload=payload)

    def _contested(
        self, entries: Sequence[PendingEntry], token: str
    ) -> tuple[list[str], dict[str, Payload]]:
        """The documents that this token opened; those that we may not write, and what is there."""
        ids = {p.entry.id: self._id("pending", p.entry.id) for p in entries}
        found = self._points.retrieve([*ids.values(), self._lock_id], fields=LOCK_FIELDS)
        stored = self.entries(list(ids))
        lock = found.get(self._lock_id, {})
        ours = [id for id, point in ids.items() if found.get(point, {}).get("token") == token]
        busy: dict[str, Payload] = {id: found.get(ids[id], {}) for id in ids if id not in ours}
        for pending in entries:
            if self._writer.is_kept_out_by(lock):
                busy[pending.entry.id] = lock
            elif not is_open(pending, stored.get(pending.entry.id)):
                busy.setdefault(pending.entry.id, {})
        return ours, busy

    def _require_held(self, documents: Sequence[str]) -> None:
        """Refuse to go on where another writer has taken over.

        Raises:
            StoreError: it has.
        """
        ids = {self._id("pending", document): document for document in documents}
        found = self._points.retrieve(list(ids), fields=LOCK_FIELDS)
        for id, document in ids.items():
            payload, hold = found.get(id, {}), self._held.get(document)
            if hold is None or not self._writer.owns(payload) or payload["token"] != hold.token:
                raise StoreError(
                    f"document {shown(document)} was taken over by another writer: this one said "
                    f"nothing for {self._writer.lease_s:.0f} s: do the same again"
                )

    def _remove(self, documents: Sequence[str]) -> None:
        """Close what is open for documents, with its redo."""
        redo = [id for d in documents for id in self._redo.ids(d, self._held[d])]
        self._points.delete([*(self._id("pending", document) for document in documents), *redo])
        for document in documents:
            del self._held[document]

    def _in_the_way(self, points: Sequence[str]) -> list[Payload]:
        found = self._points.retrieve(points, fields=LOCK_FIELDS).values()
        return [payload for payload in found if self._writer.is_kept_out_by(payload)]

    def _lock(self) -> list[Payload]:
        """Try to keep all others out; who does so instead."""
        self._points.write([self._point("lock", "", self._writer.lock())], INSERT_ONLY)
        self._writer.claim([self._lock_id])
        return self._in_the_way([self._lock_id])

    def _others_at_work(self) -> list[Payload]:
        """The others' open entries, as long as their leases last."""
        self.renew()
        pages = self._points.pages(self._writer.out_of_reach("pending"))
        return [payload for page in pages for payload in page.values()]
