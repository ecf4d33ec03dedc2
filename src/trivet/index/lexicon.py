"""The BM25 leg of an index: its weighting, estimated from the index's own chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from trivet.embedding.lexical import Bm25
from trivet.errors import StoreError
from trivet.store.manifest import LexicalState, Manifest
from trivet.store.points import Chunk
from trivet.store.store import Store
from trivet.types import SparseVector

# Documents that the average length of a new index is first estimated on.
FIRST_SAMPLE = 1000
# It is checked again whenever the index has grown by this factor, and at the end of a call.
GROWTH = 2.0
GROWTH_AT_END = 1.25
# A stored average so far from the true one costs nothing that can be measured (below .002
# nDCG@10); beyond it, all vectors are weighted anew. Small indexes always are: it is cheap.
TOLERANCE = 0.1
ALWAYS_BELOW = 1000
# Nothing seen yet: the engine's own default length.
INITIAL_STATE = LexicalState(average_tokens=256.0, documents=0)


@lru_cache(maxsize=16)
def bm25_for(state: LexicalState) -> Bm25:
    """The BM25 that weighs as the state says."""
    return Bm25(average_tokens=state.average_tokens)


def has_lexical_leg(manifest: Manifest) -> bool:
    """Whether the index's sparse leg is BM25."""
    return manifest.lexical is not None


def is_unseen(store: Store) -> bool:
    """Whether the index has a BM25 leg and no document yet."""
    return has_lexical_leg(store.manifest) and store.journal.totals().documents == 0


def estimate(store: Store, texts: Sequence[tuple[str, str]], documents: int) -> None:
    """Estimate the average length for an index that is still empty.

    Args:
        store: of the index.
        texts: title and text of the first chunks.
        documents: how many documents these are of.
    """
    bm25 = bm25_for(_state(store))
    lengths = bm25.count_terms([bm25.render(title, text) for title, text in texts])
    _adopt(store, sum(lengths) / len(lengths), documents)


def keep_up(store: Store, *, at_end: bool) -> None:
    """Weigh the leg anew if the index has grown and its average length is no longer true.

    Corpora are often ordered, by date or by source: the first documents are no fair sample.
    """
    state = _state(store)
    totals = store.journal.totals()
    growth = GROWTH_AT_END if at_end else GROWTH
    if totals.documents < max(1.0, growth * state.documents):
        return
    average = totals.terms / totals.chunks
    drifted = abs(average / state.average_tokens - 1) > TOLERANCE
    if not drifted and totals.documents >= ALWAYS_BELOW:
        average = state.average_tokens
    _adopt(store, average, totals.documents)


def counter_for(manifest: Manifest) -> Callable[[Sequence[Chunk]], Sequence[int]] | None:
    """Chunks → their lengths in terms; None for an index without a BM25 leg."""
    if manifest.lexical is None:
        return None
    bm25 = bm25_for(manifest.lexical)

    def count(chunks: Sequence[Chunk]) -> Sequence[int]:
        return bm25.count_terms([bm25.render(chunk.title, chunk.text) for chunk in chunks])

    return count


def mend(store: Store) -> None:
    """Weigh the leg anew if its average length is far from the true one."""
    totals = store.journal.totals()
    if has_lexical_leg(store.manifest) and totals.chunks:
        average = totals.terms / totals.chunks
        if abs(_state(store).average_tokens / max(1.0, average) - 1) > TOLERANCE:
            _adopt(store, average, totals.documents)


def _adopt(store: Store, average_tokens: float, documents: int) -> None:
    # A text of stop words alone has no terms; BM25 needs a length above zero.
    state = LexicalState(max(1.0, round(average_tokens, 2)), documents)
    bm25 = bm25_for(state)

    def weigh(chunks: Sequence[Chunk]) -> Sequence[SparseVector]:
        rendered = [bm25.render(chunk.title, chunk.text) for chunk in chunks]
        return bm25.embed_documents(rendered).values

    store.reweigh(bm25.space, state, weigh)


def _state(store: Store) -> LexicalState:
    if store.manifest.lexical is None:
        raise StoreError("expected an index with a BM25 leg, got one without")
    return store.manifest.lexical
