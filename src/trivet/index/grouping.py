"""Ranked chunks → those that make hits: no more of a document than may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from trivet.store.points import Chunk
from trivet.store.request import RankedChunk

if TYPE_CHECKING:
    from trivet.index.search import SearchOptions

# A chunk among the hits.
Chosen: TypeAlias = tuple[RankedChunk, Chunk]


def full_pages(found: int, options: SearchOptions) -> int:
    """How many of the hits found are on pages that are full, with pages as the plan cuts them."""
    first = options.plan.offset % options.k
    return 0 if found < first else found - (found - first) % options.k


def chosen_chunks(
    kept: Sequence[Chosen], ranked: Sequence[RankedChunk], options: SearchOptions
) -> list[Chosen]:
    """What is kept, then the best chunks; of each document no more than may be."""
    chosen = list(kept)
    taken = Counter(chunk.key for _, chunk in kept)
    there = {known.point.id for known, _ in kept}
    most = options.per_document
    for result in ranked:
        if options.plan.threshold is not None and result.point.score < options.plan.threshold:
            break
        chunk = Chunk.from_payload(result.point.payload)
        if result.point.id in there or (most is not None and taken[chunk.key] >= most):
            continue
        taken[chunk.key] += 1
        chosen.append((result, chunk))
        if len(chosen) == options.hits:
            break
    return chosen
