"""The drift map: a value that carries vectors of one space into another."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from trivet.drift.affine import Affine, apply_steps, joined
from trivet.drift.spaces import require_mappable, require_meets
from trivet.errors import DriftError
from trivet.types import DenseVectors, Fact, MultiVectors, Space, Vectors

Mappable = TypeVar("Mappable", DenseVectors, MultiVectors)


@dataclass(frozen=True)
class Provenance:
    """How a map was fitted.

    Attributes:
        pairs: rows that it was fitted to.
        documents: that these came from.
        sources: rows of each kind: "document", "span", "query", "token".
        seed: of the split into fitted and held-out documents.
        corpus: what identifies the texts; "" = unknown.
        scores: measured on the held-out documents, by name; none = nothing was held out.
    """

    pairs: int
    documents: int
    sources: Mapping[str, int]
    seed: int
    corpus: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)

    def after(self, first: Provenance) -> Provenance:
        """Of two maps joined, `first` and then this: no score was measured of it.

        Args:
            first: of the map that is applied before.
        """
        sources = {
            name: min(first.sources.get(name, 0), self.sources.get(name, 0))
            for name in {*first.sources, *self.sources}
        }
        return Provenance(
            pairs=min(first.pairs, self.pairs),
            documents=min(first.documents, self.documents),
            sources=sources,
            seed=self.seed,
            corpus=self.corpus if self.corpus == first.corpus else "",
        )


@dataclass(frozen=True)
class DriftMap:
    """Carries vectors of `source` into `target`; every vector comes out with length 1.

    A value: two are equal if all of it is, to the last bit.

    Attributes:
        source: the space of what is handed in.
        target: the space of what comes back.
        method: how it was fitted, such as "ridge"; of joined maps, both names.
        parameters: of the method (JSON scalars).
        provenance: of the fit.
        steps: what is computed.

    Raises:
        UnmappableSpaceError: no map leads between the two spaces.
        DriftError: steps that do not lead from the one's dims to the other's.
    """

    source: Space
    target: Space
    method: str
    parameters: Mapping[str, Fact]
    provenance: Provenance
    steps: tuple[Affine, ...]

    def __post_init__(self) -> None:
        require_mappable(self.source, self.target)
        dims = [step.dims for step in self.steps]
        inner = all(a[1] == b[0] for a, b in itertools.pairwise(dims))
        if not dims or not inner or (dims[0][0], dims[-1][1]) != self.dims:
            raise DriftError(
                f"expected steps from {self.dims[0]} to {self.dims[1]} dims, got {dims}"
            )

    def __hash__(self) -> int:
        return hash((self.source.fingerprint, self.target.fingerprint, self.method, self.steps))

    @property
    def dims(self) -> tuple[int | None, int | None]:
        """Length of a vector before and after."""
        return self.source.dims, self.target.dims

    def apply(self, leg: Mappable) -> Mappable:
        """The same texts in the target space; token vectors are mapped one by one.

        Args:
            leg: vectors in the source space: dense (n, d), or of each of n texts (t, d).

        Returns:
            A leg of the same kind, n texts in the target space, (n, d') or (t, d') each, float32.

        Raises:
            DriftError: something else than dense or token vectors, or numbers that are not finite.
            SpaceMismatchError: vectors of another space.
        """
        if not isinstance(leg, DenseVectors | MultiVectors):
            raise DriftError(
                f"expected DenseVectors or MultiVectors, got {type(leg).__name__}: hand in what an "
                "embedder makes, or plain rows to apply_rows"
            )
        require_meets(self.source, leg.space, "vectors")
        if isinstance(leg, DenseVectors):
            return DenseVectors(self.target, self.apply_rows(leg.values))
        rows = self.apply_rows(np.concatenate(leg.values)) if leg.values else None
        ends = np.cumsum([len(tokens) for tokens in leg.values])[:-1]
        return MultiVectors(self.target, () if rows is None else tuple(np.split(rows, ends)))

    def apply_rows(self, rows: Vectors) -> Vectors:
        """The same of plain rows, whose space is not checked.

        Args:
            rows: (n, d), d the dims of the source.

        Returns:
            (n, d') float32, d' the dims of the target: rows of length 1, but what comes out as
            zero stays zero.

        Raises:
            DriftError: rows of another shape, no array of numbers, or NaN or an infinity in them.
        """
        if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "fiu":
            kind = getattr(rows, "dtype", type(rows).__name__)
            raise DriftError(f"expected (n, {self.source.dims}) vectors as an array, got {kind}")
        if rows.ndim != 2 or rows.shape[1] != self.source.dims:
            raise DriftError(f"expected (n, {self.source.dims}) vectors, got {rows.shape}")
        if not np.isfinite(rows).all():
            raise DriftError("expected finite vectors, got NaN or an infinity: check the model")
        return apply_steps(self.steps, rows.astype(np.float32, copy=False))

    def then(self, other: DriftMap) -> DriftMap:
        """This map, and after it another: from this source to the other's target.

        Two mean shifts are one mean shift, their sum.

        Args:
            other: a map that begins in this one's target.

        Returns:
            A new map; nothing was measured of it, so that its provenance has no scores.

        Raises:
            DriftError: no drift map.
            SpaceMismatchError: the other does not begin where this ends.
        """
        if not isinstance(other, DriftMap):
            raise DriftError(f"expected a DriftMap to join, got {type(other).__name__}")
        require_meets(other.source, self.target, "a map that ends")
        both = (self, other)
        parameters = {
            f"{position}.{name}": value
            for position, part in enumerate(both)
            for name, value in part.parameters.items()
        }
        return DriftMap(
            self.source,
            other.target,
            " then ".join(dict.fromkeys(part.method for part in both)),
            parameters,
            other.provenance.after(self.provenance),
            joined(self.steps, other.steps),
        )

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `drift.json` and `drift.safetensors` into a folder, which is made.

        Args:
            folder: for the two files; a map that is there is replaced.

        Raises:
            DriftMapFileError: it cannot be written.
        """
        from trivet.drift.files import save_map

        save_map(self, folder)

    @staticmethod
    def load(folder: str | os.PathLike[str]) -> DriftMap:
        """Read what `save` wrote.

        Args:
            folder: that it was written into.

        Returns:
            A map that is equal to the one that was saved.

        Raises:
            DriftMapFileError: files that are missing, damaged, or hold no drift map.
        """
        from trivet.drift.files import load_map

        return load_map(folder)

    def __repr__(self) -> str:
        names = f"{self.source.vector_name} to {self.target.vector_name}"
        return f"DriftMap({names}, {self.method!r}, pairs={self.provenance.pairs})"
