"""The gate: whether a measured map may serve queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from trivet.drift.choosing import Aim
from trivet.drift.intervals import Estimate

Verdict: TypeAlias = Literal["PASS", "REVIEW", "REFUSE"]

# Between unequal dims a map of 250 documents and spans kept .94 of the quality with lower ends of
# .75 of overlap and of .95 of known items (benchmarks/drift_gate.py).
LEAST_OVERLAP = 0.80
# Of one model's drift nothing that kept less than .95 had .90 of known items: in 250 maps, of few
# pairs and with noise, and in another 548, whatever the overlap. It is measured on spans, which
# agree less than queries do, by .02 to .09.
LEAST_OVERLAP_OF_DRIFT = 0.65
# Less agreement between the two models' rankings, and it is another model, no drift of the old.
LEAST_DRIFT_OVERLAP = 0.50
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
        judged: nDCG@10 of judged queries over the old model's, its n being those by which either
            model finds anything; None without judged queries.
        unmapped: the overlap without any map; None where dims differ, or it was not measured.
    """

    overlap: Estimate
    known_item: Estimate | None
    judged: Estimate | None = None
    unmapped: Estimate | None = None


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
    than `LEAST_QUERIES` judged queries by which either model finds anything can ask for a review,
    and neither pass nor refuse anything; without any such query, they are as good as none.
    """
    return _keep(evidence) if aim == "keep" else _gain(evidence)


def least_overlap(unmapped: Estimate | None) -> float:
    """What the lower end of overlap@10 has to reach, so that a map may pass.

    Args:
        unmapped: the overlap without any map; None = unknown.
    """
    drifted = unmapped is not None and unmapped.low >= LEAST_DRIFT_OVERLAP
    return LEAST_OVERLAP_OF_DRIFT if drifted else LEAST_OVERLAP


def _keep(evidence: Evidence) -> Judgement:
    failed = _gates(evidence)
    judged = evidence.judged
    if not failed and judged is not None and judged.high < LEAST_JUDGED:
        reason = f"judged queries keep {_shown(judged)} of the old quality"
        return Judgement("REVIEW", (f"{reason}, expected {LEAST_JUDGED}, though both gates hold",))
    if not failed:
        return Judgement("PASS", ("overlap and known items are as those of the old model",))
    if evidence.known_item is None and evidence.overlap.low >= least_overlap(evidence.unmapped):
        return Judgement("REVIEW", tuple(failed))
    if judged is not None and judged.low >= LEAST_JUDGED:
        reason = f"but judged queries keep {_shown(judged)} of the old quality"
        return Judgement("REVIEW", (*failed, reason))
    return Judgement("REFUSE", tuple(failed))


def _gates(evidence: Evidence) -> list[str]:
    """What speaks against a pass; nothing if both gates hold."""
    failed = []
    overlap, known = evidence.overlap, evidence.known_item
    least = least_overlap(evidence.unmapped)
    if overlap.low < least:
        failed.append(f"overlap@10 with the old model is {_shown(overlap)}, less than {least:.2f}")
    if known is None:
        failed.append("the old model is not at hand: known items cannot be compared with its own")
    elif known.low < LEAST_KNOWN_ITEM:
        least = LEAST_KNOWN_ITEM
        failed.append(f"known items keep {_shown(known)} of the old quality, less than {least:.2f}")
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
        told.append(
            f"{judged.n} of them, by which either model finds anything, say too little: expected "
            f"{LEAST_QUERIES} or more"
        )
    if known is not None and known.high < GAIN_KNOWN_ITEM:
        reason = f"known items keep {_shown(known)} of the old quality, less than half"
        return Judgement("REFUSE", (*told, reason))
    told = told or ["only judged queries can tell whether it is a gain"]
    return Judgement("REVIEW", tuple(told))


def _shown(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
