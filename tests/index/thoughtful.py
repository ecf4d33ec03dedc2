"""What tests of searches that think share: a few texts, a query and a thought about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trivet
from trivet.thinking import Thinker, Thinking, ThoughtReport

TEXTS = {
    "a": "a light anchor keeps the boat in place against wind and current",
    "b": "the bread is made of salt and water and the old oven is hot",
    "c": "vectors of a language model are kept in memory for the search engine",
    "d": "the storm drove the ship sideways and the crew lost the anchor",
    "e": "a horse and a dog walk on the road to the village in the rain",
}
QUERY = "what holds a ship"
THOUGHT = "An anchor and its chain hold the ship in place against wind and tide in the harbour."
MODES = ["dense", "sparse", "multi"]


@contextmanager
def filled_index(embedder: trivet.Embedder) -> Iterator[trivet.Index]:
    """The texts in memory, with all legs."""
    with trivet.open(":memory:", model=embedder, modes=MODES) as index:
        index.add(list(TEXTS.values()), ids=list(TEXTS))
        yield index


def thinking(thinker: Thinker, **options: object) -> tuple[Thinking, list[ThoughtReport]]:
    """A way to think, and where it tells what came of it."""
    told: list[ThoughtReport] = []
    return Thinking(thinker, tell=told.append, **options), told
