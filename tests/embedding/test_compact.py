"""Token vectors as bytes: an engine that multiplies bytes finds the order of the cosines."""

from __future__ import annotations

import numpy as np
import pytest

from trivet.embedding.compact import TokenCodec, calibration_texts, compact_space, fit_codec
from trivet.errors import InvalidInputError
from trivet.types import MultiVectors, Space

SPACE = Space("multi", "test", 96, {"weights": "0"})


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def vectors(counts: list[int], seed: int, rank: int = 20) -> MultiVectors:
    """Unit vectors near a subspace of `rank` dimensions, as token vectors are."""
    random = np.random.default_rng(seed)
    axes = np.random.default_rng(7).standard_normal((rank, 96))
    made = []
    for count in counts:
        rows = random.standard_normal((count, rank)) @ axes + 0.5 * random.standard_normal(
            (count, 96)
        )
        made.append(unit(rows).astype(np.float32))
    return MultiVectors(SPACE, tuple(made))


@pytest.fixture(scope="module")
def codec() -> TokenCodec:
    return fit_codec(vectors([500], seed=1))


def test_the_axes_are_those_of_the_second_moments(codec: TokenCodec) -> None:
    rows = vectors([500], seed=1).values[0].astype(np.float64)
    _, _, axes = np.linalg.svd(rows, full_matrices=False)
    ours, theirs = codec.projection.astype(np.float64), axes[:63].T
    # The same subspace: projecting one's axes on the other's loses nothing.
    assert np.linalg.norm(ours.T @ theirs) == pytest.approx(np.sqrt(63), abs=1e-4)


def test_every_vector_is_bytes_of_one_sum(codec: TokenCodec) -> None:
    random = np.random.default_rng(3)
    spikes = np.eye(96, dtype=np.float32)  # the most uneven there are
    many = MultiVectors(SPACE, (*vectors([50, 1, 9], 2).values, spikes, -spikes,
                                unit(random.standard_normal((40, 96))).astype(np.float32)))  # fmt: skip
    small = codec.encode(many)
    assert [len(v) for v in small.values] == [len(v) for v in many.values]
    for rows in small.values:
        assert rows.dtype == np.float32
        assert rows.shape[1] == 64
        assert rows.min() >= 0
        assert rows.max() <= 255
        assert np.array_equal(rows, np.rint(rows))
        assert np.all(rows.sum(axis=1) == 128 * 64)


def test_products_of_bytes_are_cosines_of_the_projected_vectors(codec: TokenCodec) -> None:
    queries, documents = vectors([8], seed=4), vectors([300], seed=5)
    q, d = codec.encode(queries).values[0], codec.encode(documents).values[0]
    scale, shift = codec.affine(len(q))
    by_engine = (q @ d.T).max(axis=1).sum() * scale + shift
    projected = [unit(v.values[0] @ codec.projection) for v in (queries, documents)]
    cosines = projected[0] @ projected[1].T
    assert by_engine == pytest.approx(cosines.max(axis=1).mean(), abs=0.004)
    every = (q @ d.T) * scale * len(q) + shift
    assert np.abs(every - cosines).max() < 0.02
    assert np.corrcoef(every.ravel(), cosines.ravel())[0, 1] > 0.9995


def test_the_small_space_is_one_of_its_own() -> None:
    small = compact_space(SPACE)
    assert small != SPACE
    assert small.dims == 64
    assert small.facts["datatype"] == "uint8"
    assert compact_space(Space("multi", "test", 32, {})).dims == 33


def test_no_texts_are_no_vectors(codec: TokenCodec) -> None:
    assert codec.encode(MultiVectors(SPACE, ())).values == ()
    with pytest.raises(InvalidInputError, match="expected a projection"):
        TokenCodec(np.zeros((3, 5), dtype=np.float32))


def test_the_calibration_text_holds_no_blank_line() -> None:
    texts = calibration_texts()
    assert len(texts) > 100
    assert all(text.strip() for text in texts)


def test_extreme_vectors_too_are_bytes_of_one_sum() -> None:
    # One axis alone reaches so far beyond what a byte holds that most components are cut.
    dims = 8
    codec = TokenCodec(np.eye(dims - 1, dtype=np.float32))
    rows = np.vstack([np.eye(dims - 1), -np.eye(dims - 1), np.ones((1, dims - 1))])
    wide = MultiVectors(Space("multi", "m", dims - 1, {}), (rows.astype(np.float32) * 1e6,))
    (encoded,) = codec.encode(wide).values
    assert encoded.min() >= 0
    assert encoded.max() <= 255
    assert np.array_equal(encoded, np.rint(encoded))
    assert set(encoded.sum(axis=1)) == {128 * dims}
