"""Opening an index: a folder, or memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from trivet.config import Lexical, Settings
from trivet.embedding import Embedder
from trivet.embedding.checkpoint import load_checkpoint
from trivet.embedding.locate import DEFAULT_MODEL, locate
from trivet.embedding.options import LoadOptions
from trivet.errors import (
    InvalidInputError,
    SettingsMismatchError,
    SpaceMismatchError,
    UnknownModeError,
)
from trivet.index import lexicon
from trivet.index.index import Index
from trivet.index.keywords import checked_keywords
from trivet.store import folder as folders
from trivet.store.manifest import Manifest, holds_index, read_manifest
from trivet.types import Mode, Space, checked_modes, require_same_space

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
    lexical: Lexical | None = None,
) -> Index:
    """Open an index; one that is not there is made.

    No model is loaded before the first text is embedded.

    Args:
        location: a folder, or ":memory:" for an index that is gone with the process.
        model: a name, a folder or an `Embedder`. None = as stored; for a new index,
            all-MiniLM-L6-v2.
        modes: the legs of a new index, out of dense and sparse (BM25). None = as stored; for a
            new index, both.
        collection: for a server; a folder holds one index and takes none.
        settings: None = as stored, with the defaults.
        lexical: language and weighting of the BM25 leg of a new index. None = as stored; for a
            new index, the language of its first documents.

    Raises:
        NotAnIndexError: a file, or a folder that holds other things.
        IndexLockedError: another process or `Index` holds the folder.
        IndexDamagedError: the folder's files are unreadable or contradict each other.
        SpaceMismatchError: the model's vectors, or the modes, are not those that are stored.
        SettingsMismatchError: other settings, or another `lexical`, than the index was made with.
        ModelNotFoundError, CheckpointError: the model cannot be found or read.
        InvalidInputError: an argument that cannot mean anything.
    """
    place = _checked_location(location, collection)
    chosen = settings if settings is not None else Settings()
    if not isinstance(chosen, Settings):
        raise InvalidInputError(f"expected trivet.Settings, got {type(chosen).__name__}")
    if lexical is not None and not isinstance(lexical, Lexical):
        raise InvalidInputError(f"expected trivet.Lexical, got {type(lexical).__name__}")
    asked_modes = None if modes is None else _checked_modes(modes)
    if place == MEMORY:
        embedder = _embedder(DEFAULT_MODEL if model is None else model)
        store = folders.create_in_memory(_manifest(embedder, asked_modes, chosen, lexical))
        return Index(MEMORY, store, lambda: embedder, chosen)
    # Absolute: the process may change its working folder while the index is open.
    path = Path(place).expanduser().absolute()
    folders.check_location(path)
    if not holds_index(path):
        embedder = _embedder(DEFAULT_MODEL if model is None else model)
        store = folders.create_in_folder(path, _manifest(embedder, asked_modes, chosen, lexical))
        return Index(str(path), store, lambda: embedder, chosen)
    return _open_existing(path, model, asked_modes, chosen, lexical)


def exists(location: str | os.PathLike[str]) -> bool:
    """Whether a folder holds an index."""
    return holds_index(Path(location).expanduser())


def _open_existing(
    path: Path,
    model: str | os.PathLike[str] | Embedder | None,
    modes: tuple[Mode, ...] | None,
    settings: Settings,
    lexical: Lexical | None,
) -> Index:
    # The model is read before the folder is locked: reading it can fail.
    given = None if model is None else _embedder(model, read_manifest(path))
    store = folders.open_folder(path)
    try:
        manifest = store.manifest
        _require_as_stored(manifest, given, modes, settings)
        if lexical is not None:
            _require_lexical(manifest, lexical)
    except BaseException:
        store.close()
        raise
    if given is not None:
        return Index(str(path), store, lambda: given, settings)
    return Index(str(path), store, lambda: _as_stored(manifest), settings)


def _require_as_stored(
    manifest: Manifest,
    embedder: Embedder | None,
    modes: tuple[Mode, ...] | None,
    settings: Settings,
) -> None:
    if embedder is not None and "dense" in manifest.spaces:
        require_same_space(manifest.spaces["dense"], embedder.spaces["dense"])
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
        'the BM25 leg, which is the mode "sparse"'
    )


def _manifest(
    embedder: Embedder,
    modes: tuple[Mode, ...] | None,
    settings: Settings,
    lexical: Lexical | None,
) -> Manifest:
    """The manifest of a new index."""
    chosen = DEFAULT_MODES if modes is None else modes
    chunk_tokens = settings.chunk_tokens or embedder.max_tokens
    if chunk_tokens > embedder.max_tokens:
        raise InvalidInputError(
            f"expected chunk_tokens of at most {embedder.max_tokens}, which is what "
            f"{embedder.name!r} reads, got {chunk_tokens}"
        )
    if lexical is not None and "sparse" not in chosen:
        raise _no_bm25(chosen)
    spaces: dict[Mode, Space] = {}
    state = None
    if "dense" in chosen:
        spaces["dense"] = embedder.spaces["dense"]
    if "sparse" in chosen:
        state = lexicon.initial_state(lexical or Lexical())
        spaces["sparse"] = lexicon.bm25_for(state).space
    recipe = embedder.recipe
    return folders.new_manifest(embedder.source, recipe, spaces, chunk_tokens, state)


def _embedder(
    model: str | os.PathLike[str] | Embedder, manifest: Manifest | None = None
) -> Embedder:
    """The model with the only one of its legs that an index stores, so that no other is made.

    By its name or folder alone, the model of an index is loaded as the index was made with it.
    """
    if isinstance(model, Embedder):
        return model.only(("dense",))
    if manifest is not None and locate(model).source == manifest.model:
        return load_checkpoint(model, LoadOptions.from_recipe(manifest.recipe, ("dense",)))
    return Embedder.load(model, modes=("dense",))


def _as_stored(manifest: Manifest) -> Embedder:
    """The model of an index."""
    return load_checkpoint(manifest.model, LoadOptions.from_recipe(manifest.recipe, ("dense",)))


def _checked_modes(modes: Sequence[str]) -> tuple[Mode, ...]:
    asked = checked_modes(modes)
    if "multi" in asked:
        raise UnknownModeError(
            "expected modes out of dense and sparse, got 'multi': an index holds no token vectors "
            "yet"
        )
    return asked


def _checked_location(location: str | os.PathLike[str], collection: str | None) -> str:
    try:
        place = os.fspath(location)
    except TypeError:
        place = None
    if not isinstance(place, str) or not place.strip() or "\x00" in place:
        raise InvalidInputError(f'expected a folder or ":memory:", got {location!r}')
    if place.startswith(("http://", "https://")):
        raise InvalidInputError(
            f'expected a folder or ":memory:", got the URL {place!r}: this version of Trivet '
            "does not speak to a server"
        )
    if collection is not None:
        raise InvalidInputError(
            f"expected no collection for {place!r}, got {collection!r}: only a server has them"
        )
    return place
