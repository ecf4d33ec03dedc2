"""What an evaluation found, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Estimate:
    """A mean over queries, its standard error, and the 95 % interval, both by bootstrap.

    Attributes:
        mean: over all judged queries.
        error: its standard error.
        low: the lower end of the interval.
        high: the upper end.
    """

    mean: float
    error: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class PlanResult:
    """What one plan reached.

    Attributes:
        name: of the leg, the preset or the caller's plan.
        means: of each metric, by its name.
        gains: over the default plan, query by query, of each metric.
        scores: (queries, metrics), in the order of `Evaluation.queries` and `metrics`.
    """

    name: str
    means: Mapping[str, Estimate]
    gains: Mapping[str, Estimate]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Left:
    """What was left out of an evaluation, or could not be found by any plan.

    Attributes:
        unjudged: queries without judgements.
        without_relevant: queries none of whose judged documents is relevant.
        without_text: queries that are judged, and whose text is not known.
        unknown_documents: relevant documents that the index does not hold; they count as not
            found.
    """

    unjudged: int
    without_relevant: int
    without_text: int
    unknown_documents: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How the plans of an index rank the documents of judged queries.

    Attributes:
        metrics: their names; the first decides.
        depth: hits that each query asked for.
        queries: text by id, of those that were judged.
        default: name of the plan that a search without a plan takes.
        plans: what each reached, the default first.
        recommended: a plan to take instead of the default; None = keep it.
        reason: of the recommendation, a sentence.
        left: what was left out.
        refused: plans that a server does not run, by name, and what it says.
        seed: of the resamples.
    """

    metrics: tuple[str, ...]
    depth: int
    queries: Mapping[str, str]
    default: str
    plans: tuple[PlanResult, ...]
    recommended: str | None
    reason: str
    left: Left
    refused: Mapping[str, str]
    seed: int

    def table(self, metric: str) -> dict[str, dict[str, float]]:
        """The scores of each query by plan, the worst query of the default plan first.

        Args:
            metric: one of `metrics`.

        Returns:
            {query id: {name of a plan: score}}.
        """
        column = self.metrics.index(metric)
        ids = list(self.queries)
        worst = np.argsort(self.plans[0].scores[:, column], kind="stable")
        return {
            ids[row]: {plan.name: float(plan.scores[row, column]) for plan in self.plans}
            for row in worst
        }

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values, under names that stay.

        Returns:
            "metrics" (names), "depth", "judged_queries" (how many), "default", "recommended"
            (null = keep the default), "reason", "left" (the fields of `Left`), "refused" (by plan,
            what the server says), "seed"; "plans", of each "name", and "means" and "gains" by
            metric, each with "mean", "error", "low" and "high"; "per_query": by metric, query id
            and plan the score.
        """
        plans = [
            {
                "name": plan.name,
                "means": {name: asdict(estimate) for name, estimate in plan.means.items()},
                "gains": {name: asdict(estimate) for name, estimate in plan.gains.items()},
            }
            for plan in self.plans
        ]
        return {
            "metrics": list(self.metrics),
            "depth": self.depth,
            "judged_queries": len(self.queries),
            "default": self.default,
            "recommended": self.recommended,
            "reason": self.reason,
            "left": asdict(self.left),
            "refused": dict(self.refused),
            "seed": self.seed,
            "plans": plans,
            "per_query": {metric: self.table(metric) for metric in self.metrics},
        }
