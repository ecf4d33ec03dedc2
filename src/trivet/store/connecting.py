"""An index on a server: made and opened, by one machine or by several at once."""

from __future__ import annotations

import logging
import re

from trivet.config import ServerSettings
from trivet.errors import (
    DocumentBusyError,
    IndexDamagedError,
    InvalidInputError,
    NotAnIndexError,
)
from trivet.store.aliases import followed
from trivet.store.client_models import field_schema
from trivet.store.connection import connect
from trivet.store.manifest import Manifest
from trivet.store.retrying import Timing
from trivet.store.server import OWN_INDEXES, ServerEngine
from trivet.store.server_collection import ServerCollection
from trivet.store.server_entries import INDEXES
from trivet.store.server_journal import ServerJournal
from trivet.store.store import Store
from trivet.store.upgrading import settle

logger = logging.getLogger(__name__)

DEFAULT_COLLECTION = "trivet"
JOURNAL_SUFFIX = "__journal"
# What Qdrant allows, less what a URL or a shell would trip over.
COLLECTION_NAME = re.compile(r"[^\s<>:\"/\\|?*\x00-\x1f]{1,200}")


class ServerIndex:
    """The place of an index on a server, whether it is there or not.

    Args:
        url: of the server.
        collection: of the index; its journal is in another beside it.
        settings: how to reach the server, and how it keeps a new index.
        timing: where time and chance come from.

    Raises:
        InvalidInputError: a URL or a name that cannot be one.
        InsecureConnectionError: an API key would travel in the clear.
        ServerUnavailableError, ServerAccessError, ServerTooOldError: see `connect`.
    """

    def __init__(
        self,
        url: str,
        collection: str | None,
        settings: ServerSettings,
        timing: Timing | None = None,
    ) -> None:
        name = checked_collection(collection)
        self._connection = connect(url, settings, Timing() if timing is None else timing)
        self._points = ServerCollection(self._connection, name)
        self._journal = ServerCollection(self._connection, name + JOURNAL_SUFFIX)
        self.location = f"{url.rstrip('/')}/collections/{name}"

    def exists(self) -> bool:
        """Whether the index is there.

        Raises:
            NotAnIndexError: a collection that something else has made is there.
        """
        if not self._points.exists():
            return False
        if self._points.read_manifest() is None:
            raise NotAnIndexError(
                f"expected an index of Trivet in the collection {self._points.name!r}, got one "
                "that something else has made: give another collection= (in a shell "
                "URL/collections/NAME), adopt it (trivet.adopt), or copy it to an index (`trivet "
                f"upgrade take-over {self.location} --model MODEL --index URL/collections/NAME`)"
            )
        return True

    def create(self, manifest: Manifest) -> bool:
        """Make the index; whether it was made here, and not by another machine meanwhile.

        The journal is made before the collection that carries the manifest: what a crash leaves
        half made is made again.

        Raises:
            IndexDamagedError: a journal with documents is there, and no collection.
        """
        self._journal.create([], shards=1)
        self._journal.create_indexes(INDEXES)
        if not self._points.exists() and ServerJournal(self._journal, manifest.namespace).count():
            raise IndexDamagedError(
                f"expected {self._journal.name!r} to be empty, got a journal with documents and no "
                f"collection {self._points.name!r}: restore that one from a snapshot, or delete "
                "the journal, or give another collection="
            )
        self._points.create(
            list(manifest.spaces.values()),
            shards=self._connection.settings.shards,
            manifest=manifest.to_json(),
            storage=manifest.storage,
        )
        return self._read_manifest().namespace == manifest.namespace

    def open(self) -> Store:
        """Open the index, and finish or take back what dead writers left open.

        Raises:
            IndexDamagedError: its parts are unreadable or contradict each other.
        """
        if not self._journal.exists():
            self._follow_alias()
        manifest = self._read_manifest()
        if not self._journal.exists():
            raise IndexDamagedError(
                f"expected the collection {self._journal.name!r} beside {self._points.name!r}, "
                "found none: restore both from snapshots, or delete the latter and index the "
                "documents anew"
            )
        self._require_vectors(manifest)
        self._journal.create_indexes(INDEXES)
        declared = {path: field_schema(k) for path, k in manifest.payload_indexes.items()}
        self._points.create_indexes({**OWN_INDEXES, **declared})
        store = Store(
            ServerEngine(self._points),
            ServerJournal(self._journal, manifest.namespace),
            manifest,
            save_manifest=lambda changed: self._points.write_manifest(changed.to_json()),
            load_manifest=self._read_manifest,
            release=self.close,
        )
        store.recover()
        if manifest.scratch is not None:
            _drop_scratch(store)
        return store

    def _follow_alias(self) -> None:
        """Go on with the collection that the name leads to, whose journal has its name."""
        name = followed(self._connection, self._points.name)
        self._points = ServerCollection(self._connection, name)
        self._journal = ServerCollection(self._connection, name + JOURNAL_SUFFIX)

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._connection.close()

    def _read_manifest(self) -> Manifest:
        stored = self._points.read_manifest()
        try:
            if not isinstance(stored, dict):
                raise TypeError(f"expected an object, got {type(stored).__name__}")
            return Manifest.from_json(stored)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IndexDamagedError(
                f"cannot use the manifest in the metadata of {self._points.name!r}: {error!r}; "
                "restore it from a snapshot, or open the index with the version of Trivet that "
                "wrote it"
            ) from error

    def _require_vectors(self, manifest: Manifest) -> None:
        own = {space.vector_name for space in manifest.spaces.values()}
        missing = sorted(own - self._points.vector_names())
        if missing:
            raise IndexDamagedError(
                f"expected the vector {missing[0]} in the collection {self._points.name!r}, found "
                "none: restore it from a snapshot, or delete it and index the documents anew"
            )


def checked_collection(collection: object) -> str:
    """The name of a collection; of None, the name where none is given.

    Raises:
        InvalidInputError: it cannot be one.
    """
    name = DEFAULT_COLLECTION if collection is None else collection
    if not isinstance(name, str) or not COLLECTION_NAME.fullmatch(name):
        raise InvalidInputError(
            "expected a collection's name of up to 200 letters, digits and such, without spaces or "
            f"slashes, got {name!r}"
        )
    return name


def _drop_scratch(store: Store) -> None:
    """Drop what a dead writer left of a weighting, unless one that is alive is at it."""
    try:
        with store.journal.exclusive(0.0):
            store.refresh()
            store.drop_scratch()
            settle(store)
    except DocumentBusyError as error:
        logger.info("a vector is left to the writer that makes it: %s", error)
