"""An adopted collection copied into an index of Trivet's own, with its vectors as they are."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from trivet.config import ServerSettings
from trivet.errors import (
    InvalidInputError,
    MissingHeadError,
    SettingsMismatchError,
    UpgradeError,
)
from trivet.index.copying import Copy
from trivet.index.open import is_url, open
from trivet.index.upgrade.texts import TextResolver, count_textless
from trivet.store.adopted import AdoptedStore
from trivet.store.store import Store
from trivet.types import Mode

if TYPE_CHECKING:
    from trivet.index.index import Index
    from trivet.index.shared import Shared

logger = logging.getLogger(__name__)


def take_over(
    shared: Shared,
    location: str | os.PathLike[str],
    *,
    collection: str | None,
    alias: str | None,
    server: ServerSettings | None,
    resolver: TextResolver | None,
) -> Index:
    """Copy an adopted collection to an index of Trivet's own; arguments as in `Index.take_over`."""
    place = os.fspath(location)
    store = _possible(shared.store, place, alias)
    own = _opened(shared, place, collection, server)
    try:
        copy = Copy(store, own, shared.location, resolver)
        copy.until_still()
        if alias is not None:
            from trivet.store.aliases import lead
            from trivet.store.connecting import checked_collection

            lead(place, alias, checked_collection(collection), server or ServerSettings())
            # What was written after the last look, by those who used the alias.
            copy.bring_over()
        copy.close()
        if resolver is not None:
            _warn_of_textless(count_textless(own._store))
    except BaseException:
        own.close()
        raise
    return own


def _opened(
    shared: Shared, place: str, collection: str | None, server: ServerSettings | None
) -> Index:
    """The index that becomes the copy: of the legs whose vectors can be copied, or made of texts.

    Raises:
        SettingsMismatchError: one of other legs is there.
    """
    manifest = shared.store.manifest
    modes: tuple[Mode, ...] = ("dense",) if manifest.lexical is None else ("dense", "sparse")
    try:
        return open(
            place,
            model=shared.model.found(),
            modes=modes,
            collection=collection,
            server=server,
            lexical=None if manifest.lexical is None else manifest.lexical.lexical,
        )
    except (MissingHeadError, SettingsMismatchError) as error:
        raise SettingsMismatchError(
            f"expected a new place, or one that a copy was stopped in, got {place!r} with an index "
            f"of other legs than {', '.join(modes)}: name another place"
        ) from error


def _warn_of_textless(textless: int) -> None:
    if textless:
        logger.warning(
            "%d documents have no text, neither in the collection nor handed in: they are "
            "copied, and found by their dense vectors alone, and no upgrade can embed them "
            "anew; take the collection over again once their texts are known", textless,
        )  # fmt: skip


def _possible(store: Store, place: str, alias: str | None) -> AdoptedStore:
    """The store of an adopted collection that can be copied."""
    if not isinstance(store, AdoptedStore):
        raise InvalidInputError(
            "expected an adopted collection to take over, got an index of Trivet's own: nothing "
            "needs to be copied; use index.upgrade"
        )
    if alias is not None and not is_url(place):
        raise InvalidInputError(
            f"expected no alias for {place!r}, got {alias!r}: only a server has aliases; leave it "
            "out, and open the index by its own place"
        )
    if "sparse" in store.manifest.model_modes:
        raise UpgradeError(
            "expected a dense model, with or without BM25, got one whose learned sparse vectors "
            "cannot be read back: adopt the collection with embedder.only(['dense'])"
        )
    return store
