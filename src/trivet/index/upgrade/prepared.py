"""The steps of an upgrade before it serves: its plan, its maps and what is measured of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, cast

from trivet.drift.choosing import Aim, Choice, require_aim
from trivet.drift.gates import Judgement
from trivet.drift.map import DriftMap
from trivet.embedding import Embedder
from trivet.errors import (
    InvalidInputError,
    ModelError,
    PairsError,
    SpaceMismatchError,
    UpgradeInProgressError,
)
from trivet.index.model import QUERY_MAP, TOKEN_MAP, TRANSLATION
from trivet.index.upgrade.fitting import FittedMaps, fit_maps, kept_sample, named_map, named_sample
from trivet.index.upgrade.judging import checked_judgements, judged_within
from trivet.index.upgrade.planning import plan_upgrade
from trivet.index.upgrade.texts import TextResolver
from trivet.index.upgrade.token_leg import TokenTrial, fit_tokens, unmappable_legs
from trivet.index.upgrade.values import UpgradePlan, UpgradeReport
from trivet.index.upgrade.verifying import Trial, run_trial
from trivet.query import text_problem
from trivet.store.generations import NATIVE_STATES, Generation, UpgradeRecord, UpgradeState
from trivet.store.upgrading import advance, begin, refit, require_state
from trivet.types import Mode

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
            UpgradeStateError: the upgrade serves already, or is finished.
            ModelError: the model failed.
        """
        new = self._model.proved_of(self.generation)
        plan = plan_upgrade(
            self._store, new, self.generation.spaces, seed=seed, resolver=text_resolver
        )
        unmapped = unmappable_legs(self._store.manifest.generation, self.generation)
        plan = replace(plan, unmapped=unmapped)
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
            InvalidInputError: queries that are no list of texts, or a blank one among them.
            ModelError: the model failed.
        """
        record = self._at("fit", "planned", *_MEASURED)
        chosen = record.facts["plan"]["aim"] if aim is None else aim
        require_aim(chosen)
        wrong = [query for query in queries if text_problem(query)]
        if wrong or isinstance(queries, str):
            raise InvalidInputError(f"expected a list of query texts, got {wrong[:1] or queries!r}")
        new = self._model.proved_of(self.generation)
        # For "gain" the older model's rankings are not what is wanted.
        old = self._old() if queries or chosen == "keep" else None
        fitted = fit_maps(
            self._store,
            new,
            cast(Aim, chosen),
            old=old,
            queries=queries,
            seed=seed,
            resolver=text_resolver,
        )
        tokens = self._token_map(fitted, seed)
        kept = {
            QUERY_MAP: named_map(fitted.query.drift),
            TRANSLATION: named_map(fitted.translation.drift),
            SAMPLE: named_sample(fitted),
            **({} if tokens is None else {TOKEN_MAP: named_map(tokens)}),
        }
        maps = {which: name for which, (name, _) in kept.items()}
        became = replace(record.at("fitted"), aim=chosen, maps=maps)
        refit(self._store, became, dict(kept.values()), "planned", *_MEASURED, since=record)
        return fitted.query

    def verify(
        self,
        judged: Mapping[str, Mapping[str, int]] | None = None,
        *,
        text_resolver: TextResolver | None = None,
    ) -> UpgradeReport:
        """Measure both modes on documents that no map was fitted to, and judge them.

        Args:
            judged: your own queries, each with the grades of its relevant documents by id; with
                tenants, the id comes after the tenant's name and a unit separator (U+001F), and
                documents of all tenants are ranked.
            text_resolver: as for `plan`.

        Raises:
            UpgradeStateError: not fitted yet, or serving already.
            InvalidInputError: no such judgements, or none of documents of the index.
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
            judged=judged_within(checked, set(sample.keys)),
        )
        report = run_trial(trial, cast(Aim, record.aim))
        cuts = self._store.manifest.generation.cut, self.generation.cut
        report = replace(
            report,
            legs=self._leg_verdicts(record, trial),
            models=(f"{report.models[0]}{cuts[0]}", f"{report.models[1]}{cuts[1]}"),
        )
        legs = {mode: each.verdict for mode, each in report.legs.items()}
        verdicts = {mode: each.verdict for mode, each in report.verdicts.items()}
        reasons = {mode: list(each.reasons) for mode, each in report.verdicts.items()}
        refused = set(verdicts.values()) == {"REFUSE"}
        state: UpgradeState = "refused" if refused else "verified"
        became = record.at(state, verdicts=verdicts, reasons=reasons, legs=legs)
        advance(self._store, became, "verify", *_MEASURED, since=record)
        return report

    def _token_map(self, fitted: FittedMaps, seed: int) -> DriftMap | None:
        """The map of token vectors, where the index has some and there can be one."""
        own = self._store.manifest.generation
        if "multi" not in own.spaces or "multi" in unmappable_legs(own, self.generation):
            return None
        old = self._old()
        if old is None:
            return None
        held = fitted.query.held & fitted.translation.held
        free = [chunk for chunk in fitted.chunks if chunk.key not in held]
        try:
            return fit_tokens(free, old, self._model.proved_of(self.generation), seed)
        except PairsError as error:
            logger.warning("token vectors are left out of compensated searches: %s", error)
            return None

    def _leg_verdicts(self, record: UpgradeRecord, trial: Trial) -> dict[Mode, Judgement]:
        """Whether the legs beside the dense one can be compensated."""
        own = self._store.manifest.generation
        verdicts = {
            mode: Judgement("REFUSE", (reason,))
            for mode, reason in unmappable_legs(own, self.generation).items()
        }
        if "multi" in own.spaces and "multi" not in verdicts:
            if TOKEN_MAP not in record.maps or trial.old is None:
                reason = "no map could be fitted: the older model was not at hand, or few tokens"
                verdicts["multi"] = Judgement("REFUSE", (reason,))
            else:
                drift = self._model.map_of(record, TOKEN_MAP)
                tokens = TokenTrial(trial.sample.chunks, trial.held, trial.old, trial.new, drift)
                verdicts["multi"] = tokens.judged(cast(Aim, record.aim))
        return verdicts

    def __repr__(self) -> str:
        return f"Upgrade({self.generation.name!r})"

    def _at(self, step: str, *states: UpgradeState) -> UpgradeRecord:
        """The upgrade under way, at one of these states, and this one."""
        self._store.refresh()
        record = require_state(self._store.manifest.upgrade, step, *states)
        newer = self._store.manifest.generation if record.state in NATIVE_STATES else record.other
        if newer.spaces != self.generation.spaces:
            raise UpgradeInProgressError(
                f"expected the upgrade to {self.generation.name!r} under way, got one to "
                f"{newer.name!r}: use index.current_upgrade"
            )
        return record

    def _old(self) -> Embedder | None:
        """The older model, if it can still be had."""
        try:
            return self._model.proved()
        except (ModelError, SpaceMismatchError) as error:
            logger.warning(
                "the older model is not at hand, which leaves a review at best: %s", error
            )
            return None
