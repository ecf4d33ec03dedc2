"""Vectors of a new space, computed from the stored chunks and written beside the old ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from trivet.store.engine import Engine
from trivet.store.journal import Journal
from trivet.store.points import Chunk, PointVector
from trivet.types import Space

# Chunks → the sparse vector and the length in terms of each.
Weigh: TypeAlias = Callable[[Sequence[Chunk]], tuple[Sequence[PointVector], Sequence[int]]]


def fill_space(
    engine: Engine, journal: Journal, space: Space, weigh: Weigh, *, count: bool
) -> Mapping[str, int]:
    """Give every stored chunk a vector in a space that the engine has no vectors of yet.

    Args:
        engine: holds the points.
        journal: what is held in it is kept meanwhile.
        space: of the new vectors.
        weigh: chunks → their vectors and lengths.
        count: whether lengths are wanted: for millions of documents they take memory.

    Returns:
        The length of each document, if they are wanted.
    """
    lengths_of: Counter[str] = Counter()
    engine.add_space(space)
    for page in engine.pages():
        chunks = [Chunk.from_payload(payload) for payload in page.values()]
        vectors, lengths = weigh(chunks)
        named = ({space.vector_name: vector} for vector in vectors)
        journal.renew()
        engine.set_vectors(dict(zip(page, named, strict=True)))
        for chunk, length in zip(chunks, lengths, strict=True):
            if count:
                lengths_of[chunk.document] += length
    engine.flush()
    return lengths_of
