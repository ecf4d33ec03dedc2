"""The order of hits that have one score: the same for every engine, and after every optimizing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby

from trivet.store.points import PAYLOAD_TEXT, place
from trivet.store.request import RankedChunk


def ties_by_id(ranked: Sequence[RankedChunk]) -> list[RankedChunk]:
    """The same chunks, those of one score by document id and by place in the document.

    An engine gives them in the order of its segments, which changes when it is optimized, restored
    or migrated. Which of them it leaves out at the end of a list is its own choice: a search asks
    for the others, up to a thousand. Ranks are counted here, too (`rank_fusion`), so that only the
    end of a leg's own list is the engine's choice: the same for every page.

    Args:
        ranked: best first; scores that are equal stand together.
    """
    return list(_ordered(ranked))


def twins_by_id(ranked: Sequence[RankedChunk]) -> list[RankedChunk]:
    """The same chunks, those of one text and score in the order of ids at the places they have.

    Maximal marginal relevance puts the second of two equal chunks far behind the first, and which
    comes first is the engine's choice: another one for the next page.

    Args:
        ranked: in any order.
    """
    places: defaultdict[tuple[float, object], list[int]] = defaultdict(list)
    for position, chunk in enumerate(ranked):
        places[chunk.point.score, chunk.point.payload.get(PAYLOAD_TEXT)].append(position)
    ordered = list(ranked)
    for taken in places.values():
        twins = sorted((ranked[i] for i in taken), key=lambda chunk: place(chunk.point.payload))
        for position, twin in zip(taken, twins, strict=True):
            ordered[position] = twin
    return ordered


def _ordered(ranked: Sequence[RankedChunk]) -> Iterator[RankedChunk]:
    for _, of_one_score in groupby(ranked, key=lambda chunk: chunk.point.score):
        same = list(of_one_score)
        if len(same) > 1:
            same.sort(key=lambda chunk: place(chunk.point.payload))
        yield from same
