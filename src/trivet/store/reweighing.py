"""The sparse leg given another space: vectors computed from stored chunks, beside the old ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from trivet.store.manifest import LexicalState
from trivet.store.points import Chunk, PointVector
from trivet.store.store import PATIENCE_S, Store
from trivet.types import Space

# Chunks → the sparse vector and the length in terms of each.
Weigh: TypeAlias = Callable[[Sequence[Chunk]], tuple[Sequence[PointVector], Sequence[int]]]


def reweigh(store: Store, space: Space, lexical: LexicalState, weigh: Weigh) -> None:
    """Give the sparse leg of an index another space, computed from the stored chunks.

    The new vectors are written beside the old ones; then the manifest changes over; then the
    old ones go. Searches are answered throughout. Where another machine has just done the
    like, its decision stands and nothing is done.

    Args:
        store: of the index.
        space: of the new vectors.
        lexical: how they are weighted.
        weigh: chunks → their sparse vectors in `space`, and their lengths in terms, which the
            journal takes over where the language changes.

    Raises:
        DocumentBusyError: other writers were at work for too long.
    """
    with store.writing, store.journal.exclusive(PATIENCE_S):
        planned = store.manifest
        store.refresh()
        if (store.manifest.spaces, store.manifest.lexical) != (planned.spaces, planned.lexical):
            return
        store.recover()
        store.drop_scratch()
        old, before = store.manifest.spaces["sparse"], store.manifest.lexical
        if space == old:
            store.become(replace(store.manifest, lexical=lexical))
            return
        store.become(replace(store.manifest, scratch=space.vector_name))
        is_other = before is None or before.language != lexical.language
        counts = _fill_space(store, space, weigh, count=is_other)
        store.journal.renew()
        if counts:
            # Before the change over: should we die in between, the language is decided again.
            store.journal.recount(counts)
        spaces = {**store.manifest.spaces, "sparse": space}
        store.become(
            replace(store.manifest, spaces=spaces, lexical=lexical, scratch=old.vector_name)
        )
        store.drop_scratch()


def _fill_space(store: Store, space: Space, weigh: Weigh, *, count: bool) -> Mapping[str, int]:
    """Give every stored chunk a vector in a space that the engine has no vectors of yet.

    Args:
        store: of the index.
        space: of the new vectors.
        weigh: chunks → their vectors and lengths.
        count: whether lengths are wanted: for millions of documents they take memory.

    Returns:
        The length of each document, if they are wanted.
    """
    lengths_of: Counter[str] = Counter()
    store.engine.add_space(space)
    for page in store.engine.pages():
        chunks = [Chunk.from_payload(payload) for payload in page.values()]
        vectors, lengths = weigh(chunks)
        named = ({space.vector_name: vector} for vector in vectors)
        store.journal.renew()
        store.engine.set_vectors(dict(zip(page, named, strict=True)))
        for chunk, length in zip(chunks, lengths, strict=True):
            if count:
                lengths_of[chunk.key] += length
    store.engine.flush()
    return lengths_of
