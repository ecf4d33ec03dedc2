"""Vectors that were carried into another model's space, and how they are told from native ones."""

from __future__ import annotations

import numpy as np

from trivet.drift.affine import Affine
from trivet.drift.map import DriftMap, Provenance
from trivet.index.carrying import carried, is_carried
from trivet.types import Space


def turning(dims: int, turn: np.ndarray) -> DriftMap:
    spaces = Space("dense", "old", dims, {"w": 1}), Space("dense", "new", dims, {"w": 2})
    step = Affine((turn.astype(np.float32),), np.zeros(dims, dtype=np.float32))
    return DriftMap(*spaces, "procrustes", {}, Provenance(1, 1, {}, 0), (step,))


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_carried_vectors_are_unit_and_as_good_as_the_map_made_them() -> None:
    random = np.random.default_rng(0)
    turn = np.linalg.qr(random.standard_normal((16, 16)))[0]
    drift, rows = turning(16, turn), unit(random.standard_normal((200, 16)))
    made = carried(drift, rows)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)
    assert (np.sum(made * drift.apply_rows(rows), axis=1) > 1 - 1e-6).all()


def test_native_vectors_are_told_from_carried_ones_even_where_the_map_is_the_identity() -> None:
    rows = unit(np.vstack([np.random.default_rng(1).standard_normal((200, 16)), np.eye(16)]))
    drift = turning(16, np.eye(16))
    assert is_carried(drift, rows, carried(drift, rows)).all()
    assert not is_carried(drift, rows, rows).any()
