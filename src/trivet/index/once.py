"""Texts that are embedded once: a query for both its searches, a thought for all who think it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trivet.query import Query
from trivet.store.manifest import Manifest
from trivet.types import DenseVectors, Mode, MultiVectors, Representations, SparseVectors

if TYPE_CHECKING:
    from trivet.index.search import Asked

# Of MiniLM 20,000 thoughts, or 250 with their token vectors: more than are thought at a time.
MAX_BYTES = 32 * 2**20


class QueryVectors:
    """What one query was embedded as in its plain search, and for which state of the index."""

    def __init__(self) -> None:
        self._kept: tuple[Manifest, frozenset[Mode], Representations] | None = None

    def keep(self, manifest: Manifest, modes: Sequence[Mode], vectors: Representations) -> None:
        """Keep the vectors that these legs were asked for."""
        self._kept = (manifest, frozenset(modes), vectors)

    def of(self, manifest: Manifest, modes: Sequence[Mode]) -> Representations | None:
        """What was kept; None if it was for another state of the index, or lacks a leg."""
        if self._kept is None:
            return None
        state, had, vectors = self._kept
        return vectors if state is manifest and had.issuperset(modes) else None


class RecentVectors:
    """The vectors of the texts that were embedded last; thread-safe.

    Equal thoughts come at the same time, of searches that shared one, but not always in one pass.

    Args:
        max_bytes: that are kept.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._state: Manifest | None = None
        self._kept: dict[tuple[tuple[Mode, ...], str], Representations] = {}
        self._using = threading.Lock()

    def of(
        self,
        manifest: Manifest,
        modes: Sequence[Mode],
        texts: Sequence[str],
        embed: Callable[[Sequence[str]], Representations | None],
    ) -> Representations | None:
        """The vectors of texts: of those that are not kept, made in one pass.

        Args:
            manifest: the state of the index that they are for.
            modes: legs that are wanted.
            texts: n of them.
            embed: makes these legs.

        Returns:
            n representations; None where no leg is left.
        """
        legs = tuple(modes)
        with self._using:
            if self._state is not manifest:
                self._state, self._kept, self._size = manifest, {}, 0
            rows = {text: self._kept[legs, text] for text in texts if (legs, text) in self._kept}
        new = [text for text in dict.fromkeys(texts) if text not in rows]
        made = embed(new) if new else None
        if made is None and new:
            return None
        if made is not None:
            fresh = dict(zip(new, made, strict=True))
            rows |= fresh
            self._keep(manifest, legs, fresh)
            if len(new) == len(texts):
                return made
        return joined([rows[text] for text in texts])

    def _keep(
        self, manifest: Manifest, legs: tuple[Mode, ...], rows: Mapping[str, Representations]
    ) -> None:
        with self._using:
            if self._state is not manifest:
                return
            for text, vectors in rows.items():
                if (legs, text) not in self._kept:
                    self._kept[legs, text] = vectors
                    self._size += _size(vectors)
            while self._size > self._max_bytes:
                self._size -= _size(self._kept.pop(next(iter(self._kept))))


def embedded_once(
    manifest: Manifest,
    modes: Sequence[Mode],
    asked: Sequence[Asked],
    embed: Callable[[Sequence[Query]], Representations | None],
) -> Representations | None:
    """The vectors of each query: kept ones, and the others in one pass, equal ones once.

    Args:
        manifest: of the index.
        modes: legs that are wanted.
        asked: n queries.
        embed: makes these legs.

    Returns:
        n representations; None where no leg is left.
    """
    kept = [None if each.vectors is None else each.vectors.of(manifest, modes) for each in asked]
    new = dict.fromkeys(each.query for each, one in zip(asked, kept, strict=True) if one is None)
    made = embed(list(new)) if new else None
    if made is None and new:
        return None
    if made is not None and len(new) == len(asked):
        vectors = made
    else:
        rows = {} if made is None else dict(zip(new, made, strict=True))
        pairs = zip(asked, kept, strict=True)
        vectors = joined([rows[each.query] if one is None else one for each, one in pairs])
    for n, each in enumerate(asked):
        if each.vectors is not None:
            each.vectors.keep(manifest, modes, vectors[n])
    return vectors


def firsts(asked: Sequence[Asked]) -> list[int]:
    """For each search the position of the first that asks the same, which may be its own."""
    found: list[int] = []
    of: dict[Query, list[int]] = {}
    for i, each in enumerate(asked):
        others = of.setdefault(each.query, [])
        first = next((j for j in others if _is_same(asked[j], each)), i)
        if first == i:
            others.append(i)
        found.append(first)
    return found


def _is_same(one: Asked, other: Asked) -> bool:
    if one.options != other.options:
        return False
    mine, theirs = one.thoughts, other.thoughts
    if mine is None or theirs is None:
        return mine is theirs
    return (mine.thoughts, mine.weights, mine.guard) == (
        theirs.thoughts, theirs.weights, theirs.guard,
    )  # fmt: skip


def joined(parts: Sequence[Representations]) -> Representations:
    """Texts of several representations, one after another; of the legs that all of them have."""
    first = parts[0]
    dense = [part.dense.values for part in parts if part.dense is not None]
    sparse = [part.sparse.values for part in parts if part.sparse is not None]
    multi = [part.multi.values for part in parts if part.multi is not None]
    return Representations(
        DenseVectors(first.dense.space, np.concatenate(dense))
        if first.dense is not None and len(dense) == len(parts)
        else None,
        SparseVectors(first.sparse.space, tuple(row for values in sparse for row in values))
        if first.sparse is not None and len(sparse) == len(parts)
        else None,
        MultiVectors(first.multi.space, tuple(row for values in multi for row in values))
        if first.multi is not None and len(multi) == len(parts)
        else None,
    )


def _size(vectors: Representations) -> int:
    """Bytes of the vectors of a text, as it is kept alone."""
    dense = 0 if vectors.dense is None else vectors.dense.values.nbytes
    multi = 0 if vectors.multi is None else sum(row.nbytes for row in vectors.multi.values)
    sparse = 0 if vectors.sparse is None else sum(
        row.indices.nbytes + row.values.nbytes for row in vectors.sparse.values
    )  # fmt: skip
    return dense + multi + sparse
