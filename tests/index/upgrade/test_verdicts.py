"""Which verdicts let the newer model answer, in which mode, and what is said where they do not."""

from __future__ import annotations

import itertools

import pytest

from trivet.errors import UpgradeRefusedError
from trivet.index.upgrade.checks import require_verdict
from trivet.index.upgrade.values import UpgradeMode
from trivet.store.generations import Generation, UpgradeRecord

# By verdict, accept_review and force: whether the change over goes ahead.
ALLOWED = {
    ("PASS", False, False): True,
    ("PASS", True, False): True,
    ("PASS", False, True): True,
    ("PASS", True, True): True,
    ("REVIEW", False, False): False,
    ("REVIEW", True, False): True,
    ("REVIEW", False, True): True,
    ("REVIEW", True, True): True,
    ("REFUSE", False, False): False,
    ("REFUSE", True, False): False,
    ("REFUSE", False, True): True,
    ("REFUSE", True, True): True,
}
OTHERS: dict[UpgradeMode, UpgradeMode] = {"query": "translate", "translate": "query"}


def _record(mode: UpgradeMode, verdict: str, other: str) -> UpgradeRecord:
    verdicts = {mode: verdict, OTHERS[mode]: other}
    reasons = {mode: ["too few", "too low"], OTHERS[mode]: ["not this one"]}
    facts = {"verdicts": verdicts, "reasons": reasons}
    return UpgradeRecord("verified", Generation("new", {}, {}), facts=facts)


@pytest.mark.parametrize("mode", OTHERS)
@pytest.mark.parametrize(("verdict", "accept_review", "force"), ALLOWED)
def test_a_mode_serves_by_its_own_verdict(
    mode: UpgradeMode, verdict: str, accept_review: bool, force: bool
) -> None:
    for other in ("PASS", "REFUSE"):
        record = _record(mode, verdict, other)
        if ALLOWED[verdict, accept_review, force]:
            require_verdict(record, mode, accept_review=accept_review, force=force)
            continue
        with pytest.raises(UpgradeRefusedError) as caught:
            require_verdict(record, mode, accept_review=accept_review, force=force)
        way_out = "accept_review=True" if verdict == "REVIEW" else "force=True"
        assert str(caught.value) == (
            f"expected the verdict PASS for cutover({mode!r}), got {verdict} (too few; too low): "
            "use another mode or aim, verify with judged queries, or "
            f"cutover({mode!r}, {way_out})"
        )


def test_the_table_is_whole() -> None:
    verdicts = ("PASS", "REVIEW", "REFUSE")
    assert set(ALLOWED) == set(itertools.product(verdicts, (False, True), (False, True)))
