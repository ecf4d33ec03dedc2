"""The upgrade of an index to another model: its steps, each durable in the index itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from trivet.errors import InvalidInputError, UpgradeStateError
from trivet.index.absent import with_ways_back
from trivet.index.model import TRANSLATION
from trivet.index.upgrade.checks import require_grace, require_migration, require_verdict
from trivet.index.upgrade.lease import Lease
from trivet.index.upgrade.migrating import (
    Migration,
    Remaining,
    count_remaining,
    mark_translated,
    still_translated,
)
from trivet.index.upgrade.prepared import PreparedUpgrade
from trivet.index.upgrade.texts import TextResolver
from trivet.index.upgrade.translating import translate_index
from trivet.index.upgrade.values import MODES, UpgradeMode, UpgradeStatus
from trivet.index.upgrade.walking import Pass, all_points, points_of
from trivet.store.generations import NATIVE_STATES, STATES, UpgradeRecord, UpgradeState
from trivet.store.upgrading import advance, alone, end, note, require_state, take_back


class Upgrade(PreparedUpgrade):
    """An index on its way to another model. Made by `Index.upgrade`; every step is durable.

    plan → fit → verify → cutover("query" | "translate") → migrate → finish, and at any time
    before the end of `finish`, rollback.
    """

    def cutover(
        self, mode: UpgradeMode, *, accept_review: bool = False, force: bool = False
    ) -> None:
        """Let the newer model answer queries.

        Args:
            mode: "query" maps its queries to the stored vectors and writes nothing to them; legs
                beside the dense one that do not pass drop out of searches;
                "translate" gives every document a translated vector beside the old one; other
                legs of the model serve again when all documents are migrated.
            accept_review: go ahead on REVIEW, too.
            force: go ahead whatever the verdict is.

        Raises:
            UpgradeRefusedError: the verdict on the mode forbids it.
            UpgradeStateError: not verified yet, or serving already.
            UpgradeInProgressError: another is translating this index.
            InvalidInputError: another mode.
        """
        if mode not in MODES:
            raise InvalidInputError(f"expected a mode out of {', '.join(MODES)}, got {mode!r}")
        before = ("verified", "refused", "bridged", "translating")
        record = self._at("cutover", *(before if mode == "translate" else before[:2]))
        require_verdict(record, mode, accept_review=accept_review, force=force)
        if mode == "query":
            enough = ("PASS", "REVIEW") if accept_review else ("PASS",)
            legs = record.facts.get("legs", {})
            mapped = [leg for leg, verdict in legs.items() if verdict in enough]
            became = record.at("bridged", bridged=True, mapped=mapped)
            advance(self._store, became, "cutover", "verified", "refused", since=record)
        else:
            with Lease(self._store) as lease:
                self._translate(record, lease)

    def migrate(
        self,
        order: str = "hot",
        *,
        rate: float | None = None,
        budget: float | None = None,
        progress: Callable[[int], None] | None = None,
        text_resolver: TextResolver | None = None,
    ) -> int:
        """Replace translated vectors by native ones; searches and writes go on meanwhile.

        From the query mode, every document is given a translated vector first. It may be stopped
        at any time, and goes on where it was with the next call, in another process, too.

        Args:
            order: "hot" begins with the documents that searches found most often since the index
                was opened; "id" takes all in the engine's order.
            rate: chunks a second at most; None = as many as can be.
            budget: seconds after which to stop; None = until all is done.
            progress: called with the number of chunks that were done.
            text_resolver: as for `plan`. Documents of which nobody has the text, or another than
                was added, stay translated; `status` counts them.

        Returns:
            Chunks that were embedded.

        Raises:
            UpgradeStateError: nothing serves yet.
            UpgradeInProgressError: another is migrating this index.
            ModelError: the newer model cannot be had, or fails.
            InvalidInputError: another order, or numbers that are not above 0.
        """
        require_migration(order, rate, budget)
        self._at("migrate", "bridged", "translating", "translated", "migrating")
        with Lease(self._store) as lease:
            with with_ways_back(self._store.manifest):
                new = self._model.proved_of(self.generation)
            record = self._migrating(lease)
            translation = self._model.map_of(record, TRANSLATION)
            migration = Migration(
                self._store,
                new,
                partial(still_translated, self._store, translation),
                rate,
                budget,
                self._model.tokens.small,
                lease.renew,
                lease.require,
                text_resolver,
            )
            name = record.maps[TRANSLATION]
            walk = Pass(self._store, name, partial(all_points, self._store))
            hot = [key for key, _ in self._shared.found.most_common()] if order == "hot" else []
            settled = self._shared.settled.setdefault(name, set())
            first = partial(points_of, self._store, hot, settled)
            done = migration.run(progress, walk, first)
            if walk.is_clean and self._store.manifest.filling_modes:
                left = count_remaining(self._store, translation, lease.renew)
                if not left.translated:
                    self._note_whole("migrate", lease.require)
            return done

    def _migrating(self, lease: Lease) -> UpgradeRecord:
        """The state in which native vectors are written, after what comes before it."""
        record = self._at("migrate", "bridged", "translating", "translated", "migrating")
        if record.state in ("bridged", "translating"):
            self._translate(record, lease)
        lease.go_on_at("translated", "migrating")
        record = self._at("migrate", "translated", "migrating")
        if record.state == "translated":
            migrating = record.at("migrating")
            advance(self._store, migrating, "migrate", "translated", since=record)
        return record

    def finish(self, *, grace: float = 0.0, force: bool = False) -> None:
        """Drop the older model's vectors; there is no way back after that.

        Args:
            grace: seconds that they are still kept, for a rollback; they go with the first
                opening, or `finish`, after that.
            force: also while documents have translated vectors, which they keep until
                `Index.make_native` replaces them. Until then these documents have no token vectors
                and no learned sparse ones, and rank by their other legs.

        Raises:
            UpgradeStateError: nothing was translated, or not all documents are native.
            InvalidInputError: a grace below 0, or without an end.
        """
        require_grace(grace)
        record = self._at("finish", *NATIVE_STATES)
        if record.state == "ending":  # what is translated was accepted when that began
            end(self._store, grace)
            return
        documents, left = self._store.journal.count(), self._remaining(record)
        filling = self._store.manifest.filling_modes
        if left.translated and not force:
            textless = f", of which {left.textless} have no text here" if left.textless else ""
            raise UpgradeStateError(
                f"expected native vectors of all {documents} documents, got them of "
                f"{documents - left.translated}: migrate the others{textless}, or "
                "finish(force=True) to leave those translated, for index.make_native() later"
            )
        if left.translated:
            spaces = self._store.manifest.spaces
            names = [spaces[mode].vector_name for mode in filling]
            mark_translated(self._store, self._model.map_of(record, TRANSLATION), names)
        elif filling:  # every document has all legs, be it by writes alone
            self._note_whole("finish", lambda: None)
        end(self._store, grace)

    def rollback(self) -> None:
        """Go back to the older model, whose vectors were never touched; errors as in `status`."""
        take_back(self._store)

    @property
    def state(self) -> UpgradeState:
        """How far the upgrade is, without counting documents; errors as in `status`."""
        self._store.refresh()
        return require_state(self._store.manifest.upgrade, "state", *STATES).state

    def status(self) -> UpgradeStatus:
        """How far the upgrade is; reads all vectors where some may be translated.

        Raises:
            UpgradeStateError: no upgrade is under way.
        """
        self._store.refresh()
        record = require_state(self._store.manifest.upgrade, "status", *STATES)
        documents, left = self._store.journal.count(), self._remaining(record)
        return UpgradeStatus(
            state=record.state,
            model=self.generation.name,
            aim=record.aim,
            verdicts=dict(record.facts.get("verdicts", {})),
            documents=documents,
            native=documents - left.translated,
            textless=left.textless,
        )

    def _translate(self, record: UpgradeRecord, lease: Lease) -> None:
        translate_index(self._store, self._model.map_of(record, TRANSLATION), lease)

    def _note_whole(self, step: str, require: Callable[[], None]) -> None:
        """Let the legs serve again that were not translated: every document has them now."""
        with alone(self._store):
            require()
            # Another process may have ended this upgrade meanwhile, and begun one of its own.
            self._at(step, *NATIVE_STATES)
            note(self._store, whole=True)

    def _remaining(self, record: UpgradeRecord) -> Remaining:
        if record.state not in NATIVE_STATES:
            return Remaining(self._store.journal.count(), 0)
        return count_remaining(self._store, self._model.map_of(record, TRANSLATION))
