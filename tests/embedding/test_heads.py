"""Pooling looks at the tokens that the mask shows, and at no other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trivet.embedding import heads
from trivet.embedding.spec import POOLING_MODES

STATES = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_padding_is_never_looked_at(mode):
    other = STATES.clone()
    other[1, 2:] = 1e6
    pooled = heads.pool(STATES, MASK, [mode])
    np.testing.assert_array_equal(pooled, heads.pool(other, MASK, [mode]))
    shorter = heads.pool(STATES[1:, :2], MASK[1:, :2], [mode])
    np.testing.assert_allclose(pooled[1:], shorter, atol=1e-6)


@pytest.mark.parametrize("mode", ["cls", "max", "mean", "mean_sqrt_len_tokens", "lasttoken"])
def test_skipped_tokens_are_never_looked_at(mode):
    pooled = heads.pool(STATES, MASK, [mode], skip=1)
    expected = heads.pool(STATES[:, 1:], MASK[:, 1:], [mode])
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


def test_skipping_keeps_the_weights_of_the_places_that_stay():
    pooled = heads.pool(STATES, MASK, ["weightedmean"], skip=2)
    expected = (3 * STATES[0, 2] + 4 * STATES[0, 3]) / 7
    np.testing.assert_allclose(pooled[0], expected, atol=1e-6)


def test_the_callers_mask_is_left_as_it_was():
    before = MASK.clone()
    heads.pool(STATES, MASK, ["mean"], skip=1)
    np.testing.assert_array_equal(MASK, before)


def test_vectors_of_several_modes_are_concatenated_in_order():
    both = heads.pool(STATES, MASK, ["max", "cls"])
    assert both.shape == (2, 6)
    np.testing.assert_array_equal(both[:, :3], heads.pool(STATES, MASK, ["max"]))
    np.testing.assert_array_equal(both[:, 3:], STATES[:, 0])


def test_normalised_vectors_have_length_1_and_the_zero_vector_stays():
    vectors = torch.cat([STATES[0], torch.zeros(1, 3)])
    lengths = heads.normalise(vectors).norm(dim=1)
    np.testing.assert_allclose(lengths, [1, 1, 1, 1, 0], atol=1e-6)
