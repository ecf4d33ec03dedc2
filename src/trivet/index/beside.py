"""What the models of an upgrade make of documents, and what stands in for one that is gone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from trivet.embedding import Embedder
from trivet.errors import ModelError, SpaceMismatchError
from trivet.index.carrying import carried
from trivet.index.model import QUERY_MAP, TOKEN_MAP, TRANSLATION, IndexModel
from trivet.index.titles import embed_titled
from trivet.store.carried import note_carried
from trivet.store.generations import Generation, UpgradeRecord
from trivet.store.store import Store
from trivet.types import DenseVectors, Mode, Representations

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Made:
    """A model's vectors of some texts.

    Attributes:
        vectors: one of every leg for each text.
        carried: names of those that were mapped, or left out, for want of the model, and have to
            be marked.
    """

    vectors: Representations
    carried: tuple[str, ...] = ()


def cutting_model(store: Store, model: IndexModel) -> Embedder:
    """The model that chunks are counted by; while queries are mapped, the newer one will do.

    Raises:
        ModelError, SpaceMismatchError: neither is to be had.
    """
    try:
        return model.found()
    except (ModelError, SpaceMismatchError):
        record = store.manifest.upgrade
        if record is None or not record.is_bridged:
            raise
        return model.found_of(record.other)


def embed_own(store: Store, model: IndexModel, titled: Sequence[tuple[str, str]]) -> Made:
    """What an index's own model makes of titled texts; while queries are mapped, documents may be.

    Args:
        store: of the index.
        model: its models.
        titled: n texts.

    Raises:
        ModelError, SpaceMismatchError: it is not to be had, and nothing stands in for it.
    """
    try:
        return Made(model.tokens.small(embed_titled(model.proved(), titled)))
    except (ModelError, SpaceMismatchError) as error:
        manifest = store.manifest
        record = manifest.upgrade
        if record is None or not record.is_bridged:
            raise
        made = _standing_in(store, model, record, manifest.generation, record.other, titled)
        if made.vectors.legs.keys() != set(manifest.model_modes):
            raise  # a leg of the only vectors that there are would be missing
        _warn(manifest.generation, error)
        return made


def embed_beside(
    store: Store, model: IndexModel, titled: Sequence[tuple[str, str]], own: DenseVectors | None
) -> Made | None:
    """What the other model of an upgrade makes of titled texts; None if that is not stored.

    Where it is gone, cannot be read, fails, or makes other vectors than it did, those of the
    index's own model are mapped into its spaces. A leg that has no map is left out until it is
    there.

    Args:
        store: of the index.
        model: its models.
        titled: n texts.
        own: their dense vectors by the index's model, or as they were given.

    Raises:
        ModelError, SpaceMismatchError: it is not to be had, and there is nothing to map.
    """
    manifest = store.manifest
    record = manifest.upgrade
    if record is None or not record.beside:
        return None
    try:
        full = embed_titled(model.proved_of(record.other), titled, truncate=True)
    except (ModelError, SpaceMismatchError) as error:
        if record.state == "translating":
            return _translated(model, record, manifest.generation, own, error)
        made = _standing_in(store, model, record, record.other, manifest.generation, titled)
        _warn(record.other, error)
        return made
    return Made(model.tokens_of(record.other).small(full))


def _translated(
    model: IndexModel,
    record: UpgradeRecord,
    older: Generation,
    own: DenseVectors | None,
    error: Exception,
) -> Made:
    """The newer model's vectors, carried over like all others; the translation itself tells."""
    if own is None:
        raise error
    logger.warning(
        "%r, the newer model, is not to be had, and documents get vectors that are carried over, "
        "until they are migrated: %s", record.other.name, error,
    )  # fmt: skip
    translation = model.map_of(record, TRANSLATION)
    rows = carried(translation, own.values)
    unlike = sorted(_unlike(record.other, older))
    left_out = tuple(record.other.spaces[mode].vector_name for mode in unlike)
    return Made(Representations(dense=DenseVectors(translation.target, rows)), left_out)


def _standing_in(
    store: Store,
    model: IndexModel,
    record: UpgradeRecord,
    older: Generation,
    newer: Generation,
    titled: Sequence[tuple[str, str]],
) -> Made:
    """The newer model's vectors of texts, mapped to the older one's; without legs of no map."""
    unlike = _unlike(older, newer)
    left_out = unlike if TOKEN_MAP not in record.maps else unlike - {"multi"}
    modes = [mode for mode in older.spaces if mode in newer.spaces and mode not in left_out]
    made = embed_titled(model.proved_of(newer).only(modes), titled, truncate=True)
    dense, multi = made.dense, made.multi
    assert dense is not None  # every model of an upgrade makes dense vectors
    if multi is not None and "multi" in unlike:
        multi = model.map_of(record, TOKEN_MAP).apply(multi)
    dense = model.map_of(record, QUERY_MAP).apply(dense)
    marked = tuple(older.spaces[mode].vector_name for mode in ("dense", *sorted(unlike)))
    for name in marked:
        note_carried(store, name)
    legs = Representations(dense=dense, sparse=made.sparse, multi=multi)
    return Made(model.tokens_of(older).small(legs), marked)


def _unlike(one: Generation, other: Generation) -> set[Mode]:
    """Legs of a model, its dense one aside, that the other does not make alike."""
    every = {mode for mode, space in one.spaces.items() if other.spaces.get(mode) != space}
    return every - {"dense"}


def _warn(older: Generation, error: Exception) -> None:
    logger.warning(
        "%r, the older model, is not to be had: the documents that are stored now have mapped "
        "vectors in its place, which a migration replaces; should the upgrade be rolled back, "
        "describe() counts them, and make_native() replaces them once the model is there: %s",
        older.name, error,
    )  # fmt: skip
