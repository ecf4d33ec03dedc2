"""Opening an index: a folder, a server, or memory."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from trivet.config import Lexical, ServerSettings, Settings
from trivet.embedding import Embedder
from trivet.errors import InvalidInputError
from trivet.index.index import Index
from trivet.index.keywords import checked_keywords
from trivet.index.shared import Shared
from trivet.index.wanted import Wanted, as_stored, served_as
from trivet.store import folder as folders
from trivet.store.generations import Generation
from trivet.store.indexing import index_fields
from trivet.store.manifest import holds_index
from trivet.store.payload_indexes import checked_indexes
from trivet.store.storage import checked_storage
from trivet.store.store import Store
from trivet.types import checked_modes

MEMORY = ":memory:"

HOST_AND_PORT = re.compile(r"[\w.-]+:\d{1,5}", re.ASCII)


@checked_keywords
def open(
    location: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | Embedder | None = None,
    modes: Sequence[str] | None = None,
    collection: str | None = None,
    settings: Settings | None = None,
    server: ServerSettings | None = None,
    indexes: Mapping[str, str] | None = None,
    lexical: Lexical | None = None,
    tenants: bool | None = None,
    storage: str | None = None,
) -> Index:
    """Open an index; one that is not there is made.

    No model is loaded before the first text is embedded.

    Args:
        location: a folder; the URL of a Qdrant server (`http(s)://host[:port]`); or ":memory:" for
            an index that is gone with the process.
        model: a name, a folder or an `Embedder`. None = as stored; for a new index,
            all-MiniLM-L6-v2.
        modes: the legs of a new index. Sparse is the model's own where it makes one, else BM25.
            None = as stored; for a new index, all three (dense, sparse and multi, token vectors in
            64 bytes each), and without multi where the model makes no token vectors.
        collection: on a server; None = "trivet". A folder holds one index and takes none.
        settings: None = as stored, with the defaults.
        server: how to reach a server; None = the defaults.
        indexes: metadata fields that filters should be fast by, each with its kind: keyword,
            integer, float, datetime, text, bool, or tenant (a keyword that most searches filter
            by). The missing ones are made, none is dropped.
        lexical: language and weighting of the BM25 leg of a new index. None = as stored; for a
            new index, the language of its first documents.
        tenants: whether every document of a new index belongs to a tenant (`Index.tenant`). None =
            as stored; for a new index, False.
        storage: how a new index keeps dense vectors. "full" = as they are; "int8" takes a quarter
            of the memory, "pq" a sixteenth, "binary" a thirty-second, and the originals choose
            among more candidates; "tiered" is "int8" with the originals left on the disk. In a
            folder all but "binary" begin with `optimize`, beyond 10 MB of vectors. None = as
            stored; for a new index, "full".

    Raises:
        NotAnIndexError: a file, or a folder or collection that holds other things.
        IndexLockedError: another process or `Index` holds the folder.
        IndexDamagedError: the index's files or collections are unreadable or contradict each other.
        ServerUnavailableError: no server answers there.
        ServerAccessError: the server wants a key, or another.
        ServerTooOldError: a Qdrant server before version 1.17.
        InsecureConnectionError: an API key would travel in the clear.
        SpaceMismatchError: the model's vectors, or the modes, are not those that are stored.
        SettingsMismatchError: settings, `lexical`, `tenants` or `storage` other than the index was
            made with.
        ModelNotFoundError, CheckpointError: the model cannot be found or read.
        InvalidInputError: an argument that cannot mean anything.
    """
    place = _checked_location(location, collection, server)
    chosen = settings if settings is not None else Settings()
    if not isinstance(chosen, Settings):
        raise InvalidInputError(f"expected trivet.Settings, got {type(chosen).__name__}")
    if lexical is not None and not isinstance(lexical, Lexical):
        raise InvalidInputError(f'expected lexical as in trivet.Lexical("de"), got {lexical!r}')
    if tenants is not None and not isinstance(tenants, bool):
        raise InvalidInputError(f"expected tenants to be True, False or None, got {tenants!r}")
    asked_modes = None if modes is None else checked_modes(modes)
    declared = checked_indexes({} if indexes is None else indexes)
    small = checked_storage(storage)
    wanted = Wanted(model, asked_modes, chosen, declared, lexical, tenants, small)
    if place == MEMORY:
        return _in_memory(wanted)
    if is_url(place):
        return _on_server(place, collection, server or ServerSettings(), wanted)
    return _in_folder(place, wanted)


def exists(location: str | os.PathLike[str]) -> bool:
    """Whether a folder holds an index."""
    return holds_index(Path(location).expanduser())


def _in_memory(wanted: Wanted) -> Index:
    embedder = wanted.embedder()
    store = folders.create_in_memory(wanted.manifest(embedder))
    return _index(wanted, MEMORY, store, lambda: embedder)


def _in_folder(place: str, wanted: Wanted) -> Index:
    # Absolute: the process may change its working folder while the index is open.
    path = Path(place).expanduser().absolute()
    folders.check_location(path)
    if holds_index(path):
        return _open_existing(str(path), lambda: folders.open_folder(path), wanted)
    embedder = wanted.embedder()
    store = folders.create_in_folder(path, wanted.manifest(embedder))
    return _index(wanted, str(path), store, lambda: embedder)


def _on_server(url: str, collection: str | None, server: ServerSettings, wanted: Wanted) -> Index:
    # The door to qdrant_client, which takes half a second to import.
    from trivet.store.connecting import ServerIndex

    place = ServerIndex(url, collection, server)
    try:
        if not place.exists():
            embedder = wanted.embedder()
            if place.create(wanted.manifest(embedder)):
                return _index(wanted, place.location, place.open(), lambda: embedder)
        return _open_existing(place.location, place.open, wanted)
    except BaseException:
        place.close()
        raise


def _open_existing(location: str, open_store: Callable[[], Store], wanted: Wanted) -> Index:
    store = open_store()
    try:
        manifest = store.manifest
        given = wanted.given(manifest)
        wanted.require_like(manifest, given)
        pinned = None if given is None else served_as(given, manifest)
    except BaseException:
        store.close()
        raise
    if given is not None:
        return _index(wanted, location, store, lambda: given, pinned)
    return _index(wanted, location, store, lambda: as_stored(manifest))


def _index(
    wanted: Wanted,
    location: str,
    store: Store,
    load_embedder: Callable[[], Embedder],
    pinned: Generation | None = None,
) -> Index:
    """The index of a store that was just opened; if it cannot be made, the store is closed."""
    try:
        index_fields(store, wanted.indexes)
    except BaseException:
        store.close()
        raise
    return Index(Shared(location, store, load_embedder, wanted.settings, pinned))


def is_url(place: str) -> bool:
    """Whether a location is on a server."""
    return place.lower().startswith(("http://", "https://"))


def _checked_location(
    location: str | os.PathLike[str], collection: str | None, server: ServerSettings | None
) -> str:
    try:
        place = os.fspath(location)
    except TypeError:
        place = None
    if not isinstance(place, str) or not place.strip() or "\x00" in place:
        raise InvalidInputError(f'expected a folder, a URL or ":memory:", got {location!r}')
    if server is not None and not isinstance(server, ServerSettings):
        raise InvalidInputError(f"expected trivet.ServerSettings, got {type(server).__name__}")
    if not is_url(place):
        if HOST_AND_PORT.fullmatch(place):
            raise InvalidInputError(
                f'expected a folder, a URL or ":memory:", got {place!r}: write '
                f"'http://{place}' for a server, './{place}' for a folder"
            )
        for name, given in (("collection", collection), ("server settings", server)):
            if given is not None:
                raise InvalidInputError(
                    f"expected no {name} for {place!r}, got {given!r}: only a server has them"
                )
    return place
