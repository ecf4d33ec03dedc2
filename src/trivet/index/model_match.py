"""Whether an embedder is the model of an index, and the legs of it that the index holds."""

from __future__ import annotations

from trivet.embedding import Embedder
from trivet.index.tokens import stored_space
from trivet.store.generations import Generation
from trivet.types import require_same_space


def matching(embedder: Embedder, generation: Generation) -> Embedder:
    """An embedder that makes the legs of an index that come from its model, and no other.

    Raises:
        MissingHeadError: it does not make one of them.
        SpaceMismatchError: its vectors are not those that are stored.
    """
    if not generation.spaces:
        return embedder
    wanted = embedder.only(tuple(generation.spaces))
    for mode, stored in generation.spaces.items():
        require_same_space(stored, stored_space(wanted.spaces[mode], like=stored))
    return wanted


def makes(embedder: Embedder, generation: Generation) -> bool:
    """Whether an embedder is the model of a generation."""
    return all(
        mode in embedder.spaces and stored_space(embedder.spaces[mode], like=stored) == stored
        for mode, stored in generation.spaces.items()
    )
