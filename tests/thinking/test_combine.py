"""Query and thoughts joined, against computations written out here."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trivet.errors import InvalidInputError
from trivet.thinking import Weights
from trivet.thinking.combine import (
    TermFrequencies,
    mean_vector,
    united_terms,
    united_weights,
    weighted_tokens,
)
from trivet.thinking.guard import guard_from, guard_texts
from trivet.types import SparseVector


def sparse(weights: dict[int, float]) -> SparseVector:
    terms = sorted(weights)
    return SparseVector(
        np.array(terms, np.uint32), np.array([weights[t] for t in terms], np.float32)
    )


def as_dict(vector: SparseVector) -> dict[int, float]:
    assert list(vector.indices) == sorted(vector.indices)
    return dict(zip(vector.indices.tolist(), vector.values.tolist(), strict=True))


def frequencies(counts: dict[int, int]) -> TermFrequencies:
    return TermFrequencies(
        np.array(list(counts), np.uint32), np.array(list(counts.values()), float)
    )


def test_the_mean_is_that_of_unit_vectors_and_of_unit_length() -> None:
    rng = np.random.default_rng(0)
    query, thoughts = rng.normal(size=5), rng.normal(size=(2, 5))
    query /= np.linalg.norm(query)
    made = mean_vector(query.astype(np.float32), thoughts.astype(np.float32), [1.0, 0.5], 0.8)
    summed = [
        query[d]
        + 0.8 * 1.0 * thoughts[0][d] / math.sqrt(sum(x * x for x in thoughts[0]))
        + 0.8 * 0.5 * thoughts[1][d] / math.sqrt(sum(x * x for x in thoughts[1]))
        for d in range(5)
    ]
    size = math.sqrt(sum(x * x for x in summed))
    assert np.allclose(made, [x / size for x in summed], atol=1e-6)
    assert made.dtype == np.float32


def test_a_query_that_is_not_of_unit_length_keeps_its_length() -> None:
    made = mean_vector(np.float32([3, 0]), np.float32([[0, 2]]), [1.0], 1.0)
    assert np.allclose(made, 3 / math.sqrt(2), atol=1e-6)


def test_opposite_thoughts_leave_the_query() -> None:
    query = np.float32([1, 0])
    assert mean_vector(query, -query[None], [1.0], 1.0) is query


def test_terms_are_damped_by_the_logarithm_of_their_number() -> None:
    made = united_terms(
        sparse({7: 1.0, 3: 1.0}), [frequencies({7: 1, 9: 3}), frequencies({9: 2, 1: 1})], 0.3, 10
    )
    assert as_dict(made) == pytest.approx(
        {1: 0.3 * 1.0, 3: 1.0, 7: 1.0 + 0.3 * 1.0, 9: 0.3 * math.log2(6)}, abs=1e-6
    )


def test_where_terms_are_too_many_those_of_the_first_thought_come_first() -> None:
    made = united_terms(
        sparse({1: 1.0}), [frequencies({5: 1, 6: 1}), frequencies({2: 9, 1: 1})], 0.3, 2
    )
    assert as_dict(made) == pytest.approx({1: 1.3, 5: 0.3, 6: 0.3}, abs=1e-6)


def test_learned_weights_take_the_largest_of_the_thoughts() -> None:
    made = united_weights(
        sparse({1: 2.0}), [sparse({1: 1.0, 4: 0.5, 6: 0.2}), sparse({4: 0.9, 8: 0.1})], 0.3, 2
    )
    assert as_dict(made) == pytest.approx({1: 2.3, 4: 0.27, 6: 0.06}, abs=1e-6)


def test_weighted_tokens_make_one_maxsim_of_two() -> None:
    rng = np.random.default_rng(1)
    query, one, two, document = (rng.normal(size=(n, 4)).astype(np.float32) for n in (3, 5, 9, 6))
    made = weighted_tokens(query, [one, two], [1.0, 3.0], 0.5, 7)

    def mean_maxsim(tokens) -> float:
        return sum(max(float(t @ d) for d in document) for t in tokens) / len(tokens)

    expected = mean_maxsim(query) + 0.5 * (0.25 * mean_maxsim(one) + 0.75 * mean_maxsim(two[:7]))
    best = (made.vectors @ document.T).max(axis=1)
    assert float(best @ made.weights) == pytest.approx(expected / 1.5, abs=1e-5)
    assert made.weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("wrong", [{"dense": -1}, {"sparse": float("nan")}, {"multi": float("inf")},
                                   {"terms": 0}, {"tokens": 0}])  # fmt: skip
def test_weights_that_mean_nothing_are_refused(wrong) -> None:
    with pytest.raises(InvalidInputError):
        Weights(**wrong)


def test_the_guard_turns_nearly_all_foreign_pairs_away() -> None:
    values = np.random.default_rng(2).normal(0.2, 0.1, 1000)
    guard = guard_from(values)
    assert sum(value >= guard for value in values) == 25
    with pytest.raises(InvalidInputError):
        guard_from([0.1] * 5)
    with pytest.raises(InvalidInputError):
        guard_from([float("nan")] * 50)


def test_foreign_pairs_are_of_one_topic_and_never_a_querys_own() -> None:
    texts = guard_texts()
    foreign, n = texts.is_foreign, len(texts.queries)
    assert foreign.shape == (n, 2 * n)
    assert len(texts.thoughts) == 2 * n
    for row in range(n):
        for column in range(2 * n):
            other = column % n
            same_topic = texts.topics[row] == texts.topics[other]
            assert foreign[row, column] == (same_topic and other != row)
