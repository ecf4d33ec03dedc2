"""The upgrade of an index to another model: its steps, each durable in the index itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, cast

from trivet.drift.choosing import Aim, Choice, require_aim
from trivet.embedding import Embedder
from trivet.errors import (
    InvalidInputError,
    ModelError,
    UpgradeInProgressError,
    UpgradeStateError,
)
from trivet.index.model import QUERY_MAP
from trivet.index.upgrade.checks import require_migration, require_verdict
from trivet.index.upgrade.fitting import fit_maps, keep_map, keep_sample, kept_sample
from trivet.index.upgrade.judging import checked_judgements
from trivet.index.upgrade.lease import Lease
from trivet.index.upgrade.migrating import Migration, count_native
from trivet.index.upgrade.planning import plan_upgrade
from trivet.index.upgrade.translating import translate_index
from trivet.index.upgrade.values import (
    MODES,
    UpgradeMode,
    UpgradePlan,
    UpgradeReport,
    UpgradeStatus,
)
from trivet.index.upgrade.verifying import Trial, run_trial
from trivet.query import text_problem
from trivet.store.generations import STATES, Generation, UpgradeRecord, UpgradeState
from trivet.store.upgrading import advance, begin, end, require_state, take_back

if TYPE_CHECKING:
    from trivet.index.shared import Shared

logger = logging.getLogger(__name__)

TRANSLATION = "translation"
_SAMPLE = "sample"
_MEASURED: tuple[UpgradeState, ...] = ("fitted", "verified", "refused")
NATIVE_STATES: tuple[UpgradeState, ...] = ("translated", "migrating", "ending")


class Upgrade:
    """An index on its way to another model. Made by `Index.upgrade`; every step is durable.

    plan → fit → verify → cutover("query" | "translate") → migrate → finish, and at any time
    before the end of `finish`, rollback.

    Attributes:
        generation: the newer model.

    Args:
        shared: what the index works with.
        other: as above.
    """

    def __init__(self, shared: Shared, other: Generation) -> None:
        self._shared = shared
        self._store = shared.store
        self._model = shared.model
        self.generation = other

    def plan(self, *, seed: int = 0) -> UpgradePlan:
        """Probe the newer model on a few documents: cost, and what aim and mode suit it.

        Raises:
            PairsError: an index without documents.
            UpgradeStateError: the upgrade serves already.
            ModelError: the model failed.
        """
        plan = plan_upgrade(self._store, self._model.proved_of(self.generation), seed=seed)
        begin(self._store, UpgradeRecord("planned", self.generation, facts={"plan": asdict(plan)}))
        return plan

    def fit(self, aim: str | None = None, *, queries: Sequence[str] = (), seed: int = 0) -> Choice:
        """Fit the maps to documents of the index; the older model is not needed.

        Args:
            aim: "keep" to answer as before, "gain" to answer better; None = as planned.
            queries: your users' own, as more pairs, where the older model is at hand.
            seed: of the draws.

        Returns:
            The query map that was chosen, and those that it was chosen from.

        Raises:
            UpgradeStateError: not planned yet, or serving already.
            DriftError: another aim, or too few documents.
            ModelError: the model failed.
        """
        record = self._at("fit", "planned", *_MEASURED)
        chosen = record.facts["plan"]["aim"] if aim is None else aim
        require_aim(chosen)
        wrong = [query for query in queries if text_problem(query)]
        if wrong or isinstance(queries, str):
            raise InvalidInputError(f"expected a list of query texts, got {wrong[:1] or queries!r}")
        new = self._model.proved_of(self.generation)
        old = self._old() if queries else None
        fitted = fit_maps(self._store, new, cast(Aim, chosen), old=old, queries=queries, seed=seed)
        journal = self._store.journal
        maps = {
            QUERY_MAP: keep_map(journal, fitted.query.drift),
            TRANSLATION: keep_map(journal, fitted.translation.drift),
            _SAMPLE: keep_sample(journal, fitted),
        }
        became = replace(record.at("fitted"), aim=chosen, maps=maps)
        advance(self._store, became, "fit", "planned", *_MEASURED)
        return fitted.query

    def verify(self, judged: Mapping[str, Mapping[str, int]] | None = None) -> UpgradeReport:
        """Measure both modes on documents that no map was fitted to, and judge them.

        Args:
            judged: your own queries, each with the grades of its relevant documents by id.

        Raises:
            UpgradeStateError: not fitted yet, or serving already.
            InvalidInputError: no such judgements.
            ModelError: a model failed.
        """
        record = self._at("verify", *_MEASURED)
        checked = checked_judgements(judged)
        judged_keys = [key for each in checked.values() for key in each]
        sample, held = kept_sample(self._store, record.maps[_SAMPLE], judged_keys)
        trial = Trial(
            sample=sample,
            held=held,
            new=self._model.proved_of(self.generation),
            old=self._old(),
            query_map=self._model.map_of(record, QUERY_MAP),
            translation=self._model.map_of(record, TRANSLATION),
            judged=checked,
        )
        report = run_trial(trial, cast(Aim, record.aim))
        verdicts = {mode: each.verdict for mode, each in report.verdicts.items()}
        reasons = {mode: list(each.reasons) for mode, each in report.verdicts.items()}
        refused = set(verdicts.values()) == {"REFUSE"}
        became = record.at("refused" if refused else "verified", verdicts=verdicts, reasons=reasons)
        advance(self._store, became, "verify", *_MEASURED)
        return report

    def cutover(
        self, mode: UpgradeMode, *, accept_review: bool = False, force: bool = False
    ) -> None:
        """Let the newer model answer queries.

        Args:
            mode: "query" maps its queries to the stored vectors and writes nothing to them;
                "translate" gives every document a translated vector beside the old one.
            accept_review: go ahead on REVIEW, too.
            force: go ahead whatever the verdict is.

        Raises:
            UpgradeRefusedError: the verdict on the mode forbids it.
            UpgradeStateError: not verified yet, or serving already.
            InvalidInputError: another mode.
        """
        if mode not in MODES:
            raise InvalidInputError(f"expected a mode out of {', '.join(MODES)}, got {mode!r}")
        before = ("verified", "refused", "bridged", "translating")
        record = self._at("cutover", *(before if mode == "translate" else before[:2]))
        require_verdict(record, mode, accept_review=accept_review, force=force)
        if mode == "query":
            became = record.at("bridged", bridged=True)
            advance(self._store, became, "cutover", "verified", "refused")
        else:
            self._translate(record)

    def migrate(
        self,
        order: str = "hot",
        *,
        rate: float | None = None,
        budget: float | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Replace translated vectors by native ones; searches and writes go on meanwhile.

        From the query mode, every document is given a translated vector first. It may be stopped
        at any time, and goes on where it was with the next call.

        Args:
            order: "hot" begins with the documents that searches found most often since the index
                was opened; "id" takes all in the engine's order.
            rate: chunks a second at most; None = as many as can be.
            budget: seconds after which to stop; None = until all is done.
            progress: called with the number of chunks that were done.

        Returns:
            Chunks that were embedded.

        Raises:
            UpgradeStateError: nothing serves yet.
            UpgradeInProgressError: another is migrating this index.
            InvalidInputError: another order, or numbers that are not above 0.
        """
        require_migration(order, rate, budget)
        record = self._at("migrate", "bridged", "translating", "translated", "migrating")
        with Lease(self._store) as lease:
            if record.state in ("bridged", "translating"):
                self._translate(record)
            record = self._at("migrate", "translated", "migrating")
            if record.state == "translated":
                advance(self._store, record.at("migrating"), "migrate", "translated")
            migration = Migration(
                self._store,
                self._model.proved(),
                self._model.map_of(record, TRANSLATION),
                rate,
                budget,
                lease.renew,
            )
            hot = [key for key, _ in self._shared.found.most_common()] if order == "hot" else []
            return migration.run(hot, progress)

    def finish(self, *, grace: float = 0.0, force: bool = False) -> None:
        """Drop the older model's vectors; there is no way back after that.

        Args:
            grace: seconds that they are still kept, for a rollback; they go with the first
                opening, or `finish`, after that.
            force: also while documents have translated vectors, which they keep.

        Raises:
            UpgradeStateError: nothing was translated, or not all documents are native.
        """
        record = self._at("finish", *NATIVE_STATES)
        documents, native = self._store.journal.count(), self._native(record)
        if native < documents and not force:
            raise UpgradeStateError(
                f"expected native vectors of all {documents} documents, got them of {native}: "
                "migrate the others, or finish(force=True) to leave those translated for ever"
            )
        end(self._store, grace)

    def rollback(self) -> None:
        """Go back to the older model, whose vectors were never touched; errors as in `status`."""
        take_back(self._store)

    def status(self) -> UpgradeStatus:
        """How far the upgrade is; reads all vectors where some may be translated.

        Raises:
            UpgradeStateError: no upgrade is under way.
        """
        record = require_state(self._store.manifest.upgrade, "status", *STATES)
        return UpgradeStatus(
            state=record.state,
            model=self.generation.model,
            aim=record.aim,
            verdicts=dict(record.facts.get("verdicts", {})),
            documents=self._store.journal.count(),
            native=self._native(record),
        )

    def __repr__(self) -> str:
        return f"Upgrade({self.generation.model!r})"

    def _at(self, step: str, *states: UpgradeState) -> UpgradeRecord:
        """The upgrade under way, at one of these states, and this one."""
        self._store.refresh()
        record = require_state(self._store.manifest.upgrade, step, *states)
        newer = self._store.manifest.generation if record.state in NATIVE_STATES else record.other
        if newer.spaces != self.generation.spaces:
            raise UpgradeInProgressError(
                f"expected the upgrade to {self.generation.model!r} under way, got one to "
                f"{newer.model!r}: use index.current_upgrade"
            )
        return record

    def _old(self) -> Embedder | None:
        """The older model, if it can still be had."""
        try:
            return self._model.proved()
        except ModelError as error:
            logger.warning(
                "the older model is not at hand, which leaves a review at best: %s", error
            )
            return None

    def _translate(self, record: UpgradeRecord) -> None:
        spaces = self._store.manifest.generation.spaces
        if set(spaces) != {"dense"}:
            raise UpgradeStateError(
                f"expected an index whose model makes dense vectors alone, got {', '.join(spaces)}"
                ': its other vectors cannot be translated; stay with cutover("query")'
            )
        translate_index(self._store, self._model.map_of(record, TRANSLATION))

    def _native(self, record: UpgradeRecord) -> int:
        if record.state not in NATIVE_STATES:
            return 0
        return count_native(self._store, self._model.map_of(record, TRANSLATION))
