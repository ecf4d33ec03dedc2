"""What documents have of the other model of an upgrade, beside the vectors that serve."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from trivet.errors import ModelError, SpaceMismatchError
from trivet.index.carrying import carried
from trivet.index.model import QUERY_MAP, TRANSLATION, IndexModel
from trivet.index.titles import embed_titled
from trivet.store.carried import note_carried
from trivet.store.generations import UpgradeRecord
from trivet.store.store import Store
from trivet.types import DenseVectors, Representations

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Beside:
    """The other model's vectors of some texts.

    Attributes:
        vectors: one of every leg for each text.
        carried: names of those that were mapped, or left out, for want of the model, and have to
            be marked.
    """

    vectors: Representations
    carried: tuple[str, ...] = ()


def embed_beside(
    store: Store, model: IndexModel, titled: Sequence[tuple[str, str]], own: Representations
) -> Beside | None:
    """What the other model of an upgrade makes of titled texts; None if that is not stored.

    Where it is gone, cannot be read, fails, or makes other vectors than it did, the dense ones of
    the index's own model are mapped into its space. Its other legs, which it alone makes, are left
    out until it is there.

    Args:
        store: of the index.
        model: its models.
        titled: n texts.
        own: what the index's model makes of them.
    """
    record = store.manifest.upgrade
    if record is None or not record.beside:
        return None
    try:
        made = embed_titled(model.proved_of(record.other), titled, truncate=True)
    except (ModelError, SpaceMismatchError) as error:
        return _mapped(store, model, record, own, error)
    return Beside(model.tokens_of(record.other).small(made))


def _mapped(
    store: Store, model: IndexModel, record: UpgradeRecord, own: Representations, error: Exception
) -> Beside:
    assert own.dense is not None  # every model of an upgrade makes dense vectors
    names = tuple(space.vector_name for space in record.other.spaces.values())
    if record.state == "translating":  # what is carried over is told by the map itself
        logger.warning(
            "%r, the newer model, is not to be had, and documents get vectors that are carried "
            "over, until they are migrated: %s", record.other.model, error,
        )  # fmt: skip
        translation = model.map_of(record, TRANSLATION)
        rows = carried(translation, own.dense.values)
        others = tuple(name for name in names if name != translation.target.vector_name)
        return Beside(Representations(dense=DenseVectors(translation.target, rows)), others)
    logger.warning(
        "%r, the older model, is not to be had: should the upgrade be rolled back, the documents "
        "that are stored now have mapped vectors of it, which describe() counts and make_native() "
        "replaces once it is there: %s", record.other.model, error,
    )  # fmt: skip
    mapped = model.map_of(record, QUERY_MAP).apply(own.dense)
    for name in names:
        note_carried(store, name)
    return Beside(Representations(dense=mapped), names)
