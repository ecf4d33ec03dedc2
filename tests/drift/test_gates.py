"""The verdict on what was measured, and the intervals that it goes by."""

from __future__ import annotations

import numpy as np
import pytest

from trivet.drift.gates import Evidence, judge
from trivet.drift.intervals import Estimate, mean, ratio


def _at(low: float, high: float, n: int = 200) -> Estimate:
    return Estimate((low + high) / 2, low, high, n)


GOOD = _at(0.80, 0.90)
LESS = _at(0.66, 0.76)
KNOWN = _at(0.93, 1.0)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (Evidence(GOOD, KNOWN), "PASS"),
        (Evidence(_at(0.79, 0.9), KNOWN), "REFUSE"),
        (Evidence(LESS, KNOWN, unmapped=_at(0.5, 0.6)), "PASS"),
        (Evidence(LESS, KNOWN, unmapped=_at(0.49, 0.6)), "REFUSE"),
        (Evidence(LESS, _at(0.89, 0.99), unmapped=_at(0.5, 0.6)), "REFUSE"),
        (Evidence(_at(0.64, 0.7), KNOWN, unmapped=_at(0.5, 0.6)), "REFUSE"),
        (Evidence(LESS, None, unmapped=_at(0.5, 0.6)), "REVIEW"),
        (Evidence(LESS, None), "REFUSE"),
        (Evidence(GOOD, _at(0.89, 0.99)), "REFUSE"),
        (Evidence(_at(0.69, 0.8), KNOWN, _at(0.95, 1.0)), "REVIEW"),
        (Evidence(_at(0.69, 0.8), KNOWN, _at(0.94, 1.0)), "REFUSE"),
        (Evidence(GOOD, KNOWN, _at(0.2, 0.2, n=1)), "REVIEW"),
        (Evidence(GOOD, KNOWN, _at(0.85, 0.94)), "REVIEW"),
        (Evidence(GOOD, KNOWN, _at(0.85, 0.96)), "PASS"),
        (Evidence(GOOD, None), "REVIEW"),
        (Evidence(_at(0.4, 0.5), None), "REFUSE"),
        (Evidence(_at(0.80, 0.90, n=20), KNOWN), "REFUSE"),
    ],
)
def test_keep_goes_by_overlap_and_known_items(evidence: Evidence, verdict: str) -> None:
    judgement = judge(evidence, "keep")
    assert judgement.verdict == verdict
    assert judgement.reasons


@pytest.mark.parametrize(
    ("judged", "known", "verdict"),
    [
        (_at(1.0, 1.3), KNOWN, "PASS"),
        (_at(1.0, 1.3), _at(0.1, 0.2), "PASS"),
        (_at(0.98, 1.3), KNOWN, "REVIEW"),
        (_at(0.8, 0.99), KNOWN, "REFUSE"),
        (_at(1.1, 1.3, n=10), KNOWN, "REVIEW"),
        (_at(0.2, 0.2, n=1), KNOWN, "REVIEW"),
        (_at(0.2, 0.2, n=1), _at(0.2, 0.49), "REFUSE"),
        (_at(1.0, 1.0, n=1), None, "REVIEW"),
        (None, KNOWN, "REVIEW"),
        (None, None, "REVIEW"),
        (None, _at(0.2, 0.49), "REFUSE"),
    ],
)
def test_gain_passes_by_judged_queries_alone(
    judged: Estimate | None, known: Estimate | None, verdict: str
) -> None:
    """The overlap with the old model is reported, and never required."""
    for overlap in (GOOD, _at(0.1, 0.2)):
        assert judge(Evidence(overlap, known, judged), "gain").verdict == verdict


def test_reasons_say_what_was_measured() -> None:
    [reason] = judge(Evidence(_at(0.5, 0.6), KNOWN), "keep").reasons
    assert "overlap@10" in reason
    assert "0.55 [0.50, 0.60]" in reason


def test_an_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(0).random(500)
    came = mean(values)
    half = 1.96 * values.std() / np.sqrt(500)
    assert came.value == pytest.approx(values.mean())
    assert came.low == pytest.approx(values.mean() - half, abs=0.004)
    assert came.high == pytest.approx(values.mean() + half, abs=0.004)
    assert came.n == 500


def test_a_ratio_draws_its_queries_in_pairs() -> None:
    to = np.random.default_rng(0).random(300)
    came = ratio(0.9 * to, to)
    # Whatever is drawn, nine tenths are nine tenths.
    assert (came.value, came.low, came.high) == pytest.approx((0.9, 0.9, 0.9))


def test_a_ratio_to_nothing_is_defined() -> None:
    zeros = np.zeros(50)
    assert ratio(zeros + 1, zeros).low == np.inf
    nothing = ratio(zeros, zeros)
    assert (nothing.value, nothing.low, nothing.high, nothing.n) == (1.0, 0.0, np.inf, 0)


@pytest.mark.parametrize("found", [0, 1, 29, 30, 100])
def test_queries_that_find_nothing_on_either_side_pass_nothing(found: int) -> None:
    """As many as there are, they are no evidence that the newer model is as good."""
    old = np.zeros(100)
    old[:found] = 0.5
    judged, none = ratio(old.copy(), old), _at(0.1, 0.2)
    assert judged.n == found
    assert judge(Evidence(none, KNOWN, judged), "gain").verdict == (
        "PASS" if found >= 30 else "REVIEW"
    )
    # Nor do they make a matter of review of what both gates refuse.
    assert judge(Evidence(none, KNOWN, judged), "keep").verdict == ("REVIEW" if found else "REFUSE")
    # Known items that neither model finds are none that are kept.
    kept = judge(Evidence(GOOD, judged), "keep").verdict
    assert kept == ("PASS" if found >= 30 else "REFUSE")
    # What only the newer one finds, and what only the older one finds, counts.
    assert ratio(old, np.zeros(100)).n == ratio(np.zeros(100), old).n == found
