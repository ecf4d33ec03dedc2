"""Opening an index: a folder, a server, or memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from trivet.config import Lexical, ServerSettings, Settings
from trivet.embedding import Embedder
from trivet.embedding.checkpoint import load_checkpoint
from trivet.embedding.compact import compact_space
from trivet.embedding.locate import DEFAULT_MODEL, locate
from trivet.embedding.options import LoadOptions
from trivet.embedding.reloading import reload
from trivet.errors import (
    InvalidInputError,
    SettingsMismatchError,
    SpaceMismatchError,
)
from trivet.index import lexicon
from trivet.index.index import Index
from trivet.index.keywords import checked_keywords
from trivet.index.model import matching
from trivet.index.tokens import is_compact
from trivet.store import folder as folders
from trivet.store.indexing import index_fields
from trivet.store.manifest import Manifest, holds_index
from trivet.store.payload_indexes import IndexKind, checked_indexes
from trivet.store.store import Store
from trivet.types import Mode, Space, checked_modes

MEMORY = ":memory:"
DEFAULT_MODES: tuple[Mode, ...] = ("dense", "sparse")


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
) -> Index:
    """Open an index; one that is not there is made.

    No model is loaded before the first text is embedded.

    Args:
        location: a folder; the URL of a Qdrant server (`http(s)://host[:port]`); or ":memory:" for
            an index that is gone with the process.
        model: a name, a folder or an `Embedder`. None = as stored; for a new index,
            all-MiniLM-L6-v2.
        modes: the legs of a new index. Sparse is the model's own where it makes one, else BM25.
            None = as stored; for a new index, dense and sparse.
        collection: on a server; None = "trivet". A folder holds one index and takes none.
        settings: None = as stored, with the defaults.
        server: how to reach a server; None = the defaults.
        indexes: metadata fields that filters should be fast by, each with its kind: keyword,
            integer, float, datetime, text, bool, or tenant (a keyword that most searches filter
            by). The missing ones are made, none is dropped.
        lexical: language and weighting of the BM25 leg of a new index. None = as stored; for a
            new index, the language of its first documents.

    Raises:
        NotAnIndexError: a file, or a folder or collection that holds other things.
        IndexLockedError: another process or `Index` holds the folder.
        IndexDamagedError: the index's files or collections are unreadable or contradict each other.
        ServerUnavailableError: no server answers there.
        ServerTooOldError: a Qdrant server before version 1.17.
        InsecureConnectionError: an API key would travel in the clear.
        SpaceMismatchError: the model's vectors, or the modes, are not those that are stored.
        SettingsMismatchError: other settings, or another `lexical`, than the index was made with.
        ModelNotFoundError, CheckpointError: the model cannot be found or read.
        InvalidInputError: an argument that cannot mean anything.
    """
    place = _checked_location(location, collection, server)
    chosen = settings if settings is not None else Settings()
    if not isinstance(chosen, Settings):
        raise InvalidInputError(f"expected trivet.Settings, got {type(chosen).__name__}")
    if lexical is not None and not isinstance(lexical, Lexical):
        raise InvalidInputError(f"expected trivet.Lexical, got {type(lexical).__name__}")
    asked_modes = None if modes is None else checked_modes(modes)
    declared = checked_indexes({} if indexes is None else indexes)
    wanted = _Wanted(model, asked_modes, chosen, declared, lexical)
    if place == MEMORY:
        return _in_memory(wanted)
    if is_url(place):
        return _on_server(place, collection, server or ServerSettings(), wanted)
    return _in_folder(place, wanted)


def exists(location: str | os.PathLike[str]) -> bool:
    """Whether a folder holds an index."""
    return holds_index(Path(location).expanduser())


@dataclass(frozen=True)
class _Wanted:
    """What an index is opened with, checked; None = as stored."""

    model: str | os.PathLike[str] | Embedder | None
    modes: tuple[Mode, ...] | None
    settings: Settings
    indexes: Mapping[str, IndexKind]
    lexical: Lexical | None

    def embedder(self) -> Embedder:
        """The model of a new index."""
        return _embedder(DEFAULT_MODEL if self.model is None else self.model)

    def given(self, stored: Manifest) -> Embedder | None:
        """The model to open an index with; None = as stored."""
        return None if self.model is None else _embedder(self.model, stored)

    def index(self, location: str, store: Store, load_embedder: Callable[[], Embedder]) -> Index:
        """The index of a store that was just opened; if it cannot be made, the store is closed."""
        try:
            index_fields(store, self.indexes)
        except BaseException:
            store.close()
            raise
        return Index(location, store, load_embedder, self.settings)


def _in_memory(wanted: _Wanted) -> Index:
    embedder = wanted.embedder()
    store = folders.create_in_memory(_manifest(embedder, wanted))
    return wanted.index(MEMORY, store, lambda: embedder)


def _in_folder(place: str, wanted: _Wanted) -> Index:
    # Absolute: the process may change its working folder while the index is open.
    path = Path(place).expanduser().absolute()
    folders.check_location(path)
    if holds_index(path):
        return _open_existing(str(path), lambda: folders.open_folder(path), wanted)
    embedder = wanted.embedder()
    store = folders.create_in_folder(path, _manifest(embedder, wanted))
    return wanted.index(str(path), store, lambda: embedder)


def _on_server(url: str, collection: str | None, server: ServerSettings, wanted: _Wanted) -> Index:
    # The door to qdrant_client, which takes half a second to import.
    from trivet.store.connecting import ServerIndex

    place = ServerIndex(url, collection, server)
    try:
        if not place.exists():
            embedder = wanted.embedder()
            if place.create(_manifest(embedder, wanted)):
                return wanted.index(place.location, place.open(), lambda: embedder)
        return _open_existing(place.location, place.open, wanted)
    except BaseException:
        place.close()
        raise


def _open_existing(location: str, open_store: Callable[[], Store], wanted: _Wanted) -> Index:
    store = open_store()
    try:
        manifest = store.manifest
        given = wanted.given(manifest)
        _require_as_stored(manifest, given, wanted.modes, wanted.settings)
        if wanted.lexical is not None:
            _require_lexical(manifest, wanted.lexical)
    except BaseException:
        store.close()
        raise
    if given is not None:
        return wanted.index(location, store, lambda: given)
    return wanted.index(location, store, lambda: _as_stored(manifest))


def _require_as_stored(
    manifest: Manifest,
    embedder: Embedder | None,
    modes: tuple[Mode, ...] | None,
    settings: Settings,
) -> None:
    if embedder is not None:
        matching(embedder, manifest)
    if modes is not None and modes != tuple(manifest.spaces):
        raise SpaceMismatchError(
            f"the index was made with modes {', '.join(manifest.spaces)}, got "
            f"{', '.join(modes)}: leave modes out to open it as it is, and name the legs to "
            "search in search(modes=)"
        )
    if settings.chunk_tokens not in (None, manifest.chunk_tokens):
        raise SettingsMismatchError(
            f"the index was made with chunk_tokens={manifest.chunk_tokens}, got "
            f"{settings.chunk_tokens}: leave it out, or index the documents anew elsewhere"
        )
    if settings.tokens is not None and "multi" in manifest.spaces:
        made_with = "compact" if is_compact(manifest.spaces["multi"]) else "full"
        if settings.tokens != made_with:
            raise SettingsMismatchError(
                f"the index was made with tokens={made_with!r}, got {settings.tokens!r}: leave it "
                "out, or index the documents anew elsewhere"
            )


def _require_lexical(manifest: Manifest, asked: Lexical) -> None:
    if manifest.lexical is None:
        raise _no_bm25(manifest.spaces)
    stored, came = asdict(manifest.lexical.lexical), asdict(asked)
    differing = [name for name in stored if stored[name] != came[name]]
    if differing:
        made, wanted = (
            ", ".join(f"{name}={choices[name]!r}" for name in differing)
            for choices in (stored, came)
        )
        raise SettingsMismatchError(
            f"the BM25 leg of the index was made with {made} and is in "
            f"{manifest.lexical.language!r}, got {wanted}: leave lexical out, or index the "
            "documents anew elsewhere"
        )


def _no_bm25(modes: Iterable[Mode]) -> InvalidInputError:
    return InvalidInputError(
        f"expected no lexical for an index with modes {', '.join(modes)}, got one: it is for "
        'BM25, which is the mode "sparse" of a model that has none of its own'
    )


def _manifest(embedder: Embedder, wanted: _Wanted) -> Manifest:
    """The manifest of a new index."""
    chosen = DEFAULT_MODES if wanted.modes is None else wanted.modes
    chunk_tokens = wanted.settings.chunk_tokens or embedder.max_tokens
    if chunk_tokens > embedder.max_tokens:
        raise InvalidInputError(
            f"expected chunk_tokens of at most {embedder.max_tokens}, which is what "
            f"{embedder.name!r} reads, got {chunk_tokens}"
        )
    state = None
    spaces: dict[Mode, Space] = dict(embedder.spaces)
    if "sparse" in chosen and "sparse" not in spaces:
        state = lexicon.initial_state(wanted.lexical or Lexical())
        spaces["sparse"] = lexicon.bm25_for(state).space
    elif wanted.lexical is not None:
        raise _no_bm25(chosen)
    if "multi" in chosen:
        embedder.only(["multi"])  # which it must make
        if wanted.settings.tokens != "full":
            spaces["multi"] = compact_space(spaces["multi"])
    if "dense" in chosen:
        embedder.only(["dense"])
    spaces = {mode: spaces[mode] for mode in chosen}
    recipe = embedder.recipe
    return folders.new_manifest(embedder.source, recipe, spaces, chunk_tokens, state)


def _embedder(
    model: str | os.PathLike[str] | Embedder, manifest: Manifest | None = None
) -> Embedder:
    """The model of an index.

    By its name or folder alone, the model of an index is loaded as the index was made with it.
    """
    if isinstance(model, Embedder):
        return model
    if manifest is not None and locate(model).source == manifest.model:
        return load_checkpoint(model, LoadOptions.from_recipe(manifest.recipe))
    return Embedder.load(model)


def _as_stored(manifest: Manifest) -> Embedder:
    """The model of an index."""
    return reload(manifest.model, manifest.recipe, manifest.model_modes or None)


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
        for name, given in (("collection", collection), ("server settings", server)):
            if given is not None:
                raise InvalidInputError(
                    f"expected no {name} for {place!r}, got {given!r}: only a server has them"
                )
    return place
