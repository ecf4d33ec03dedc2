"""The closed forms that drift maps are fitted by, on plain arrays in double precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trivet.drift.affine import Affine, unit_rows
from trivet.types import Vectors

Rows = NDArray[np.float64]


def mean_shift(before: Vectors, after: Vectors) -> Affine:
    """Query drift compensation: subtract the mean of (before - after)."""
    return _affine((), after.astype(np.float64).mean(axis=0) - before.astype(np.float64).mean(0))


def procrustes(before: Vectors, after: Vectors, *, centred: bool, scaled: bool) -> Affine:
    """The orthogonal map with the least squared error; a partial isometry of unequal dims.

    Args:
        before: (n, d).
        after: (n, d').
        centred: map the mean to the mean, and rotate about it.
        scaled: scale by the factor of least error, too.
    """
    x, y = before.astype(np.float64), after.astype(np.float64)
    mean_x, mean_y = (x.mean(axis=0), y.mean(axis=0)) if centred else (0.0, 0.0)
    rotation = rotation_of(x - mean_x, y - mean_y, scaled=scaled)
    shift = np.broadcast_to(mean_y - mean_x @ rotation if centred else 0.0, y.shape[1:])
    return _affine((rotation,), shift)


def stretched(
    before: Vectors, after: Vectors, centre: Rows, stretches: Sequence[float]
) -> tuple[Affine, ...]:
    """The centred rotation about another centre, so long that spreads are equal, times a factor.

    Args:
        before: (n, d).
        after: (n, d').
        centre: (d,) what is mapped to the mean of `after`.
        stretches: 1 = rows of `before` spread about their mean as rows of `after` do.
    """
    x, y = before.astype(np.float64), after.astype(np.float64)
    mean_y = y.mean(axis=0)
    x, y = x - x.mean(axis=0), y - mean_y
    rotation = rotation_of(x, y, scaled=False)
    rotation = rotation * np.sqrt(np.sum(y**2) / np.sum((x @ rotation) ** 2))
    middle = centre.astype(np.float64) @ rotation
    return tuple(_affine((s * rotation,), mean_y - s * middle) for s in stretches)


def rotation_of(x: Rows, y: Rows, *, scaled: bool) -> Rows:
    """The orthogonal matrix (d, d') with the least |x·R - y|², scaled or not."""
    left, values, right = np.linalg.svd(x.T @ y, full_matrices=False)
    rotation: Rows = left @ right
    # |x·R|² is |x|² only where R keeps lengths.
    return rotation * (values.sum() / np.sum((x @ rotation) ** 2)) if scaled else rotation


@dataclass(frozen=True, eq=False)
class RidgeSystem:
    """The normal equations of one set of pairs, solved for any strength and prior at once.

    The strength is in units of the mean variance of a direction, so that it means the same for
    every number of pairs and dims. The shift is not penalised.
    """

    x: Rows
    y: Rows
    mean_x: Rows
    mean_y: Rows
    variances: Rows
    axes: Rows
    crossed: Rows

    @classmethod
    def of(cls, before: Vectors, after: Vectors) -> RidgeSystem:
        """The system of (n, d) and (n, d')."""
        x, y = before.astype(np.float64), after.astype(np.float64)
        mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
        x, y = x - mean_x, y - mean_y
        variances, axes = np.linalg.eigh(x.T @ x)
        return cls(x, y, mean_x, mean_y, variances, axes, axes.T @ (x.T @ y))

    def prior(self, name: str) -> Rows:
        """A prior (d, d') by its name: identity, procrustes (scaled) or zero."""
        if name == "procrustes":
            return rotation_of(self.x, self.y, scaled=True)
        shape = self.x.shape[1], self.y.shape[1]
        return np.eye(*shape) if name == "identity" else np.zeros(shape)

    def solved(self, prior: Rows, strength: float) -> Rows:
        """The matrix with the least |x·W - y|² + λ·|W - prior|²."""
        penalty = strength * max(float(self.variances.mean()), np.finfo(np.float64).tiny)
        pulled = self.crossed + penalty * (self.axes.T @ prior)
        # A variance may come out a little below zero.
        weights = np.maximum(self.variances, 0.0) + penalty
        solution: Rows = self.axes @ (pulled / weights[:, None])
        return solution

    def affine(self, matrix: Rows) -> Affine:
        """The map that has this matrix and takes the mean to the mean."""
        return _affine((matrix,), self.mean_y - self.mean_x @ matrix)

    def low_rank(self, matrix: Rows, rank: int) -> Affine:
        """The same through `rank` numbers: on the main axes of what the matrix predicts."""
        predicted = self.x @ matrix
        axes = np.linalg.eigh(predicted.T @ predicted)[1][:, ::-1][:, :rank]
        shift = self.mean_y - self.mean_x @ matrix @ axes @ axes.T
        return _affine((matrix @ axes, axes.T), shift)


def mean_cosine(step: Affine, before: Vectors, after: Vectors) -> float:
    """Between what a step makes and what it should."""
    return float(np.sum(unit_rows(step.apply(before)) * unit_rows(after), axis=1).mean())


def _affine(factors: tuple[Rows, ...], shift: Rows) -> Affine:
    narrow = tuple(np.ascontiguousarray(factor, dtype=np.float32) for factor in factors)
    return Affine(narrow, np.ascontiguousarray(shift, dtype=np.float32))
