"""Search plans: which legs bring candidates, and how one ranking is made of them."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeAlias, cast, get_args

from trivet.errors import InvalidPlanError
from trivet.types import MODES, Mode

Fusion: TypeAlias = Literal["scores", "dbsf", "rrf"]
FUSIONS: tuple[Fusion, ...] = get_args(Fusion)

MAX_DEPTH = 10_000
# Engines sum in 32 bits: beyond these all scores would be one.
LEAST, MOST = 1e-6, 1e6
# 30 candidates of a leg gave the same nDCG@10 on fifteen collections; 100 keep deep recall. Token
# vectors of each candidate are compared: there, 30 take half the time.
DEPTH = 100
TOKEN_DEPTH = 30
# Of all-MiniLM-L6-v2, for plans that no index has given its embedder's.
DENSE_FLOOR = 0.35
DEPTHS: dict[Mode, int] = {"dense": DEPTH, "sparse": DEPTH}
_TOKEN_DEPTHS: dict[Mode, int] = {"dense": TOKEN_DEPTH, "sparse": TOKEN_DEPTH}


# Of what a plan may leave out.
_BOUNDS = (
    ("dense_floor", -1.0, 1.0),
    ("relevance", 0.0, 1.0),
    ("threshold", -math.inf, math.inf),
)


@dataclass(frozen=True)
class Plan:
    """How a search ranks.

    Each leg of `depths` brings its best chunks; what is in any of these lists is a candidate. The
    candidates are put in one order by `fuse`:

    - "scores": the weighted sum of dense max(cosine, `dense_floor`), sparse s / (s + `sparse_half`)
      and multi MaxSim divided by the query's tokens, each computed for every candidate. A leg that
      has a weight and no depth scores what the others bring.
    - "dbsf": distribution-based score fusion, as Qdrant defines it, of the legs' own lists.
    - "rrf": reciprocal rank fusion of the legs' own lists, the sum of 1 / (`rrf_k` + rank) with
      ranks from 1, after Cormack, Clarke and Büttcher (2009); a weight divides the ranks of its
      leg, as Qdrant has it.

    A plan of one leg ranks by that leg's own score; with weights and "scores", by its part of the
    sum. A query that has no vector of a leg, such as one of stop words alone, gets nothing of it:
    what the others add keeps its scale. If no leg that brings candidates is left, a leg that only
    scored brings them.

    Attributes:
        depths: candidates that each leg brings.
        weights: of the legs. "dbsf" knows none, and takes a leg with a weight and no depth into
            its fusion, as does "rrf".
        fuse: how.
        rrf_k: how slowly ranks lose their weight.
        dense_floor: the cosine below which a dense score says nothing; None = what was found for
            the index's embedder.
        sparse_half: the BM25 score that counts one half.
        rescore: how many of the best are put in the order of MaxSim alone, and at least as many as
            are wanted; None = none.
        relevance: for maximal marginal relevance by the dense vectors, from 1 (the most relevant
            alone) to 0 (the most different alone); None = without.
        threshold: the least score of a hit; only of plans whose scores are calibrated.
        offset: hits to leave out at the head. Pages of one plan and k are cuts of one ranking.
        per_document: of a search for chunks, the most of one document; None = as many as come. A
            search for documents has one hit of each, its best chunk.

    Raises:
        InvalidPlanError: a leg, weight, depth or other value that cannot mean anything.
    """

    depths: Mapping[Mode, int] = field(default_factory=lambda: dict(DEPTHS))
    weights: Mapping[Mode, float] = field(default_factory=dict)
    fuse: Fusion = "scores"
    rrf_k: int = 60
    dense_floor: float | None = None
    sparse_half: float = 10.0
    rescore: int | None = None
    relevance: float | None = None
    threshold: float | None = None
    offset: int = 0
    per_document: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "depths", _in_order(self.depths, "depths"))
        object.__setattr__(self, "weights", _in_order(self.weights, "weights"))
        if not self.depths:
            raise InvalidPlanError("expected a plan with depths of one leg or more, got none")
        for mode, depth in self.depths.items():
            _require_whole(f"the depth of {mode}", depth, 1, MAX_DEPTH)
        for mode, weight in self.weights.items():
            _require_number(f"the weight of {mode}", weight, 0.0, MOST)
        if self.weights and max(self.weights.values()) < LEAST:
            raise InvalidPlanError(
                f"expected a weight above 0, {LEAST:g} or more, got none: such a plan ranks nothing"
            )
        if self.fuse not in FUSIONS:
            raise InvalidPlanError(
                f"expected fuse to be one of {', '.join(FUSIONS)}, got {self.fuse!r}"
            )
        _require_whole("rrf_k", self.rrf_k, 1, MAX_DEPTH)
        _require_number("sparse_half", self.sparse_half, LEAST, MOST)
        _require_whole("offset", self.offset, 0, MAX_DEPTH)
        for name in ("rescore", "per_document"):
            if getattr(self, name) is not None:
                _require_whole(name, getattr(self, name), 1, MAX_DEPTH)
        for name, low, high in _BOUNDS:
            if getattr(self, name) is not None:
                _require_number(name, getattr(self, name), low, high)
        self._require_meaning()

    def _require_meaning(self) -> None:
        if self.fuse == "scores" and len(self.fused) > 1:
            bare = [mode for mode in self.depths if mode not in self.weights]
            if bare:
                raise InvalidPlanError(
                    f"expected a weight of every leg that brings candidates, got none of {bare[0]}"
                )
        if self.fuse == "dbsf" and any(w != 1.0 for w in self.weights.values()):
            raise InvalidPlanError(
                f'expected no weights but 1 with fuse="dbsf", got {dict(self.weights)}: Qdrant\'s '
                'has none; fuse="scores" or "rrf" have'
            )
        if self.threshold is not None and not self.is_calibrated:
            raise InvalidPlanError(
                f"expected no threshold with scores that depend on the other hits, got "
                f"{self.threshold}: a cosine, a MaxSim and the sum of scores take one; BM25, ranks "
                "(rrf), dbsf and maximal marginal relevance do not"
            )

    @cached_property
    def fused(self) -> tuple[Mode, ...]:
        """The legs that make the ranking, before any rescoring."""
        return tuple(mode for mode in MODES if mode in self.depths or mode in self.weights)

    @cached_property
    def legs(self) -> tuple[Mode, ...]:
        """Every leg that the plan needs."""
        beside = {mode for mode, asked in (("dense", self.relevance), ("multi", self.rescore))
                  if asked is not None}  # fmt: skip
        return tuple(mode for mode in MODES if mode in self.fused or mode in beside)

    @property
    def is_single(self) -> bool:
        """Whether it ranks by one leg's own score."""
        return len(self.fused) == 1 and (self.fuse != "scores" or not self.weights)

    @property
    def is_calibrated(self) -> bool:
        """Whether a score says the same of a hit whatever else was found."""
        if self.relevance is not None:
            return False
        if self.rescore is not None:
            return True
        if len(self.fused) == 1:
            return self.fused != ("sparse",)
        return self.fuse == "scores"

    def without(self, missing: Sequence[Mode]) -> Plan | None:
        """The same plan for a query that has no vector of some legs.

        Args:
            missing: those legs.

        Returns:
            The plan of the other legs; None if nothing is left.
        """
        depths = {mode: n for mode, n in self.depths.items() if mode not in missing}
        weights = {mode: w for mode, w in self.weights.items() if mode not in missing}
        if not depths:
            depth = max(self.depths.values())
            depths = {mode: depth for mode, weight in weights.items() if weight}
        if not depths or (self.weights and max(weights.values(), default=0.0) < LEAST):
            return None
        return replace(
            self,
            depths=depths,
            weights=weights,
            rescore=None if "multi" in missing else self.rescore,
            relevance=None if "dense" in missing else self.relevance,
        )


def _in_order(values: object, name: str) -> dict[Mode, float]:
    if not isinstance(values, Mapping):
        raise InvalidPlanError(f"expected {name} by mode, got {values!r}")
    unknown = [mode for mode in values if mode not in MODES]
    if unknown:
        raise InvalidPlanError(f"expected {name} of {', '.join(MODES)}, got {unknown[0]!r}")
    return {mode: values[mode] for mode in MODES if mode in values}


def _require_whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidPlanError(
            f"expected {name} to be a whole number from {low} to {high}, got {value!r}"
        )


def _require_number(name: str, value: object, low: float, high: float) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # A whole number may be larger than any float; comparing takes it all the same.
    is_finite = is_number and -sys.float_info.max <= cast(float, value) <= sys.float_info.max
    if not is_finite or not low <= cast(float, value) <= high:
        bounds = f" from {low:g} to {high:g}" if math.isfinite(high) else ""
        got = f"{value!r:.40}"
        raise InvalidPlanError(f"expected {name} to be a finite number{bounds}, got {got}")


# Weights measured over fifteen collections (benchmarks/plans.py prints what they give). A hundredth
# of the cosine counts below the floor too, so that texts that no leg likes are still told apart.
PRESETS: dict[str, Plan] = {
    "hybrid3": Plan(_TOKEN_DEPTHS, weights={"dense": 0.3, "sparse": 0.2, "multi": 0.5}),
    "hybrid2": Plan(weights={"dense": 0.6, "sparse": 0.4}),
    "token-heavy": Plan(_TOKEN_DEPTHS, weights={"dense": 0.1, "sparse": 0.1, "multi": 0.8}),
    "dense-heavy": Plan(_TOKEN_DEPTHS, weights={"dense": 0.5, "sparse": 0.1, "multi": 0.4}),
    "lexical": Plan(_TOKEN_DEPTHS, weights={"dense": 0.15, "sparse": 0.4, "multi": 0.45}),
    "dbsf": Plan(fuse="dbsf"),
    "rrf": Plan(fuse="rrf"),
}
_BEST: dict[tuple[Mode, ...], Plan] = {
    ("dense",): Plan({"dense": DEPTH}),
    ("sparse",): Plan({"sparse": DEPTH}),
    ("multi",): Plan({"multi": DEPTH}),
    ("dense", "sparse"): PRESETS["hybrid2"],
    # What is left of hybrid3 without one of its legs.
    ("dense", "multi"): Plan({"dense": TOKEN_DEPTH}, {"dense": 0.375, "multi": 0.625}),
    ("sparse", "multi"): Plan({"sparse": TOKEN_DEPTH}, {"sparse": 0.3, "multi": 0.7}),
    ("dense", "sparse", "multi"): PRESETS["hybrid3"],
}


def best_plan(modes: Sequence[Mode], depth: int | None = None) -> Plan:
    """The plan that measured best for these legs.

    Args:
        modes: the legs.
        depth: candidates that each leg brings; None = as measured.
    """
    plan = _BEST[tuple(mode for mode in MODES if mode in modes)]
    if depth is None:
        return plan
    return replace(plan, depths=dict.fromkeys(plan.depths, depth))


def checked_plan(plan: object, held: Sequence[Mode]) -> Plan:
    """A plan or the name of a preset, for an index with these legs.

    The presets "dbsf" and "rrf" fuse the token vectors of an index, too, where it holds any.

    Raises:
        InvalidPlanError: no plan, no preset of that name, or a leg that the index lacks.
    """
    if isinstance(plan, str):
        if plan not in PRESETS:
            raise InvalidPlanError(
                f"expected a Plan, or the name of one of {', '.join(PRESETS)}; got {plan!r}"
            )
        chosen = PRESETS[plan]
        if chosen.fuse != "scores" and "multi" in held:
            chosen = replace(chosen, weights=dict.fromkeys((*chosen.depths, "multi"), 1.0))
    elif isinstance(plan, Plan):
        chosen = plan
    else:
        raise InvalidPlanError(f"expected a Plan or a preset's name, got {type(plan).__name__}")
    missing = [mode for mode in chosen.legs if mode not in held]
    if missing:
        raise InvalidPlanError(
            f"expected a plan of legs that the index holds ({', '.join(held)}), got one that needs "
            f"{missing[0]}: choose another, or leave plan out"
        )
    return chosen
