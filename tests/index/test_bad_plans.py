"""Numbers that no plan can have, and which of several queries is wrong."""

from __future__ import annotations

import math
import sys

import pytest

import trivet
from trivet import Plan
from trivet.errors import InvalidPlanError, InvalidQueryError

HUGE = 10**400


@pytest.mark.parametrize("number", [HUGE, -HUGE, math.inf, -math.inf, math.nan, "1", None, True])
def test_a_number_that_is_none_is_refused_by_name(number: object) -> None:
    with pytest.raises(InvalidPlanError, match="the weight of dense to be a finite number from 0"):
        Plan(weights={"dense": number, "sparse": 1.0})
    with pytest.raises(InvalidPlanError, match="the depth of dense to be a whole number"):
        Plan({"dense": -1 if number is True else number})
    if number is not None:
        with pytest.raises(InvalidPlanError, match="threshold to be a finite number, got") as error:
            Plan({"dense": 9}, threshold=number)
        assert len(str(error.value)) < 100
    assert Plan({"dense": 9}, threshold=sys.float_info.max).threshold == sys.float_info.max


def test_of_several_queries_the_one_that_is_wrong_is_named(tiny_embedder) -> None:
    with trivet.open(":memory:", model=tiny_embedder, modes=["sparse"]) as index:
        index.add(["a kedge"])
        for wrong in ("", " ", None, 3):
            with pytest.raises(InvalidQueryError, match="query at position 2: expected a query"):
                index.search_many(["kedge", "anchor", wrong])
        with pytest.raises(InvalidQueryError, match=r"^expected a query with text"):
            index.search("")
