"""The gate: whether a measured map may serve queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from trivet.drift.choosing import Aim
from trivet.drift.intervals import Estimate

Verdict: TypeAlias = Literal["PASS", "REVIEW", "REFUSE"]

# Measured on 548 fitted maps: with both bounds, the worst that passed kept .977 of the quality.
LEAST_OVERLAP = 0.70
LEAST_KNOWN_ITEM = 0.90
LEAST_JUDGED = 0.95
# Spans are copied from the texts, which flatters a lexical old model: of a new one that was half
# as good again they said that it has .78 of the old one's quality.
GAIN_KNOWN_ITEM = 0.50
# An interval over fewer queries says too little.
LEAST_QUERIES = 30


@dataclass(frozen=True)
class Evidence:
    """What was measured of a mode of upgrade, against the old model on the same sample.

    Attributes:
        overlap: share of the old model's 10 best that are found.
        known_item: nDCG@10 of spans over the old model's; None where that could not be measured,
            the old model being gone.
        judged: nDCG@10 of judged queries over the old model's; None without judged queries.
    """

    overlap: Estimate
    known_item: Estimate | None
    judged: Estimate | None = None


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reasons, for people."""

    verdict: Verdict
    reasons: tuple[str, ...]


def judge(evidence: Evidence, aim: Aim) -> Judgement:
    """The verdict on what was measured, by the lower ends of its 95 % intervals.

    "keep" passes where overlap and known items both hold; where one does not, judged queries may
    make it a matter of review. "gain" passes only where judged queries are at least as good as
    before, needs a review where there are none, and is refused where it is measurably worse. Fewer
    than `LEAST_QUERIES` judged queries can ask for a review, and neither pass nor refuse anything.
    """
    return _keep(evidence) if aim == "keep" else _gain(evidence)


def _keep(evidence: Evidence) -> Judgement:
    failed = _gates(evidence)
    judged = evidence.judged
    if not failed and judged is not None and judged.high < LEAST_JUDGED:
        reason = f"judged queries keep {_shown(judged)} of the old quality"
        return Judgement("REVIEW", (f"{reason}, expected {LEAST_JUDGED}, though both gates hold",))
    if not failed:
        return Judgement("PASS", ("overlap and known items are as those of the old model",))
    if evidence.known_item is None and evidence.overlap.low >= LEAST_OVERLAP:
        return Judgement("REVIEW", tuple(failed))
    if judged is not None and judged.low >= LEAST_JUDGED:
        reason = f"but judged queries keep {_shown(judged)} of the old quality"
        return Judgement("REVIEW", (*failed, reason))
    return Judgement("REFUSE", tuple(failed))


def _gates(evidence: Evidence) -> list[str]:
    """What speaks against a pass; nothing if both gates hold."""
    failed = []
    overlap, known = evidence.overlap, evidence.known_item
    if overlap.low < LEAST_OVERLAP:
        failed.append(f"overlap@10 with the old model is {_shown(overlap)}, less than .70")
    if known is None:
        failed.append("the old model is not at hand: known items cannot be compared with its own")
    elif known.low < LEAST_KNOWN_ITEM:
        failed.append(f"known items keep {_shown(known)} of the old quality, less than .90")
    fewest = min(part.n for part in (overlap, known) if part is not None)
    if fewest < LEAST_QUERIES:
        failed.append(f"measured on {fewest} texts, fewer than {LEAST_QUERIES}")
    return failed


def _gain(evidence: Evidence) -> Judgement:
    judged, known = evidence.judged, evidence.known_item
    told: list[str] = []
    if judged is not None:
        told.append(f"judged queries have {_shown(judged)} of the old quality")
        if judged.n >= LEAST_QUERIES:
            verdict: Verdict = "PASS" if judged.low >= 1 else "REVIEW"
            return Judgement("REFUSE" if judged.high < 1 else verdict, tuple(told))
        told.append(f"{judged.n} of them say too little: expected {LEAST_QUERIES} or more")
    if known is not None and known.high < GAIN_KNOWN_ITEM:
        reason = f"known items keep {_shown(known)} of the old quality, less than half"
        return Judgement("REFUSE", (*told, reason))
    told = told or ["only judged queries can tell whether it is a gain"]
    return Judgement("REVIEW", tuple(told))


def _shown(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
