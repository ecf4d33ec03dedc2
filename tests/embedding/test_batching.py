"""Batches hold every text once, within the budget, and results come back in order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trivet.embedding.batching import pad, plan_batches, restore_order

LENGTHS = st.lists(st.integers(1, 600), min_size=1, max_size=60)


@given(LENGTHS, st.integers(1, 2048))
def test_every_text_is_in_one_batch_within_the_budget(lengths, budget):
    batches = plan_batches(lengths, budget=budget)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        widest = max(lengths[position] for position in batch)
        assert len(batch) == 1 or widest * len(batch) <= budget


@given(LENGTHS, st.integers(0, 200))
def test_a_batch_is_padded_by_no_more_than_it_may(lengths, padding):
    for batch in plan_batches(lengths, pass_tokens=padding):
        widest = max(lengths[position] for position in batch)
        assert sum(widest - lengths[position] for position in batch) <= padding


@given(LENGTHS)
def test_no_text_is_shorter_than_one_of_a_later_batch(lengths):
    batches = plan_batches(lengths, budget=512)
    ordered = [lengths[position] for batch in batches for position in batch]
    assert ordered == sorted(lengths, reverse=True)


@given(LENGTHS, st.integers(0, 200))
def test_no_batch_holds_more_padding_than_another_pass_costs(lengths, pass_tokens):
    for batch in plan_batches(lengths, budget=2048, pass_tokens=pass_tokens):
        widest = max(lengths[position] for position in batch)
        assert sum(widest - lengths[position] for position in batch) <= pass_tokens


def test_a_batch_ends_where_its_padding_would_cost_more_than_another_pass():
    lengths = [100, 98, 60, 20, 19, 18]
    assert plan_batches(lengths, budget=600, pass_tokens=42) == [[0, 1, 2], [3, 4, 5]]
    assert plan_batches(lengths, budget=600, pass_tokens=41) == [[0, 1], [2, 3], [4, 5]]
    assert plan_batches(lengths, budget=600, pass_tokens=600) == [[0, 1, 2, 3, 4, 5]]
    assert plan_batches(lengths, budget=199, pass_tokens=600) == [[0], [1, 2], [3, 4, 5]]


def test_batches_are_filled_before_a_new_one_begins():
    assert plan_batches([10] * 9, budget=40) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert plan_batches([3, 100, 2], budget=6) == [[1], [0, 2]]
    assert plan_batches([30, 20, 10, 10], pass_tokens=10) == [[0, 1], [2, 3]]
    assert plan_batches([30, 20, 10, 10], pass_tokens=30) == [[0, 1, 2], [3]]
    assert plan_batches([]) == []


@given(LENGTHS)
def test_rows_come_back_in_the_order_of_the_texts(lengths):
    batches = plan_batches(lengths, budget=300)
    parts = [np.array([[position, -position] for position in b], dtype=np.float32) for b in batches]
    restored = restore_order(parts, batches)
    np.testing.assert_array_equal(restored[:, 0], np.arange(len(lengths)))
    assert restored.dtype == np.float32


def test_padding_is_on_the_right_and_marked():
    ids, mask = pad([[5, 6, 7], [8]], pad_id=1)
    assert ids.tolist() == [[5, 6, 7], [8, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
