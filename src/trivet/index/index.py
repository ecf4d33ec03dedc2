"""The index: documents that are stored and searched, and its upkeep."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NoReturn

from trivet.config import ServerSettings
from trivet.embedding import Embedder
from trivet.errors import InvalidInputError
from trivet.index import lexicon
from trivet.index.arguments import checked_folder, checked_k
from trivet.index.description import describe
from trivet.index.keywords import checked_keywords
from trivet.index.searched import SearchedDocuments
from trivet.reports import HealthReport, IndexInfo, OptimizeReport, RecallReport, VerifyReport
from trivet.store.scope import Everything
from trivet.types import Space

if TYPE_CHECKING:
    from trivet.index.upgrade import Upgrade


class Index(SearchedDocuments):
    """Documents in Qdrant, searched by every leg at once. Made by `trivet.open`; thread-safe.

    A context manager: leaving it closes it. `count`, `get`, `delete` and `describe` never load
    the model.
    """

    def tenant(self, name: str | Literal[Everything.ALL]) -> Index:
        """The documents of one tenant, as an index of their own.

        Everything else is shared. Closing the view does nothing; closing the index closes it too.
        What concerns all tenants (`optimize`, `backup`, `verify`) is asked of the index itself.

        Args:
            name: the tenant's, new or not, of up to 256 characters and none of them a control
                character; every difference in spelling is another tenant. `trivet.ALL` = every
                tenant's, to search, count and delete by a filter; nothing is added there.

        Raises:
            TenantError: no such name; an index without tenants; or this is a view already.
        """
        return Index(self._shared, self._scope.of(name))

    @property
    def spaces(self) -> tuple[Space, ...]:
        """Where the vectors of its legs live; nothing is read for it."""
        return tuple(self._store.manifest.spaces.values())

    def describe(self) -> IndexInfo:
        """What the index is: engine, sizes, spaces, model."""
        shared = self._shared
        return describe(shared.location, self._store, self._scope, shared.model.floor.kept())

    @checked_keywords
    def measure_recall(self, *, k: int = 10, sample: int = 200) -> RecallReport:
        """How much of an exact search the index's own dense search finds.

        Stored vectors, drawn by chance but always alike, are searched for as the index does and
        by comparing every vector as it is. No model is loaded.

        Args:
            k: neighbours to look for.
            sample: stored vectors to search for.

        Raises:
            InvalidInputError: no dense leg, fewer than two chunks, or a number below 1.
            StoreError: the engine or the journal cannot be read.
            TenantError: the view of a tenant: the vectors are of all tenants.
        """
        self._scope.require_whole("measuring recall")
        # The door to qdrant_client.
        from trivet.index.recall import measure_recall

        return measure_recall(self._store, k=checked_k(k), sample=checked_k(sample))

    @checked_keywords
    def optimize(
        self, *, force: bool = False, progress: Callable[[str], None] | None = None
    ) -> OptimizeReport:
        """Make searches of a large index in a folder fast: by graph, no longer by scan.

        Searches go on; writes wait only while a copy is made and while it is taken over. Where
        BM25's average length is off, all chunks are weighted anew first; that, and nothing else,
        is done in memory and on a server too, whose vectors the engine takes care of itself.

        Args:
            force: also where `describe().optimize_pays` is False.
            progress: called with the name of each stage as it begins.

        Raises:
            InvalidInputError: `force` for an index that is not in a folder.
            ReadOnlyError: an adopted collection.
            DocumentBusyError: other machines were at work for too long.
            ServerTooOldError: a server of version 1.17, which cannot change the weights of BM25.
            StoreError: it failed, for example for want of room; the index is as it was.
        """
        self._scope.require_whole("optimizing")
        store = self._store
        started = time.monotonic()
        if store.folder is None and not force:
            done = lexicon.mend(store)
            return OptimizeReport(False, 0, time.monotonic() - started, reweighed=done)
        from trivet.store.optimizing import optimize_store, require_folder

        require_folder(store)
        done = lexicon.mend(store)
        return replace(optimize_store(store, force=force, progress=progress), reweighed=done)

    @checked_keywords
    def backup(self, target: str | os.PathLike[str]) -> None:
        """Copy the index to another folder; writes wait. `trivet.restore` makes an index of it.

        Args:
            target: a folder that is not there, or is empty.

        Raises:
            InvalidInputError: an index that is not in a folder, or a target within it.
            StoreError: the target holds something, or cannot be written.
        """
        self._scope.require_whole("a backup")
        from trivet.store.backup import back_up

        back_up(self._store, checked_folder(target))

    @checked_keywords
    def take_over(
        self,
        location: str | os.PathLike[str],
        *,
        collection: str | None = None,
        alias: str | None = None,
        server: ServerSettings | None = None,
        text_resolver: Callable[[str], str | None] | None = None,
    ) -> Index:
        """Copy an adopted collection to an index of Trivet's own, which can be upgraded.

        The model is not run: documents take their vectors along. Nothing in the adopted
        collection is changed. A call that was stopped goes on where it was.

        Args:
            location: of the new index, as for `trivet.open`.
            collection: on a server: another than the adopted one.
            alias: on a server: the name under which the collection is used, if it is an alias, or
                a new one. It leads to the new index once all is copied; `trivet.open` follows it.
            server: how to reach the server.
            text_resolver: given the id of a point whose payload holds no text, returns the text
                that its vector was made of, which is stored in the new index; or None. A point of
                which nobody has the text is copied without, and counted in a warning and by
                `Upgrade.status`. Without a resolver such a point is refused.

        Returns:
            The new index, which answers as the adopted one does. What was written to that before
            it was last looked through is in it, and nothing that is written later.

        Raises:
            InvalidInputError: no adopted collection; an alias where there can be none.
            UpgradeError: a point without vector, or without text where there is no resolver;
                learned sparse vectors; dot products of vectors of several lengths; a place with
                other documents; or a collection that is written to without end.
            SettingsMismatchError: an index of other legs in that place.
            StoreError: as `trivet.open`.
        """
        from trivet.index.taking_over import take_over

        return take_over(
            self._shared,
            location,
            collection=collection,
            alias=alias,
            server=server,
            resolver=text_resolver,
        )

    @checked_keywords
    def upgrade(self, new: str | os.PathLike[str] | Embedder) -> Upgrade:
        """Go over to another model while the index serves; see `Upgrade`.

        Args:
            new: the other model: a name, a folder or an `Embedder`. Where an upgrade to it is
                under way, that is returned.

        Raises:
            UpgradeInProgressError: an upgrade to another model is under way.
            UpgradeError: an index without dense vectors of a model.
            InvalidInputError: the index is of that model already.
            ModelNotFoundError, CheckpointError, MissingHeadError: the model cannot be had.
        """
        self._scope.require_whole("an upgrade")
        from trivet.index.upgrade.starting import start_upgrade

        return start_upgrade(self._shared, new)

    @checked_keywords
    def make_native(
        self,
        *,
        rate: float | None = None,
        budget: float | None = None,
        progress: Callable[[int], None] | None = None,
        text_resolver: Callable[[str], str | None] | None = None,
    ) -> int:
        """Embed what an upgrade that was finished with `force` has left translated.

        Also what was stored while the older model of an upgrade was gone, after a rollback to it.
        Nothing is read where there is none; `describe().translated` counts them.

        Args:
            rate: as for `Upgrade.migrate`.
            budget: as for `Upgrade.migrate`.
            progress: as for `Upgrade.migrate`.
            text_resolver: as for `Upgrade.migrate`; documents without a text stay as they are.

        Returns:
            Chunks that were embedded.

        Raises:
            UpgradeInProgressError: an upgrade is under way, whose `migrate` does this.
            ModelError: the model cannot be had, or fails.
            StoreError: the engine failed; the next call goes on.
        """
        self._scope.require_whole("an upgrade")
        from trivet.index.upgrade.making_native import make_native

        return make_native(self._shared, rate, budget, progress, text_resolver)

    @property
    def current_upgrade(self) -> Upgrade | None:
        """The upgrade under way; None if there is none.

        Raises:
            TenantError: the view of a tenant: an upgrade is of all tenants.
        """
        self._scope.require_whole("an upgrade")
        from trivet.index.upgrade.starting import current_upgrade

        return current_upgrade(self._shared)

    def verify(self) -> VerifyReport:
        """Compare every chunk with the journal; searches go on, writes wait.

        Raises:
            StoreError: the engine or the journal cannot be read.
        """
        self._scope.require_whole("verifying")
        from trivet.store.verifying import verify_store

        return verify_store(self._store)

    def doctor(self) -> HealthReport:
        """Look for what is wrong with the index, and say what to do about it; nothing is written.

        Models against what is recorded of them, and against their canary vectors; named vectors:
        which serve, which documents lack one, which nobody claims; maps and lease of an upgrade;
        whether journal and engine count the same. `verify` compares every chunk.

        Raises:
            StoreError: the engine or the journal cannot be read.
            TenantError: the view of a tenant: an index is examined whole.
        """
        self._scope.require_whole("an examination")
        from trivet.index.doctor import examine

        return examine(self._store, self._model)

    def close(self) -> None:
        """Flush and release the folder or the connection; a second call does nothing.

        On the view of a tenant: nothing.
        """
        if self._scope.tenant is None:
            self._shared.close()

    def __reduce__(self) -> NoReturn:
        raise InvalidInputError(
            f"expected a value to copy or to pickle, got {self!r}, which holds files and a model: "
            "open the index by its location where it is used"
        )

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        tenant = self._scope.tenant
        view = "" if tenant is None else f", tenant={tenant!r}"
        return f"Index({self._shared.location!r}{view})"
