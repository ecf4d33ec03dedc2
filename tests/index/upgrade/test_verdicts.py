"""Which verdicts let the newer model answer, in which mode, and what is said where they do not."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path

import pytest

import trivet
from trivet.errors import InvalidInputError, UpgradeRefusedError
from trivet.index.upgrade.checks import require_verdict
from trivet.index.upgrade.judging import judged_within
from trivet.index.upgrade.values import UpgradeMode
from trivet.store.generations import Generation, UpgradeRecord

from .stages import verified

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


@pytest.fixture
def location() -> str:
    return ":memory:"


def test_judgements_of_documents_that_are_not_there_pass_nothing(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    """Every model finds none of them, and so each is as good as the other."""
    upgrade = verified(index, drifted_model)
    upgrade.fit("gain")
    judged = {texts[f"d{i}"]: {f"typo {i}": 1} for i in range(40)}
    with pytest.raises(InvalidInputError, match="got 40 that are not, such as 'typo 0'"):
        upgrade.verify(judged)
    assert upgrade.state == "fitted"
    report = upgrade.verify({**judged, texts["d50"]: {"d50": 1, "typo": 2}})
    assert report.judged is not None
    # Of one query nothing follows.
    assert (report.judged.reembedded.n, report.judged.reembedded.value) == (1, 1.0)
    assert report.verdicts["query"].verdict == "REVIEW"


def test_judgements_that_are_left_out_are_named(caplog: pytest.LogCaptureFixture) -> None:
    judged = {"a": {"here": 1, "gone": 2}, "b": {"gone": 1}, "c": {"there": 3}}
    with caplog.at_level(logging.WARNING):
        left = judged_within(judged, {"here", "there"})
    assert left == {"a": {"here": 1}, "c": {"there": 3}}
    assert "1 judged documents are not in the index" in caplog.text
    assert judged_within({}, {"here"}) == {}
