"""Drift maps as values: applied, joined, kept on disk, refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drifting import clustered, noisy, paired, space, unit

from trivet.drift import DriftMap
from trivet.drift.affine import Affine
from trivet.drift.fitting import fit_low_rank, fit_mean_shift, fit_procrustes, fit_ridge
from trivet.errors import (
    DriftError,
    DriftMapFileError,
    SpaceMismatchError,
    UnmappableSpaceError,
)
from trivet.types import DenseVectors, MultiVectors, Space


def test_mapped_vectors_are_in_the_target_space_with_length_one() -> None:
    pairs = noisy(60, 12, 8)
    came = fit_procrustes(pairs).apply(DenseVectors(pairs.source, pairs.before))
    assert came.space == pairs.target
    assert came.values.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(came.values, axis=1), 1.0, atol=1e-6)


def test_a_map_does_not_touch_what_it_is_given() -> None:
    pairs = noisy(60)
    before = pairs.before.copy()
    fit_mean_shift(pairs).apply_rows(pairs.before)
    np.testing.assert_array_equal(pairs.before, before)


def test_a_map_is_a_value() -> None:
    pairs = noisy(60)
    one, same, other = (
        fit_mean_shift(pairs),
        fit_mean_shift(pairs),
        fit_mean_shift(noisy(60, seed=1)),
    )
    assert one == same
    assert one != other
    assert one != replace(same, method="another")
    assert len({one, same, other}) == 2
    shift = np.zeros(12, dtype=np.float32)
    step = Affine((), shift)
    shift[0] = 1.0  # the caller's own
    assert step.shift[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        step.shift[0] = 1.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_rows_of_any_precision_come_back_as_float32(dtype: type[np.floating]) -> None:
    pairs = noisy(60, 12, 8)
    drift = fit_procrustes(pairs)
    came = drift.apply_rows(pairs.before.astype(dtype))
    assert (came.dtype, came.shape) == (np.float32, (60, 8))
    np.testing.assert_allclose(came, drift.apply_rows(pairs.before), atol=1e-2)
    assert drift.apply_rows(np.zeros((0, 12), dtype)).shape == (0, 8)


@pytest.mark.parametrize("shape", [(12,), (3, 8), (2, 3, 12), ()])
def test_rows_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    drift = fit_procrustes(noisy(60, 12, 8))
    with pytest.raises(DriftError, match=r"expected \(n, 12\) vectors"):
        drift.apply_rows(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("rows", "came"),
    [
        (np.full((2, 12), np.nan), "finite vectors, got NaN"),
        (np.full((1, 12), np.inf, dtype=np.float32), "finite vectors, got NaN or an infinity"),
        (np.full((1, 12), "a"), "an array, got <U1"),
        (np.ones((1, 12), dtype=np.complex64), "an array, got complex64"),
        ([[1.0] * 12], "an array, got list"),
        (None, "an array, got NoneType"),
    ],
)
def test_what_is_no_array_of_finite_numbers_is_refused(rows: object, came: str) -> None:
    with pytest.raises(DriftError, match=came):
        fit_mean_shift(noisy(60)).apply_rows(rows)


def test_what_is_neither_vectors_nor_a_map_is_refused() -> None:
    drift = fit_mean_shift(noisy(60))
    with pytest.raises(DriftError, match="expected DenseVectors or MultiVectors, got ndarray"):
        drift.apply(np.ones((1, 12), dtype=np.float32))
    with pytest.raises(DriftError, match="expected a DriftMap to join, got NoneType"):
        drift.then(None)


def test_tokens_are_mapped_one_by_one() -> None:
    pairs = noisy(60)
    source, target = (
        Space("multi", name, 12, {"weights": name}) for name in ("new tokens", "old tokens")
    )
    drift = fit_ridge(pairs, priors=("zero",), strengths=(1.0,))
    tokens = DriftMap(source, target, "ridge", {}, drift.provenance, drift.steps)
    texts = (pairs.before[:3], pairs.before[3:3], pairs.before[3:8])
    came = tokens.apply(MultiVectors(source, texts))
    assert came.space == target
    assert [len(part) for part in came.values] == [3, 0, 5]
    np.testing.assert_allclose(
        np.concatenate(came.values), drift.apply_rows(pairs.before[:8]), atol=1e-6
    )
    assert tokens.apply(MultiVectors(source, ())).values == ()


def test_vectors_of_another_space_are_refused() -> None:
    pairs = noisy(60)
    with pytest.raises(SpaceMismatchError, match=r"'new', got .* of 'old'"):
        fit_mean_shift(pairs).apply(DenseVectors(pairs.target, pairs.after))


def test_joined_maps_are_one_after_the_other() -> None:
    first, second = noisy(60, 12, 8), noisy(60, 8, 10, seed=1)
    third = space("oldest", 10)
    a = fit_ridge(first, priors=("zero",), strengths=(0.1,))
    b = fit_procrustes(second)
    b = DriftMap(first.target, third, b.method, b.parameters, b.provenance, b.steps)
    both = a.then(b)
    assert (both.source, both.target) == (first.source, third)
    rows = clustered(20, 12, 4)
    np.testing.assert_allclose(both.apply_rows(rows), b.apply_rows(a.apply_rows(rows)), atol=1e-6)
    assert both.method == "ridge then procrustes"
    assert both.provenance.scores == {}
    with pytest.raises(SpaceMismatchError, match="a map that ends"):
        b.then(a)


def test_mean_shifts_of_several_steps_are_summed() -> None:
    pairs, later = noisy(60), noisy(60, seed=1)
    a = fit_mean_shift(pairs)
    b = fit_mean_shift(later)
    b = DriftMap(pairs.target, later.target, b.method, {}, b.provenance, b.steps)
    # The target of both is "old": give the last another name.
    b = DriftMap(pairs.target, space("oldest", 12), b.method, {}, b.provenance, b.steps)
    rows = clustered(20, 12, 4)
    sum_of_shifts = (pairs.before - pairs.after).mean(0) + (later.before - later.after).mean(0)
    np.testing.assert_allclose(a.then(b).apply_rows(rows), unit(rows - sum_of_shifts), atol=1e-5)


@pytest.mark.parametrize(
    "fit",
    [
        fit_mean_shift,
        fit_procrustes,
        lambda pairs: fit_low_rank(pairs, rank=3, strengths=(0.1,)),
        lambda pairs: fit_ridge(pairs, priors=("zero",), strengths=(0.1,)),
    ],
)
def test_a_saved_map_is_read_back_equal(fit, tmp_path: Path) -> None:
    pairs = noisy(60)
    drift = fit(pairs)
    drift.save(tmp_path / "map")
    came = DriftMap.load(tmp_path / "map")
    assert (came.source, came.target, came.method) == (drift.source, drift.target, drift.method)
    assert came.parameters == drift.parameters
    assert came.provenance == drift.provenance
    np.testing.assert_array_equal(came.apply_rows(pairs.before), drift.apply_rows(pairs.before))
    assert came == drift
    assert hash(came) == hash(drift)


def _saved(folder: Path) -> Path:
    fit_procrustes(noisy(60)).save(folder)
    return folder


def test_a_damaged_number_is_noticed(tmp_path: Path) -> None:
    file = _saved(tmp_path) / "drift.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DriftMapFileError, match="damaged"):
        DriftMap.load(tmp_path)


def test_an_edited_fact_is_noticed(tmp_path: Path) -> None:
    file = _saved(tmp_path) / "drift.json"
    facts = json.loads(file.read_text())
    file.write_text(json.dumps({**facts, "method": "ridge"}))
    with pytest.raises(DriftMapFileError, match="damaged"):
        DriftMap.load(tmp_path)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    """Also where its checksum is right."""
    file = _saved(tmp_path) / "drift.json"
    facts = {**json.loads(file.read_text()), "format": "trivet-drift-map-2"}
    content = {name: value for name, value in facts.items() if name != "checksum"}
    numbers = (tmp_path / "drift.safetensors").read_bytes()
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode() + numbers).hexdigest()
    file.write_text(json.dumps({**facts, "checksum": digest}))
    with pytest.raises(DriftMapFileError, match="another version's"):
        DriftMap.load(tmp_path)
    for key in ("source", "provenance", "factors"):
        facts = {**content, "format": "trivet-drift-map-1", key: ["wrong"]}
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode() + numbers).hexdigest()
        file.write_text(json.dumps({**facts, "checksum": digest}))
        with pytest.raises(DriftMapFileError, match="fit the map again"):
            DriftMap.load(tmp_path)


@pytest.mark.parametrize("content", ['{"format": "other"}', "[]", "no json", "[" * 100_000])
def test_a_foreign_file_is_refused(content: str, tmp_path: Path) -> None:
    (_saved(tmp_path) / "drift.json").write_text(content)
    with pytest.raises(DriftMapFileError, match="fit the map again"):
        DriftMap.load(tmp_path)


def test_a_missing_or_cut_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DriftMapFileError, match="fit the map again"):
        DriftMap.load(tmp_path / "nowhere")
    file = _saved(tmp_path) / "drift.safetensors"
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(DriftMapFileError):
        DriftMap.load(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DriftMapFileError, match="cannot write"):
        fit_procrustes(noisy(60)).save(tmp_path / "file")


def test_sparse_spaces_have_no_map_and_the_error_says_what_to_do() -> None:
    pairs = noisy(60)
    drift = fit_mean_shift(pairs)

    def between(a: Space, b: Space) -> None:
        DriftMap(a, b, "ridge", {}, drift.provenance, drift.steps)

    here, there = (Space("sparse", name, None, {"tokenizer": name}) for name in ("a", "b"))
    with pytest.raises(UnmappableSpaceError, match=r"another there.*Keep embedding.*BM25"):
        between(here, there)
    with pytest.raises(UnmappableSpaceError, match="follow no linear rule"):
        between(here, Space("sparse", "c", None, {"tokenizer": "a", "weights": "c"}))
    with pytest.raises(UnmappableSpaceError, match="needs no map"):
        between(Space("sparse", "bm25", None, {"analyser": "x"}), there)
    with pytest.raises(UnmappableSpaceError, match="one leg"):
        between(pairs.source, there)


def test_steps_that_do_not_fit_the_spaces_are_refused() -> None:
    drift = fit_mean_shift(noisy(60))
    with pytest.raises(DriftError, match="from 12 to 8 dims"):
        DriftMap(drift.source, space("old", 8), "mean_shift", {}, drift.provenance, drift.steps)
    with pytest.raises(DriftError, match="follow each other"):
        Affine((np.eye(3, dtype=np.float32),), np.zeros(4, dtype=np.float32))
    with pytest.raises(DriftError, match="finite"):
        Affine((), np.array([np.nan], dtype=np.float32))
    with pytest.raises(DriftError, match="float32"):
        Affine((), np.zeros(4))


def test_zero_stays_zero() -> None:
    pairs = paired(clustered(20, 4, 0), clustered(20, 4, 1))
    drift = fit_procrustes(pairs)
    np.testing.assert_array_equal(drift.apply_rows(np.zeros((1, 4), np.float32)), np.zeros((1, 4)))
