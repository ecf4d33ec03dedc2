"""Snapshots of an index on a server: both of its collections, as they are at one moment.

A snapshot is two files that the server keeps, and a record that names both, in a third collection
(`<collection>__snapshots`): it is written last, so what a crash leaves half made is no snapshot.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import Any

from qdrant_client import models

from trivet.config import ServerSettings
from trivet.errors import IndexDamagedError, InvalidInputError, NotAnIndexError, StoreError
from trivet.reports import Snapshot
from trivet.store.connecting import JOURNAL_SUFFIX, ServerIndex, checked_collection
from trivet.store.connection import Connection, connect
from trivet.store.retrying import Timing
from trivet.store.server_collection import ServerCollection
from trivet.store.server_entries import is_journal_of
from trivet.store.server_points import Payload, ServerPoints
from trivet.store.server_writer import is_value
from trivet.store.snapshot_files import SnapshotFiles
from trivet.store.store import PATIENCE_S, Store

logger = logging.getLogger(__name__)

RECORDS_SUFFIX = "__snapshots"


class ServerSnapshots:
    """The snapshots of one index on a server; a context manager.

    Args:
        url: of the server.
        collection: of the index.
        settings: how to reach the server, and where it keeps snapshots.
        timeout_s: how long the server may take for one file.
        timing: where time and chance come from.

    Raises:
        InvalidInputError, InsecureConnectionError, ServerUnavailableError, ServerTooOldError: as
            `ServerIndex`.
    """

    def __init__(
        self,
        url: str,
        collection: str | None,
        settings: ServerSettings,
        timeout_s: float,
        timing: Timing | None = None,
    ) -> None:
        self._timing = Timing() if timing is None else timing
        self._url = url
        self._name = checked_collection(collection)
        self._settings = settings
        patient = settings.model_copy(update={"timeout_s": max(settings.timeout_s, timeout_s)})
        self._connection: Connection = connect(url, patient, self._timing)
        self._files = SnapshotFiles(self._connection, timeout_s)
        self._records = ServerCollection(self._connection, self._name + RECORDS_SUFFIX)

    def take(self) -> Snapshot:
        """Make a snapshot; other writers wait, searches go on.

        Raises:
            NotAnIndexError: there is no index.
            IndexDamagedError: journal and points disagree: run `verify`.
            StoreError: the server did not make both files; what it made is deleted.
        """
        with closing(ServerIndex(self._url, self._name, self._settings, self._timing)) as place:
            if not place.exists():
                raise NotAnIndexError(f"expected an index at {place.location}, got none")
            self._require_one_node()
            store = place.open()
            with store.writing, store.journal.exclusive(PATIENCE_S):
                store.recover()
                store.refresh()
                snapshot = self._made(store)
            manifest = store.manifest.to_json()
        self._records.create([], shards=1)
        content = {"snapshot": asdict(snapshot), "manifest": manifest}
        with self._deleted_on_error(snapshot):
            self._stored().write([models.PointStruct(id=snapshot.id, vector={}, payload=content)])
        return snapshot

    def all(self) -> list[Snapshot]:
        """The snapshots whose files are both there, oldest first.

        Of a collection that is gone, a server does not say which files it has: they are taken to
        be there.
        """
        if not self._records.exists():
            return []
        points = self._files.listed(self._name)
        journals = self._files.listed(self._name + JOURNAL_SUFFIX)
        kept = [_read(payload)[0] for page in self._stored().pages() for payload in page.values()]
        whole = [
            one
            for one in kept
            if (points is None or one.points in points)
            and (journals is None or one.journal in journals)
        ]
        return sorted(whole, key=lambda one: (one.created, one.id))

    def delete(self, id: str) -> None:
        """Delete a snapshot; what is gone already does not matter.

        Raises:
            NotAnIndexError: no such snapshot.
        """
        snapshot, _ = self._found(id)
        self._delete_files(snapshot)
        self._stored().delete([id])

    def restore(self, id: str, into: str | None) -> None:
        """Make an index of a snapshot.

        The journal comes first: without the collection beside it nothing can be opened, and what
        a crash leaves half made is made by the same call again.

        Args:
            id: of the snapshot.
            into: name of a collection that is not there; None = the snapshot's own.

        Raises:
            InvalidInputError: no name of a collection.
            NotAnIndexError: no such snapshot.
            StoreError: the collection is there, or the journal of another index beside its place,
                or the server cannot read the files.
        """
        snapshot, manifest = self._found(id)
        name = self._name if into is None else checked_collection(into)
        points = ServerCollection(self._connection, name)
        if points.exists():
            raise StoreError(
                f"cannot restore a snapshot to the collection {name!r}: expected none of that "
                "name; delete it first, or restore into= another one"
            )
        journal = ServerCollection(self._connection, name + JOURNAL_SUFFIX)
        _require_ours(journal, uuid.UUID(manifest["namespace"]))
        self._files.recover(journal.name, self._name + JOURNAL_SUFFIX, snapshot.journal)
        stored = ServerPoints(journal, models.WriteOrdering.STRONG)
        # Of the writer that made the snapshot, and kept all others out.
        stored.delete_where(models.Filter(must=[is_value("kind", "lock")]))
        is_document = models.Filter(must=[is_value("kind", "document")])
        _require_count(journal, stored.count(is_document), snapshot.documents)
        try:
            self._files.recover(name, self._name, snapshot.points)
            counted = ServerPoints(points, models.WriteOrdering.MEDIUM).count()
            _require_count(points, counted, snapshot.chunks)
            if points.read_manifest() != manifest:
                points.write_manifest(manifest)
        except BaseException:
            with _warning("a collection that was restored in part stays"):
                self._connection.call(
                    f"delete {name!r}", lambda client: client.delete_collection(name)
                )
            raise

    def __enter__(self) -> ServerSnapshots:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _made(self, store: Store) -> Snapshot:
        """Both files, of an index that nobody else writes to."""
        totals, points = store.journal.totals(), store.engine.count()
        if points != totals.chunks:
            raise IndexDamagedError(
                f"expected {totals.chunks} chunks as journalled in {self._name!r}, got {points}: "
                "nothing was made of it; see `Index.verify`"
            )
        snapshot = Snapshot(
            id=str(uuid.uuid4()),
            created=datetime.fromtimestamp(self._timing.wall(), timezone.utc).isoformat(),
            documents=totals.documents,
            chunks=totals.chunks,
            size_bytes=0,
            points="",
            journal="",
        )
        with self._deleted_on_error(snapshot) as made:
            for kind, name in (("points", self._name), ("journal", self._name + JOURNAL_SUFFIX)):
                file = self._files.make(name, store.journal.renew)
                size_bytes = made[-1].size_bytes + file.size
                grown = replace(made[-1], size_bytes=size_bytes)
                made.append(
                    replace(grown, points=file.name)
                    if kind == "points"
                    else replace(grown, journal=file.name)
                )
            # If another writer took over meanwhile, the two may be of different moments.
            store.journal.renew()
        return made[-1]

    def _delete_files(self, snapshot: Snapshot) -> None:
        named = ((self._name, snapshot.points), (self._name + JOURNAL_SUFFIX, snapshot.journal))
        for name, file in named:
            if file:
                self._files.delete(name, file)

    @contextmanager
    def _deleted_on_error(self, snapshot: Snapshot) -> Iterator[list[Snapshot]]:
        """What is there so far, last; its files are deleted if the body fails."""
        made = [snapshot]
        try:
            yield made
        except BaseException:
            with _warning("half a snapshot stays on the server"):
                self._delete_files(made[-1])
            raise

    def _found(self, id: str) -> tuple[Snapshot, dict[str, Any]]:
        found = self._stored().retrieve([id]) if self._records.exists() and _is_uuid(id) else {}
        if id not in found:
            raise NotAnIndexError(
                f"expected the id of a snapshot of {self._name!r}, got {id!r}: list them first"
            )
        return _read(found[id])

    def _stored(self) -> ServerPoints:
        return ServerPoints(self._records, models.WriteOrdering.STRONG)

    def _require_one_node(self) -> None:
        """A node makes snapshots of its own shards only."""
        info = self._connection.call(
            f"say where {self._name!r} is",
            lambda client: client.collection_cluster_info(self._name),
        )
        others = {shard.peer_id for shard in info.remote_shards}
        if others:
            raise InvalidInputError(
                f"expected the collection {self._name!r} on one node, got parts of it on "
                f"{len(others)} others: make snapshots of a cluster node by node, with Qdrant's "
                "own tools, while nobody writes"
            )


def _require_ours(journal: ServerCollection, namespace: uuid.UUID) -> None:
    """Refuse to overwrite the journal of another index, which may have lost its points alone."""
    if not journal.exists():
        return
    if not is_journal_of(ServerPoints(journal, models.WriteOrdering.STRONG), namespace):
        raise StoreError(
            f"cannot restore a snapshot beside the collection {journal.name!r}: expected none of "
            "that name, an empty one or this index's own journal, got what another index has "
            "written; delete it first if nothing of it is wanted, or restore into= another one"
        )


def _require_count(collection: ServerCollection, came: int, expected: int) -> None:
    if came != expected:
        raise StoreError(
            f"expected {expected} entries in {collection.name!r} after it was restored, got "
            f"{came}: restore another snapshot"
        )


def _read(payload: Payload) -> tuple[Snapshot, dict[str, Any]]:
    return Snapshot(**payload["snapshot"]), payload["manifest"]


def _is_uuid(id: str) -> bool:
    try:
        return str(uuid.UUID(id)) == id
    except (ValueError, AttributeError, TypeError):
        return False


@contextmanager
def _warning(what: str) -> Iterator[None]:
    """Say what stays behind where tidying up fails too; the first error is the one to raise."""
    try:
        yield
    except StoreError as error:
        logger.warning("%s: %s", what, error)
