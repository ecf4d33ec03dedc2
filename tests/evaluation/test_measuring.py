"""Metrics and intervals, against the same arithmetic written out."""

from __future__ import annotations

import sys
from math import log2

import numpy as np
import pytest
from scipy import stats

from trivet.errors import InvalidInputError, MissingExtraError
from trivet.evaluation.bootstrap import interval, resampled_means
from trivet.evaluation.metrics import judged, parsed_metrics


def test_metrics_of_a_ranking_are_what_their_definitions_say():
    qrels = {"q": {"a": 2, "b": 1, "c": 1, "z": 0}, "nothing": {"a": 1}}
    rankings = {"nothing": [], "q": ["z", "b", "x", "a"]}
    metrics = parsed_metrics(["nDCG@10", "RR@10", "R@2", "AP"])
    ideal = 2 / log2(2) + 1 / log2(3) + 1 / log2(4)
    ndcg = (1 / log2(3) + 2 / log2(5)) / ideal
    expected = [[0, 0, 0, 0], [ndcg, 1 / 2, 1 / 3, (1 / 2 + 2 / 4) / 3]]
    np.testing.assert_allclose(judged(metrics, qrels, rankings), expected, atol=1e-6)
    assert [metric.depth for metric in metrics] == [10, 10, 2, 100]


def test_a_query_that_found_nothing_has_0_of_measures_that_divide_by_its_hits():
    metrics = parsed_metrics(["Judged@10", "P@2"])
    found = judged(metrics, {"q": {"a": 1}, "nothing": {"a": 1}}, {"nothing": [], "q": ["a"]})
    np.testing.assert_array_equal(found, [[0, 0], [1, 0.5]])


def test_the_order_of_a_ranking_counts_beyond_what_scores_can_tell():
    # 1,000 hits: single-precision scores of neighbours would be near each other.
    rankings = {"q": [f"d{i}" for i in range(1000)]}
    found = judged(parsed_metrics(["RR"]), {"q": {"d999": 1}}, rankings)
    np.testing.assert_allclose(found, [[1 / 1000]], atol=1e-9)


@pytest.mark.parametrize(
    "names", [["no such"], ["INSQ"], ["nDCG@x"], ["nDCG@0"], ["R@20000"], [], "nDCG@10"]
)
def test_metrics_that_do_not_exist_are_refused(names):
    with pytest.raises(InvalidInputError, match="expected"):
        parsed_metrics(names)


def test_a_metric_is_not_named_twice():
    with pytest.raises(InvalidInputError, match="each metric once"):
        parsed_metrics(["nDCG@10", "nDCG@10"])


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(MissingExtraError, match=r"trivet\[eval\]"):
        parsed_metrics(["nDCG@10"])


def test_intervals_agree_with_scipys_bootstrap():
    values = np.random.default_rng(5).beta(0.5, 0.5, size=(80, 2))
    means = resampled_means(values, seed=1)
    for column in range(2):
        theirs = stats.bootstrap(
            (values[:, column],), np.mean, n_resamples=10_000, method="percentile", rng=7
        )
        low, high = interval(means[:, column])
        # Both are drawn by chance: 10,000 resamples tell a bound to a few hundredths of an error.
        tolerance = 0.08 * theirs.standard_error
        assert low == pytest.approx(theirs.confidence_interval.low, abs=tolerance)
        assert high == pytest.approx(theirs.confidence_interval.high, abs=tolerance)


def test_resampled_means_spread_as_the_means_error_says():
    values = np.random.default_rng(2).normal(size=(50, 1))
    spread = resampled_means(values, seed=0).std()
    assert spread == pytest.approx(values.std() / np.sqrt(50), rel=0.03)


def test_columns_are_drawn_together_so_that_pairs_stay_pairs():
    first = np.random.default_rng(3).normal(size=40)
    means = resampled_means(np.stack([first, first + 0.25], axis=1), seed=0, resamples=700)
    np.testing.assert_allclose(means[:, 1] - means[:, 0], 0.25, atol=1e-12)
    assert len(means) == 700


def test_the_seed_decides():
    values = np.arange(30.0)[:, None]
    same = resampled_means(values, seed=4, resamples=50)
    np.testing.assert_array_equal(same, resampled_means(values, seed=4, resamples=50))
    assert (same != resampled_means(values, seed=5, resamples=50)).any()
