"""Plans are values: what cannot mean anything is refused when they are made."""

from __future__ import annotations

import math

import pytest

from trivet import Plan
from trivet.errors import InvalidPlanError
from trivet.plan import PRESETS, best_plan, checked_plan


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"depths": {}}, "depths of one leg or more"),
        ({"depths": {"dense": 0}}, "the depth of dense to be a whole number from 1"),
        ({"depths": {"dense": True}}, "the depth of dense"),
        ({"depths": {"thick": 10}}, "expected depths of dense, sparse, multi, got 'thick'"),
        ({"depths": ["dense"]}, "expected depths by mode"),
        ({"depths": {"dense": 10, "sparse": 10}}, "a weight of every leg .* got none of dense"),
        ({"weights": {"dense": -1.0, "sparse": 1.0}}, "the weight of dense"),
        ({"weights": {"dense": math.nan, "sparse": 1.0}}, "finite number"),
        ({"weights": {"dense": math.inf, "sparse": 1.0}}, "finite number"),
        ({"weights": {"dense": 0.0, "sparse": 0.0}}, "a weight above 0"),
        ({"weights": {"dense": 1e-60, "sparse": 0.0}}, "a weight above 0"),
        ({"weights": {"dense": 1e60, "sparse": 0.0}}, "a finite number from 0 to 1e\\+06"),
        ({"depths": {"sparse": 10}, "weights": {"sparse": 1}, "sparse_half": 1e60}, "sparse_half"),
        ({"fuse": "sum"}, "one of scores, dbsf, rrf, got 'sum'"),
        ({"fuse": "dbsf", "weights": {"dense": 2.0}}, "no weights but 1"),
        ({"fuse": "rrf", "rrf_k": 0}, "rrf_k"),
        ({"fuse": "rrf", "threshold": 0.1}, "no threshold"),
        ({"depths": {"sparse": 10}, "threshold": 0.1}, "no threshold"),
        (
            {"depths": {"dense": 10}, "relevance": 1.5},
            "relevance to be a finite number from 0 to 1",
        ),
        ({"depths": {"dense": 10}, "relevance": 0.5, "threshold": 0.1}, "no threshold"),
        ({"depths": {"dense": 10}, "offset": -1}, "offset"),
        ({"depths": {"dense": 10}, "rescore": 0}, "rescore"),
        ({"depths": {"dense": 10}, "per_document": 0}, "per_document"),
        ({"depths": {"dense": 10}, "dense_floor": 2.0}, "dense_floor"),
    ],
)
def test_a_plan_that_means_nothing_is_refused(values: dict, message: str) -> None:
    with pytest.raises(InvalidPlanError, match=message):
        Plan(**values)


def test_presets_ask_for_the_legs_of_their_names() -> None:
    assert PRESETS["hybrid3"].legs == ("dense", "sparse", "multi")
    assert PRESETS["hybrid2"].legs == ("dense", "sparse")
    assert sum(PRESETS["hybrid3"].weights.values()) == pytest.approx(1.0)
    with pytest.raises(InvalidPlanError, match="needs multi"):
        checked_plan("hybrid3", ("dense", "sparse"))
    with pytest.raises(InvalidPlanError, match="one of hybrid3, hybrid2"):
        checked_plan("hybrid4", ("dense", "sparse"))
    with pytest.raises(InvalidPlanError, match="preset's name, got int"):
        checked_plan(3, ("dense",))
    assert checked_plan("rrf", ("dense", "sparse")).legs == ("dense", "sparse")
    assert checked_plan("rrf", ("dense", "sparse", "multi")).legs == ("dense", "sparse", "multi")


@pytest.mark.parametrize(
    "modes",
    [
        ("dense",), ("sparse",), ("multi",), ("dense", "sparse"), ("dense", "multi"),
        ("sparse", "multi"), ("dense", "sparse", "multi"),
    ],
)  # fmt: skip
def test_there_is_a_best_plan_for_any_legs(modes: tuple) -> None:
    plan = best_plan(modes, depth=7)
    assert plan.legs == modes
    assert set(plan.depths.values()) == {7}


def test_a_query_without_a_legs_vector_keeps_the_rest_of_the_plan() -> None:
    plan = PRESETS["hybrid3"]
    rest = plan.without(["sparse"])
    assert rest is not None
    assert rest.legs == ("dense", "multi")
    assert rest.weights["multi"] == plan.weights["multi"]
    tokens = plan.without(["dense", "sparse"])
    assert tokens is not None
    assert (tokens.depths, tokens.weights) == ({"multi": 30}, {"multi": 0.5})
    assert plan.without(["dense", "sparse", "multi"]) is None
    assert Plan({"sparse": 10}).without(["sparse"]) is None


def test_a_weight_that_ranks_nothing_alone_leaves_no_plan() -> None:
    plan = Plan(weights={"dense": 1.0, "sparse": 1e-9})
    assert plan.without(["dense"]) is None
    assert plan.without(["sparse"]) is not None
