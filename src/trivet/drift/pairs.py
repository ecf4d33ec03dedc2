"""Pairs: vectors of the same texts in two spaces, checked, and split by document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trivet.drift.map import Provenance
from trivet.drift.spaces import require_mappable
from trivet.errors import PairsError
from trivet.types import Space, Vectors

# Fewer say nothing: the mean of ten differences still has a third of one's error.
LEAST_PAIRS = 10


@dataclass(frozen=True, eq=False)
class Pairs:
    """The same n texts in two spaces.

    Attributes:
        source: the space that a map is to lead from.
        target: the space that it is to lead to.
        before: (n, d) in `source`.
        after: (n, d') in `target`.
        documents: the document that each text is, or was cut from.
        kinds: what each text is: "document", "span", "query" or "token".

    Raises:
        PairsError: lengths or shapes that differ, numbers that are not finite, vectors without
            length, or one and the same vector for every text.
        UnmappableSpaceError: no map leads between the two spaces.
    """

    source: Space
    target: Space
    before: Vectors
    after: Vectors
    documents: tuple[str, ...]
    kinds: tuple[str, ...]

    def __post_init__(self) -> None:
        require_mappable(self.source, self.target)
        lengths = [len(part) for part in (self.before, self.after, self.documents, self.kinds)]
        if len(set(lengths)) != 1:
            raise PairsError(
                f"expected as many vectors before as after, documents and kinds, got {lengths}"
            )
        _require_rows(self.before, self.source)
        _require_rows(self.after, self.target)

    def __len__(self) -> int:
        return len(self.before)

    @property
    def dims(self) -> tuple[int, int]:
        """Length of a vector before and after."""
        return int(self.before.shape[1]), int(self.after.shape[1])

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Pairs:
        """Some of the pairs.

        Args:
            rows: which: a mask of all n, or positions.
        """
        chosen = np.arange(len(self))[rows]
        return Pairs(
            self.source,
            self.target,
            self.before[chosen],
            self.after[chosen],
            tuple(self.documents[i] for i in chosen),
            tuple(self.kinds[i] for i in chosen),
        )

    def with_texts(
        self, before: Vectors, after: Vectors, documents: Sequence[str], kind: str
    ) -> Pairs:
        """These pairs and others of the same two spaces.

        Args:
            before: (m, d) in `source`.
            after: (m, d') in `target`.
            documents: of each text.
            kind: of all of them.
        """
        return Pairs(
            self.source,
            self.target,
            np.concatenate([self.before, before]),
            np.concatenate([self.after, after]),
            (*self.documents, *documents),
            (*self.kinds, *(kind,) * len(documents)),
        )

    def distinct(self) -> Pairs:
        """Each text once: of several with one vector before, the first stays."""
        _, first = np.unique(self.before, axis=0, return_index=True)
        return self.take(np.sort(first))

    def split(self, share: float, seed: int) -> tuple[Pairs, Pairs]:
        """Pairs to fit to and pairs held out; all texts of a document are in one part.

        Args:
            share: of the documents that is held out.
            seed: of the draw.

        Raises:
            PairsError: fewer than two documents, or too few pairs to fit to.
        """
        names = sorted(set(self.documents))
        if len(names) < 2:
            raise PairsError(
                f"expected pairs of two documents or more, got {len(names)}: one part is held out"
            )
        count = min(max(1, round(share * len(names))), len(names) - 1)
        drawn = np.random.default_rng(seed).permutation(len(names))[:count]
        return self.apart({names[i] for i in drawn})

    def apart(self, held: Collection[str]) -> tuple[Pairs, Pairs]:
        """Pairs of other documents, to fit to, and those of these documents.

        Args:
            held: names of documents, those that are to be measured on.

        Raises:
            PairsError: too few pairs to fit to, or none of these documents.
        """
        mask = np.array([name in held for name in self.documents])
        if not mask.any() or mask.all():
            raise PairsError(
                f"expected pairs of documents that are held out and of others, got {mask.sum()} "
                f"and {(~mask).sum()}: one part is held out"
            )
        return self.take(~mask), self.take(mask)

    def provenance(self, seed: int = 0, corpus: str = "") -> Provenance:
        """Of a map that is fitted to all of them.

        Args:
            seed: of what was drawn for it.
            corpus: what identifies the texts; "" = unknown.
        """
        kinds = dict(sorted(Counter(self.kinds).items()))
        return Provenance(len(self), len(set(self.documents)), kinds, seed, corpus)


def require_disjoint(fitted: Pairs, held: Pairs) -> None:
    """Refuse held-out pairs that are no test of a fit.

    Raises:
        PairsError: a document has texts in both parts, or a text is in both.
    """
    shared = sorted(set(fitted.documents) & set(held.documents))
    if shared:
        raise PairsError(
            f"expected held-out pairs of other documents, got {len(shared)} that were fitted to, "
            f"such as {shared[0]!r}: split by document, with Pairs.split"
        )
    rows = {row.tobytes() for row in fitted.before}
    doubled = sum(row.tobytes() in rows for row in held.before)
    if doubled:
        raise PairsError(
            f"expected held-out texts that were not fitted to, got {doubled} that were: keep each "
            "text once, with Pairs.distinct, and split then"
        )


def require_pairs(pairs: Pairs, least: int, method: str) -> None:
    """Refuse too few pairs.

    Raises:
        PairsError: there are fewer.
    """
    if len(pairs) < least:
        fewer = ", or fit a ridge towards a prior or a mean shift, which do with fewer"
        raise PairsError(
            f"expected at least {least} pairs for {method} from {pairs.source.dims} to "
            f"{pairs.target.dims} dims, got {len(pairs)}: add texts"
            + (fewer if least > LEAST_PAIRS else "")
        )


def _require_rows(rows: Vectors, space: Space) -> None:
    if rows.ndim != 2 or rows.shape[1] != space.dims:
        raise PairsError(f"expected (n, {space.dims}) vectors of {space.model!r}, got {rows.shape}")
    if not np.all(np.isfinite(rows)):
        bad = int(np.flatnonzero(~np.all(np.isfinite(rows), axis=1))[0])
        raise PairsError(
            f"expected finite vectors of {space.model!r}, got NaN or an infinity in row {bad}: "
            "check the model"
        )
    if not np.all(np.any(rows != 0, axis=1)):
        bad = int(np.flatnonzero(~np.any(rows != 0, axis=1))[0])
        raise PairsError(f"expected vectors of some length, got zeros in row {bad}: leave it out")
    if len(rows) > 1 and np.all(rows == rows[0]):
        raise PairsError(
            f"expected vectors that differ, got {len(rows)} times one and the same of "
            f"{space.model!r}: the model is broken, or the texts are all one"
        )
