"""Every method of fitting, against an independent computation."""

from __future__ import annotations

import numpy as np
import pytest
from drifting import clustered, noisy, paired, rotation, unit
from scipy.linalg import orthogonal_procrustes

from trivet.drift.fitting import (
    fit_identity,
    fit_low_rank,
    fit_mean_shift,
    fit_procrustes,
    fit_ridge,
    fit_stretched,
)
from trivet.drift.pairs import Pairs
from trivet.errors import DriftError, PairsError, UnmappableSpaceError


def test_mean_shift_is_the_published_formula() -> None:
    pairs = noisy(40)
    came = fit_mean_shift(pairs).apply_rows(pairs.before)
    # q - mean(f_new - f_old), as in query drift compensation; the length does not matter.
    shifted = pairs.before - (pairs.before - pairs.after).mean(axis=0)
    np.testing.assert_allclose(came, unit(shifted), atol=1e-5)


def test_mean_shift_undoes_a_pure_shift_with_fifty_pairs() -> None:
    before = clustered(50, 16, 0)
    shift = np.full(16, 0.05, dtype=np.float32)
    others = clustered(30, 16, 1)
    drift = fit_mean_shift(paired(before, before + shift))
    np.testing.assert_allclose(drift.apply_rows(others), unit(others + shift), atol=1e-5)


def test_plain_procrustes_is_scipys() -> None:
    pairs = noisy(60)
    [step] = fit_procrustes(pairs).steps
    expected, _ = orthogonal_procrustes(
        pairs.before.astype(np.float64), pairs.after.astype(np.float64)
    )
    np.testing.assert_allclose(step.factors[0], expected, atol=1e-5)
    np.testing.assert_array_equal(step.shift, np.zeros(12))


def test_centred_and_scaled_procrustes_is_scipys_about_the_means() -> None:
    pairs = noisy(60)
    [step] = fit_procrustes(pairs, centred=True, scaled=True).steps
    x, y = pairs.before.astype(np.float64), pairs.after.astype(np.float64)
    x0, y0 = x - x.mean(0), y - y.mean(0)
    turned, total = orthogonal_procrustes(x0, y0)
    expected = turned * total / (x0**2).sum()
    np.testing.assert_allclose(step.factors[0], expected, atol=1e-5)
    np.testing.assert_allclose(step.shift, y.mean(0) - x.mean(0) @ expected, atol=1e-5)


@pytest.mark.parametrize(("d", "to"), [(12, 8), (8, 12)])
def test_procrustes_of_unequal_dims_is_that_of_vectors_filled_with_zeros(d: int, to: int) -> None:
    pairs = noisy(80, d, to)
    most = max(d, to)
    x = np.pad(pairs.before.astype(np.float64), [(0, 0), (0, most - d)])
    y = np.pad(pairs.after.astype(np.float64), [(0, 0), (0, most - to)])
    filled, _ = orthogonal_procrustes(x, y)
    [step] = fit_procrustes(pairs).steps
    np.testing.assert_allclose(step.factors[0], filled[:d, :to], atol=1e-5)


def test_the_scale_of_a_narrowing_rotation_has_the_least_error() -> None:
    pairs = noisy(80, 12, 8)
    [step] = fit_procrustes(pairs, centred=True, scaled=True).steps

    def error(factor: float) -> float:
        matrix = factor * step.factors[0].astype(np.float64)
        x = pairs.before - pairs.before.mean(0)
        return float((((pairs.after - pairs.after.mean(0)) - x @ matrix) ** 2).sum())

    assert error(1.0) < min(error(0.99), error(1.01))


@pytest.mark.parametrize("to", [12, 8])
def test_a_stretched_rotation_is_scipys_of_equal_spread_about_the_mean_of_queries(to: int) -> None:
    pairs, queries = noisy(80, 12, to), clustered(30, 12, 5)
    x, y = pairs.before.astype(np.float64), pairs.after.astype(np.float64)
    x0, y0 = x - x.mean(0), y - y.mean(0)
    turned, _ = orthogonal_procrustes(x0, np.pad(y0, [(0, 0), (0, 12 - to)]))
    turned = turned[:, :to]
    turned *= np.linalg.norm(y0) / np.linalg.norm(x0 @ turned)
    maps = fit_stretched(pairs, queries, stretches=(1.0, 2.5))
    for drift, stretch in zip(maps, (1.0, 2.5), strict=True):
        expected = (queries - queries.astype(np.float64).mean(0)) @ turned * stretch + y.mean(0)
        np.testing.assert_allclose(drift.apply_rows(queries), unit(expected), atol=1e-5)
        assert drift.parameters == {"centred": "queries", "stretch": stretch}


def test_stretched_rotations_are_refused_what_they_cannot_be_fitted_to() -> None:
    pairs = noisy(80)
    with pytest.raises(PairsError, match="at least 12 pairs"):
        fit_stretched(noisy(11), clustered(5, 12, 0))
    with pytest.raises(PairsError, match=r"\(m, 12\) queries"):
        fit_stretched(pairs, clustered(5, 8, 0))
    with pytest.raises(DriftError, match="stretches above 0"):
        fit_stretched(pairs, clustered(5, 12, 0), stretches=(0.0,))


@pytest.mark.parametrize("prior", ["identity", "procrustes", "zero"])
@pytest.mark.parametrize("strength", [0.03, 1.0, 30.0])
def test_ridge_is_least_squares_on_an_augmented_system(prior: str, strength: float) -> None:
    pairs = noisy(60)
    [step] = fit_ridge(pairs, priors=(prior,), strengths=(strength,)).steps
    x, y = pairs.before.astype(np.float64), pairs.after.astype(np.float64)
    x0, y0 = x - x.mean(0), y - y.mean(0)
    turned, total = orthogonal_procrustes(x0, y0)
    towards = {"identity": np.eye(12), "zero": np.zeros((12, 12))}.get(
        prior, turned * total / (x0**2).sum()
    )
    # A row of sqrt(penalty) for every direction of the prior, and a free column for the shift.
    root = np.sqrt(strength * (x0**2).sum() / 12)
    rows = np.block([[x, np.ones((60, 1))], [root * np.eye(12), np.zeros((12, 1))]])
    expected = np.linalg.lstsq(rows, np.vstack([y, root * towards]), rcond=None)[0]
    np.testing.assert_allclose(step.factors[0], expected[:-1], atol=1e-5)
    np.testing.assert_allclose(step.shift, expected[-1], atol=1e-5)


def test_an_endless_strength_towards_the_identity_is_the_mean_shift() -> None:
    pairs, others = noisy(60), clustered(20, 12, 5)
    ridge = fit_ridge(pairs, priors=("identity",), strengths=(1e9,))
    expected = fit_mean_shift(pairs).apply_rows(others)
    np.testing.assert_allclose(ridge.apply_rows(others), expected, atol=1e-5)


def test_low_rank_is_the_ridge_cut_to_its_main_predictions() -> None:
    pairs = noisy(60)
    [step] = fit_low_rank(pairs, rank=4, strengths=(0.1,)).steps
    x = pairs.before.astype(np.float64)
    y = pairs.after.astype(np.float64)
    x0, y0 = x - x.mean(0), y - y.mean(0)
    ridge = np.linalg.solve(x0.T @ x0 + 0.1 * (x0**2).sum() / 12 * np.eye(12), x0.T @ y0)
    # The best approximation of rank 4 of the predictions, by their singular vectors.
    left, values, right = np.linalg.svd(x0 @ ridge)
    expected = (left[:, :4] * values[:4]) @ right[:4]
    came = (x0 @ step.factors[0]) @ step.factors[1]
    np.testing.assert_allclose(came, expected, atol=1e-5)
    assert step.factors[0].shape == (12, 4)


def test_ridge_chooses_what_is_nearest_on_held_out_pairs() -> None:
    fitted, held = noisy(200).split(0.2, seed=0)
    strengths = (0.01, 1.0, 100.0)
    chosen = fit_ridge(fitted, held, strengths=strengths)

    def cosine(prior: str, strength: float) -> float:
        made = fit_ridge(fitted, priors=(prior,), strengths=(strength,)).apply_rows(held.before)
        return float((made * held.after).sum(axis=1).mean())

    every = {(p, s): cosine(p, s) for p in ("identity", "procrustes", "zero") for s in strengths}
    best = max(every, key=lambda choice: every[choice])
    assert (chosen.parameters["prior"], chosen.parameters["strength"]) == best


def test_a_rotated_and_shifted_space_is_recovered() -> None:
    before = clustered(1000, 24, 2)
    after = unit(before @ rotation(24, 7) + 0.04)
    fitted, held = paired(before, after).split(0.2, seed=0)
    made = fit_ridge(fitted, held).apply_rows(held.before)
    came = np.argsort(-(made @ after.T), axis=1)[:, :10]
    expected = np.argsort(-(held.after @ after.T), axis=1)[:, :10]
    shared = [len(set(a) & set(b)) / 10 for a, b in zip(came, expected, strict=True)]
    assert np.mean(shared) >= 0.99


def test_a_mean_of_ten_pairs_drawn_to_the_identity_is_near_the_truth() -> None:
    """With next to no pairs, a strong prior keeps what a plain fit loses."""
    before = clustered(300, 24, 3)
    after = unit(before + 0.1 * np.random.default_rng(0).standard_normal(before.shape))
    pairs = paired(before, after)
    few, others = pairs.take(np.arange(10)), pairs.take(np.arange(10, 300))

    def cosine(rows: np.ndarray) -> float:
        return float((rows * others.after).sum(axis=1).mean())

    anchored = fit_ridge(few, priors=("identity",), strengths=(100.0,)).apply_rows(others.before)
    plain = fit_ridge(few, priors=("zero",), strengths=(0.01,)).apply_rows(others.before)
    assert cosine(anchored) > cosine(fit_identity(few).apply_rows(others.before)) - 0.03
    assert cosine(anchored) > cosine(plain) + 0.1


@pytest.mark.parametrize(
    "fit", [fit_procrustes, lambda p: fit_low_rank(p, strengths=(1.0,), rank=4)]
)
def test_fewer_pairs_than_dims_are_refused_where_directions_are_unseen(fit) -> None:
    with pytest.raises(PairsError, match=r"at least 12 pairs.*got 11"):
        fit(noisy(11))


def test_fewer_pairs_than_dims_leave_ridge_two_priors() -> None:
    fitted, held = noisy(40, 64).split(0.25, seed=0)
    assert fit_ridge(fitted, held).parameters["prior"] in {"identity", "zero"}
    with pytest.raises(PairsError, match="towards procrustes"):
        fit_ridge(fitted, held, priors=("procrustes",))


@pytest.mark.parametrize("fit", [fit_mean_shift, fit_identity])
def test_methods_without_a_matrix_need_equal_dims(fit) -> None:
    with pytest.raises(UnmappableSpaceError, match="equal dims"):
        fit(noisy(40, 12, 8))


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(PairsError, match="at least 10 pairs"):
        fit_mean_shift(noisy(9))
    with pytest.raises(PairsError, match="at least 10 pairs"):
        fit_ridge(noisy(9), priors=("zero",), strengths=(1.0,))


def test_ridge_refuses_a_leak() -> None:
    pairs = noisy(40)
    with pytest.raises(PairsError, match="other documents"):
        fit_ridge(pairs, pairs.take(np.arange(10)))
    renamed = Pairs(pairs.source, pairs.target, pairs.before, pairs.after, ("x",) * 40, pairs.kinds)
    with pytest.raises(PairsError, match="texts that were not fitted to"):
        fit_ridge(pairs, renamed)


def test_ridge_refuses_what_it_cannot_choose() -> None:
    with pytest.raises(DriftError, match="expected priors"):
        fit_ridge(noisy(40), priors=("nothing",), strengths=(1.0,))
    with pytest.raises(DriftError, match="strengths above 0"):
        fit_ridge(noisy(40), priors=("zero",), strengths=(0.0,))
    with pytest.raises(DriftError, match="held-out pairs to choose"):
        fit_ridge(noisy(40))
    with pytest.raises(UnmappableSpaceError, match="equal dims"):
        fit_ridge(noisy(40, 12, 8), priors=("identity",), strengths=(1.0,))
    with pytest.raises(DriftError, match="rank between 1 and 12"):
        fit_low_rank(noisy(40), rank=13, strengths=(1.0,))
