"""One affine step of a drift map, in closed form."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trivet.errors import DriftError
from trivet.types import Vectors


@dataclass(frozen=True, eq=False)
class Affine:
    """`x · factors[0] · factors[1] … + shift`; a value, whose numbers nobody can change.

    Attributes:
        factors: matrices to multiply with from the right, in order; none = identity.
        shift: (d',) what is added then.

    Raises:
        DriftError: shapes that do not fit each other, or numbers that are not finite.
    """

    factors: tuple[Vectors, ...]
    shift: Vectors

    def __post_init__(self) -> None:
        arrays = (*self.factors, self.shift)
        if any(array.dtype != np.float32 for array in arrays):
            raise DriftError(f"expected float32, got {[str(array.dtype) for array in arrays]}")
        shapes = [factor.shape for factor in self.factors] + [self.shift.shape]
        is_shaped = self.shift.ndim == 1 and all(f.ndim == 2 for f in self.factors)
        if not is_shaped or any(a[-1] != b[0] for a, b in itertools.pairwise(shapes)):
            raise DriftError(f"expected matrices that follow each other and a shift, got {shapes}")
        if not all(np.all(np.isfinite(array)) for array in arrays):
            raise DriftError("expected finite numbers in a drift map, got NaN or an infinity")
        object.__setattr__(self, "factors", tuple(_fixed(factor) for factor in self.factors))
        object.__setattr__(self, "shift", _fixed(self.shift))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Affine):
            return NotImplemented
        mine, theirs = (*self.factors, self.shift), (*other.factors, other.shift)
        return len(mine) == len(theirs) and all(map(np.array_equal, mine, theirs))

    def __hash__(self) -> int:
        return hash(tuple(self.shift[:8].tolist()))

    @property
    def dims(self) -> tuple[int, int]:
        """Length of a vector before and after."""
        first = self.factors[0] if self.factors else self.shift
        return len(first), len(self.shift)

    def apply(self, rows: Vectors) -> Vectors:
        """The step of n rows: (n, d) to (n, d')."""
        for factor in self.factors:
            rows = rows @ factor
        return rows + self.shift


def joined(first: Sequence[Affine], second: Sequence[Affine]) -> tuple[Affine, ...]:
    """The steps of one map after those of another; shifts that meet are summed.

    Query drift compensation sums the shifts of all steps and scales once, at the end.
    """
    last, next_ = first[-1], second[0]
    if last.factors or next_.factors:
        return (*first, *second)
    return (*first[:-1], Affine((), last.shift + next_.shift), *second[1:])


def apply_steps(steps: Sequence[Affine], rows: Vectors) -> Vectors:
    """Rows after every step, each scaled to length 1; a row that came out as zero stays zero."""
    for step in steps:
        rows = step.apply(rows)
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
        rows = rows / np.where(lengths > 0, lengths, np.float32(1))
    return rows


def _fixed(array: Vectors) -> Vectors:
    """The same numbers, which cannot be written to; a matrix column by column.

    So each core that multiplies a vector with it reads one piece of memory: at 1,024 dims two
    cores take two thirds of the time.
    """
    if not array.flags.writeable and array.flags.f_contiguous:
        return array
    copied: Vectors = array.copy(order="F")
    copied.flags.writeable = False
    return copied


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rows of length 1, in double precision; a zero row stays zero."""
    wide = rows.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: NDArray[np.float64] = wide / np.where(lengths > 0, lengths, 1.0)
    return unit
