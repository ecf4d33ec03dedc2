"""Which spaces a drift map can lead between."""

from __future__ import annotations

from trivet.errors import SpaceMismatchError, UnmappableSpaceError
from trivet.types import Space


def require_mappable(source: Space, target: Space) -> None:
    """Refuse two spaces that no linear map leads between.

    Args:
        source: of the vectors that come.
        target: of the vectors that are to be had.

    Raises:
        UnmappableSpaceError: legs of two kinds, BM25, or learned sparse vectors; the message says
            what to do instead.
    """
    if source.mode != target.mode:
        raise UnmappableSpaceError(
            f"expected two spaces of one leg, got {source.mode} and {target.mode} vectors: "
            "fit one map for each leg"
        )
    if source.is_lexical or target.is_lexical:
        raise UnmappableSpaceError(
            f"expected vectors of a model, got BM25 ({source.model!r} to {target.model!r}): it has "
            "no model and needs no map; leave it as it is"
        )
    if source.mode == "sparse":
        vocabulary = source.facts.get("tokenizer"), target.facts.get("tokenizer")
        has_same = None not in vocabulary and vocabulary[0] == vocabulary[1]
        reason = (
            "their weights of a word follow no linear rule"
            if has_same
            else "a number stands for one word here and for another there"
        )
        raise UnmappableSpaceError(
            f"no map leads between the learned sparse vectors of {source.model!r} and "
            f"{target.model!r}: {reason}. Keep embedding queries with the old model's sparse leg, "
            "leave the sparse leg out of the plan until it is embedded anew, or use BM25"
        )


def require_meets(expected: Space, came: Space, what: str) -> None:
    """Refuse vectors, or a map, of another space than a map begins with.

    Raises:
        SpaceMismatchError: the two spaces differ.
    """
    if expected != came:
        raise SpaceMismatchError(
            f"expected {what} in {expected.vector_name} of {expected.model!r}, got "
            f"{came.vector_name} of {came.model!r}: use the map that was fitted for that space"
        )
