"""Hits held against each other, where an exact comparison would ask too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

import trivet


def assert_same(came: Sequence[trivet.Hit], expected: Sequence[trivet.Hit]) -> None:
    """The same hits; NumPy's products may have other last bits in other places of the memory."""
    for here, there in zip(came, expected, strict=True):
        assert here.score == pytest.approx(there.score, abs=1e-6)
        assert here.scores == pytest.approx(there.scores, abs=1e-6)
        assert replace(here, score=0.0, scores={}) == replace(there, score=0.0, scores={})
