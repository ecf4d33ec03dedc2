"""The picture of an evaluation."""

from __future__ import annotations

import sys

import pytest

from trivet.errors import InvalidInputError, MissingExtraError
from trivet.evaluation.plot import plot


def test_a_picture_is_drawn_without_a_window(found, tmp_path):
    plot(found, tmp_path / "plans.png")
    assert (tmp_path / "plans.png").read_bytes().startswith(b"\x89PNG")
    plot(found, tmp_path / "plans.SVG")
    drawn = (tmp_path / "plans.SVG").read_text()
    assert "<svg" in drawn
    # Text is drawn as shapes, each beside a comment that says what it was.
    assert all(f"<!-- {plan.name} -->" in drawn for plan in found.plans)
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize("name", ["plans.pdf", "plans", "absent/plans.png"])
def test_other_kinds_and_places_are_refused(found, tmp_path, name):
    with pytest.raises(InvalidInputError, match="expected a"):
        plot(found, tmp_path / name)


def test_without_the_extra_the_error_names_it(found, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"trivet\[eval\]"):
        plot(found, tmp_path / "plans.png")
