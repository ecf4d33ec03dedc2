"""The steps of an upgrade before it serves: its plan, its maps and what is measured of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, cast

from trivet.drift.choosing import Aim, Choice, require_aim
from trivet.embedding import Embedder
from trivet.errors import InvalidInputError, ModelError, UpgradeInProgressError
from trivet.index.model import QUERY_MAP, TRANSLATION
from trivet.index.upgrade.fitting import fit_maps, keep_map, keep_sample, kept_sample
from trivet.index.upgrade.judging import checked_judgements
from trivet.index.upgrade.planning import plan_upgrade
from trivet.index.upgrade.texts import TextResolver
from trivet.index.upgrade.values import UpgradePlan, UpgradeReport
from trivet.index.upgrade.verifying import Trial, run_trial
from trivet.query import text_problem
from trivet.store.generations import NATIVE_STATES, Generation, UpgradeRecord, UpgradeState
from trivet.store.upgrading import advance, begin, require_state

if TYPE_CHECKING:
    from trivet.index.shared import Shared

logger = logging.getLogger(__name__)

SAMPLE = "sample"
_MEASURED: tuple[UpgradeState, ...] = ("fitted", "verified", "refused")


class PreparedUpgrade:
    """What an upgrade does before anything serves.

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

    def plan(self, *, seed: int = 0, text_resolver: TextResolver | None = None) -> UpgradePlan:
        """Probe the newer model on a few documents: cost, and what aim and mode suit it.

        Args:
            seed: of the draw.
            text_resolver: given the id of a document whose text is not in the index, returns its
                text as it was added, or None. With tenants, the id comes after the tenant's name
                and a unit separator (U+001F).

        Raises:
            PairsError: an index without documents.
            UpgradeStateError: the upgrade serves already.
            ModelError: the model failed.
        """
        new = self._model.proved_of(self.generation)
        plan = plan_upgrade(self._store, new, seed=seed, resolver=text_resolver)
        begin(self._store, UpgradeRecord("planned", self.generation, facts={"plan": asdict(plan)}))
        return plan

    def fit(
        self,
        aim: str | None = None,
        *,
        queries: Sequence[str] = (),
        seed: int = 0,
        text_resolver: TextResolver | None = None,
    ) -> Choice:
        """Fit the maps to documents of the index; the older model is not needed.

        Args:
            aim: "keep" to answer as before, "gain" to answer better; None = as planned.
            queries: your users' own, as more pairs, where the older model is at hand.
            seed: of the draws.
            text_resolver: as for `plan`.

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
        fitted = fit_maps(
            self._store,
            new,
            cast(Aim, chosen),
            old=old,
            queries=queries,
            seed=seed,
            resolver=text_resolver,
        )
        journal = self._store.journal
        maps = {
            QUERY_MAP: keep_map(journal, fitted.query.drift),
            TRANSLATION: keep_map(journal, fitted.translation.drift),
            SAMPLE: keep_sample(journal, fitted),
        }
        became = replace(record.at("fitted"), aim=chosen, maps=maps)
        advance(self._store, became, "fit", "planned", *_MEASURED)
        return fitted.query

    def verify(
        self,
        judged: Mapping[str, Mapping[str, int]] | None = None,
        *,
        text_resolver: TextResolver | None = None,
    ) -> UpgradeReport:
        """Measure both modes on documents that no map was fitted to, and judge them.

        Args:
            judged: your own queries, each with the grades of its relevant documents by id.
            text_resolver: as for `plan`.

        Raises:
            UpgradeStateError: not fitted yet, or serving already.
            InvalidInputError: no such judgements.
            ModelError: a model failed.
        """
        record = self._at("verify", *_MEASURED)
        checked = checked_judgements(judged)
        judged_keys = [key for each in checked.values() for key in each]
        sample, held = kept_sample(self._store, record.maps[SAMPLE], judged_keys, text_resolver)
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
