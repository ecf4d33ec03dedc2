"""Snapshots of an index on a server: taken, listed, restored and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trivet.config import ServerSettings
from trivet.errors import InvalidInputError
from trivet.index.arguments import checked_timeout
from trivet.index.keywords import checked_keywords
from trivet.reports import Snapshot

if TYPE_CHECKING:
    from trivet.store.snapshots import ServerSnapshots

# Of one file; a server copies some hundred megabytes a second.
TIMEOUT_S = 600.0


class Snapshots:
    """The snapshots that a Qdrant server keeps of one index.

    What `Index.backup` is to a folder. The data stay on the server, which makes a file of each of
    the index's two collections while no writer is at work.

    Args:
        url: of the server (`http(s)://host[:port]`).
        collection: of the index; None = "trivet".
        server: how to reach the server; None = the defaults.
        timeout_s: how long the server may take for one file.

    Raises:
        InvalidInputError: no URL of a server, or a timeout that is no number above 0.
    """

    @checked_keywords
    def __init__(
        self,
        url: str,
        *,
        collection: str | None = None,
        server: ServerSettings | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        if not isinstance(url, str) or not url.lower().startswith(("http://", "https://")):
            raise InvalidInputError(
                f"expected the URL of a server, got {url!r}: an index in a folder has "
                "Index.backup and trivet.restore"
            )
        self._url = url
        self._collection = collection
        self._server = ServerSettings() if server is None else server
        if not isinstance(self._server, ServerSettings):
            raise InvalidInputError(f"expected trivet.ServerSettings, got {type(server).__name__}")
        self._timeout_s = checked_timeout(timeout_s) or TIMEOUT_S

    def take(self) -> Snapshot:
        """Make a snapshot of the index as it is at one moment; writers wait, searches go on.

        Raises:
            NotAnIndexError: there is no index.
            IndexDamagedError: its journal and its points disagree; nothing was made.
            InvalidInputError: the index is spread over several nodes of a cluster.
            ServerUnavailableError: no server answers.
            StoreError: the server did not make it; nothing of it counts.
        """
        with self._opened() as snapshots:
            return snapshots.take()

    def all(self) -> list[Snapshot]:
        """The snapshots that are whole, oldest first.

        Raises:
            ServerUnavailableError: no server answers.
        """
        with self._opened() as snapshots:
            return snapshots.all()

    @checked_keywords
    def restore(self, id: str, *, into: str | None = None) -> None:
        """Make an index of a snapshot.

        Args:
            id: of the snapshot.
            into: name of a collection that is not there; None = that of the index, which must be
                gone.

        Raises:
            InvalidInputError: no name of a collection.
            NotAnIndexError: no such snapshot.
            StoreError: the collection is there, or the server cannot read the snapshot's files:
                see `ServerSettings.snapshots_url`.
        """
        with self._opened() as snapshots:
            snapshots.restore(id, into)

    @checked_keywords
    def delete(self, id: str) -> None:
        """Delete a snapshot.

        Args:
            id: of the snapshot.

        Raises:
            NotAnIndexError: no such snapshot.
            StoreError: the server did not delete it.
        """
        with self._opened() as snapshots:
            snapshots.delete(id)

    def __repr__(self) -> str:
        return f"Snapshots({self._url!r}, collection={self._collection!r})"

    def _opened(self) -> ServerSnapshots:
        # The door to qdrant_client.
        from trivet.store.snapshots import ServerSnapshots

        return ServerSnapshots(self._url, self._collection, self._server, self._timeout_s)
