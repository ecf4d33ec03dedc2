"""The snapshot files that a server keeps of its collections, one by one."""

from __future__ import annotations

import logging
from collections.abc import Callable

from qdrant_client import QdrantClient, models

from trivet.errors import StoreError
from trivet.store.connection import Connection
from trivet.store.server_collection import ServerCollection

logger = logging.getLogger(__name__)

POLL_S = 0.2


class SnapshotFiles:
    """Makes, lists, reads and deletes them.

    Args:
        connection: to the server, with time for one file.
        timeout_s: how long the server may take to make one.
    """

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    def listed(self, collection: str) -> dict[str, models.SnapshotDescription] | None:
        """The files of a collection, by name; None if that is gone.

        Its files are there still, and can be restored, but no server lists or deletes them.
        """
        if not ServerCollection(self._connection, collection).exists():
            return None
        found = self._connection.call(
            f"list the snapshots of {collection!r}",
            lambda client: client.list_snapshots(collection),
        )
        return {file.name: file for file in found}

    def make(self, collection: str, renew: Callable[[], None]) -> models.SnapshotDescription:
        """Let the server make one, and wait for it.

        Args:
            collection: of which.
            renew: called now and then.

        Raises:
            StoreError: there is none after that time.
        """
        before = set(self.listed(collection) or ())

        def ask(client: QdrantClient) -> None:
            # Not twice where only the answer to the first request was lost.
            if not {file.name for file in client.list_snapshots(collection)} - before:
                client.create_snapshot(collection, wait=False)

        self._connection.call(f"make a snapshot of {collection!r}", ask)
        timing = self._connection.timing
        started_s = timing.monotonic()
        while True:
            files = (self.listed(collection) or {}).values()
            # The checksum comes last.
            new = [file for file in files if file.name not in before and file.checksum]
            if new:
                return max(new, key=lambda file: (file.creation_time or "", file.name))
            if timing.monotonic() - started_s > self._timeout_s:
                raise StoreError(
                    f"expected a snapshot of {collection!r} within {self._timeout_s:.0f} s, got "
                    "none: see the server's log and the room on its disk, or give it more timeout_s"
                )
            renew()
            timing.sleep(POLL_S)

    def recover(self, collection: str, source: str, file: str) -> None:
        """Make a collection of a file.

        Args:
            collection: to be made; one that is there gets the file's points, and keeps its name,
                configuration and metadata.
            source: the collection that the file was made of.
            file: its name.
        """
        described = (self.listed(source) or {}).get(file)
        location = f"{self._connection.settings.snapshots_url.rstrip('/')}/{source}/{file}"
        self._connection.call(
            f"restore {collection!r} from {location} (ServerSettings.snapshots_url says where it "
            "keeps snapshots)",
            lambda client: client.recover_snapshot(
                collection,
                location,
                checksum=None if described is None else described.checksum,
                priority=models.SnapshotPriority.SNAPSHOT,
            ),
        )

    def delete(self, collection: str, file: str) -> None:
        """Delete one, if it is there."""
        files = self.listed(collection)
        if files is None:
            logger.warning(
                "the snapshot %s stays on the server's disk: it deletes none of a collection that "
                "is gone (%r)",
                file, collection,
            )  # fmt: skip
        if not files or file not in files:
            return
        self._connection.call(
            f"delete the snapshot {file}",
            lambda client: client.delete_snapshot(collection, file),
        )
