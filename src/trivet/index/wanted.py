"""What an index is opened with, and whether that agrees with what is stored."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from trivet.config import Lexical, Settings
from trivet.embedding import Embedder
from trivet.embedding.checkpoint import load_checkpoint
from trivet.embedding.compact import compact_space
from trivet.embedding.locate import DEFAULT_MODEL, locate
from trivet.embedding.options import LoadOptions
from trivet.embedding.reloading import reload
from trivet.errors import InvalidInputError, SettingsMismatchError, SpaceMismatchError
from trivet.index import lexicon
from trivet.index.model_match import makes, matching
from trivet.index.tokens import is_compact
from trivet.store.folder import new_manifest
from trivet.store.generations import Generation
from trivet.store.manifest import Manifest
from trivet.store.payload_indexes import IndexKind
from trivet.store.storage import Storage
from trivet.types import MODES, Mode, Space


def default_modes(embedder: Embedder) -> tuple[Mode, ...]:
    """The legs of a new index for which none are named: all that its model makes, and BM25.

    Token vectors among them rank best, and compact ones are small enough to be kept unasked.
    A model that makes none, or was loaded to make none, leaves two legs.
    """
    return tuple(mode for mode in MODES if mode == "sparse" or mode in embedder.spaces)


@dataclass(frozen=True)
class Wanted:
    """What an index is opened with, checked; None = as stored.

    Attributes:
        model: a name, a folder or an embedder.
        modes: the legs.
        settings: of this opening.
        indexes: kinds of payload indexes by metadata field.
        lexical: of the BM25 leg.
        tenants: whether every document belongs to a tenant.
        storage: how dense vectors are kept.
    """

    model: str | os.PathLike[str] | Embedder | None
    modes: tuple[Mode, ...] | None
    settings: Settings
    indexes: Mapping[str, IndexKind]
    lexical: Lexical | None
    tenants: bool | None
    storage: Storage | None

    def embedder(self) -> Embedder:
        """The model of a new index."""
        return _embedder(DEFAULT_MODEL if self.model is None else self.model)

    def given(self, stored: Manifest) -> Embedder | None:
        """The model to open an index with; None = as stored."""
        return None if self.model is None else _embedder(self.model, stored)

    def manifest(self, embedder: Embedder) -> Manifest:
        """The manifest of a new index.

        Raises:
            InvalidInputError: a chunk that the model cannot read, or BM25 for an index without.
            MissingHeadError: a leg that the model does not make.
        """
        chosen = default_modes(embedder) if self.modes is None else self.modes
        chunk_tokens = self.settings.chunk_tokens or embedder.max_tokens
        if chunk_tokens > embedder.max_tokens:
            raise InvalidInputError(
                f"expected chunk_tokens of at most {embedder.max_tokens}, which is what "
                f"{embedder.name!r} reads, got {chunk_tokens}"
            )
        state = None
        spaces: dict[Mode, Space] = dict(embedder.spaces)
        if "sparse" in chosen and "sparse" not in spaces:
            state = lexicon.initial_state(self.lexical or Lexical())
            spaces["sparse"] = lexicon.bm25_for(state).space
        elif self.lexical is not None:
            raise _no_bm25(chosen)
        if "multi" in chosen:
            embedder.only(["multi"])  # which it must make
            if self.settings.tokens != "full":
                spaces["multi"] = compact_space(spaces["multi"])
        if "dense" in chosen:
            embedder.only(["dense"])
        elif self.storage not in (None, "full"):
            raise InvalidInputError(
                f"expected no storage for an index with modes {', '.join(chosen)}, got "
                f"{self.storage!r}: it is for dense vectors"
            )
        spaces = {mode: spaces[mode] for mode in chosen}
        return new_manifest(
            embedder.source, embedder.recipe, spaces, chunk_tokens, state,
            tenants=bool(self.tenants), storage=self.storage or "full",
        )  # fmt: skip

    def require_like(self, stored: Manifest, embedder: Embedder | None) -> None:
        """Refuse what a stored index contradicts.

        Args:
            stored: of the index.
            embedder: the model that it is opened with; None = as stored.

        Raises:
            SpaceMismatchError: other vectors or legs.
            SettingsMismatchError: other settings or another `lexical`.
            InvalidInputError: BM25 for an index without.
        """
        if embedder is not None:
            served_as(embedder, stored)
        if self.modes is not None and self.modes != tuple(stored.spaces):
            raise SpaceMismatchError(
                f"the index was made with modes {', '.join(stored.spaces)}, got "
                f"{', '.join(self.modes)}: leave modes out to open it as it is, and name the legs "
                "to search in search(modes=)"
            )
        if self.tenants not in (None, stored.tenants):
            made = "with" if stored.tenants else "without"
            raise SettingsMismatchError(
                f"the index was made {made} tenants, got tenants={self.tenants}: leave it out, or "
                "index the documents anew elsewhere"
            )
        if self.storage not in (None, stored.storage):
            raise SettingsMismatchError(
                f"the index was made with storage={stored.storage!r}, got {self.storage!r}: leave "
                "it out, or index the documents anew elsewhere"
            )
        _require_settings(stored, self.settings)
        if self.lexical is not None:
            _require_lexical(stored, self.lexical)


def served_as(embedder: Embedder, stored: Manifest) -> Generation:
    """Which model of an index an embedder is: its own, or during an upgrade the other one.

    Raises:
        SpaceMismatchError, MissingHeadError: it is neither.
    """
    record = stored.upgrade
    if record is not None and record.serves_other and makes(embedder, record.other):
        return record.other
    matching(embedder, stored.generation)
    return stored.generation


def as_stored(manifest: Manifest) -> Embedder:
    """The model of an index."""
    return reload(manifest.model, manifest.recipe, manifest.model_modes or None)


def _require_settings(manifest: Manifest, settings: Settings) -> None:
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
