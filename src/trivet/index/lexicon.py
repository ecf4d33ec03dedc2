"""The BM25 leg of an index: its language and weighting, found in the index's own chunks."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice

from trivet.config import Lexical
from trivet.embedding.language import detect_language
from trivet.embedding.lexical import Bm25
from trivet.embedding.terms import NATIVE_LANGUAGE
from trivet.errors import DocumentBusyError, ServerUnavailableError, StoreError
from trivet.languages import AUTO
from trivet.store.manifest import LexicalState, Manifest
from trivet.store.points import Chunk
from trivet.store.reweighing import reweigh
from trivet.store.store import Store
from trivet.types import SparseVector

logger = logging.getLogger(__name__)

# Documents that the language and the average length of a new index are first estimated on; a
# language that was decided on as many stays.
FIRST_SAMPLE = 1000
# Both are checked again whenever the index has grown or shrunk by this factor, and at the end of
# a call that adds.
GROWTH = 2.0
GROWTH_AT_END = 1.25
# A stored average so far from the true one costs nothing that can be measured (below .002
# nDCG@10); beyond it, all vectors are weighted anew. Small indexes always are: it is cheap.
TOLERANCE = 0.1
ALWAYS_BELOW = 1000
# Below this share of the documents, the language that most of them are in is worth a warning.
CLEAR_SHARE = 0.8


def initial_state(lexical: Lexical) -> LexicalState:
    """Of an index that has no document: the engine's own default length."""
    language = NATIVE_LANGUAGE if lexical.language == AUTO else lexical.language
    return LexicalState(average_tokens=256.0, documents=0, language=language, lexical=lexical)


@lru_cache(maxsize=16)
def bm25_for(state: LexicalState) -> Bm25:
    """The BM25 that weighs as the state says."""
    return Bm25(state.average_tokens, replace(state.lexical, language=state.language))


def has_lexical_leg(manifest: Manifest) -> bool:
    """Whether the index's sparse leg is BM25."""
    return manifest.lexical is not None


def is_unseen(store: Store) -> bool:
    """Whether the index has a BM25 leg and no document yet."""
    return has_lexical_leg(store.manifest) and store.journal.count() == 0


def estimate(store: Store, documents: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Find language and average length for an index that is still empty.

    Args:
        store: of the index.
        documents: title and text of each chunk of the first documents.
    """
    with store.writing:
        if not is_unseen(store):  # another thread was faster
            return
        state = _state(store)
        heads = (f"{title} {text}" for (title, text), *_ in documents)
        state = replace(state, language=_language(state, heads))
        bm25 = bm25_for(state)
        rendered = [bm25.render(title, text) for chunks in documents for title, text in chunks]
        lengths = bm25.count_terms(rendered)
        _adopt(store, state, sum(lengths) / len(lengths), len(documents))


def keep_up(store: Store, *, at_end: bool, replaced: bool = False) -> None:
    """Weigh the leg anew if its language or length is not true any more.

    Corpora are often ordered, by date or by source: the first documents are no fair sample. Where
    it cannot be done now, it is done at a later check: a search is right with either weighting.

    Args:
        store: of the index.
        at_end: whether the call that writes is at its end.
        replaced: whether it replaced documents: then lengths may be others in an index of the
            same size, too.
    """
    try:
        with store.writing:
            _keep_up(store, at_end=at_end, replaced=replaced)
    except (DocumentBusyError, ServerUnavailableError) as error:
        logger.info("BM25 is not weighted anew now: %s", error)


def _keep_up(store: Store, *, at_end: bool, replaced: bool) -> None:
    state = _state(store)
    growth = GROWTH_AT_END if at_end else GROWTH
    is_as_large = (
        state.documents / growth < store.journal.count() < max(1.0, growth * state.documents)
    )
    if is_as_large and not (replaced and _has_drifted(store, state)):
        return
    language = _language(state, _heads(store)) if _is_open(store) else state.language
    totals = store.journal.totals()
    if not totals.chunks:  # another machine deletes what was just written
        return
    average = totals.terms / totals.chunks
    drifted = _has_drifted(store, state)
    if language != state.language:
        state = replace(state, language=language)
        average = _average_tokens(store, bm25_for(state))
    elif not drifted and totals.documents >= ALWAYS_BELOW:
        average = state.average_tokens
    if not store.engine.adds_spaces:
        if drifted:
            logger.warning(
                "BM25 goes on with an average length of %.0f words where it is %.0f: %s cannot "
                "change it for stored documents; update the server to 1.18 or later",
                state.average_tokens, average, store.engine.name,
            )  # fmt: skip
        average = state.average_tokens
    _adopt(store, state, average, totals.documents)


def _has_drifted(store: Store, state: LexicalState) -> bool:
    totals = store.journal.totals()
    average = totals.terms / max(1, totals.chunks)
    return abs(average / state.average_tokens - 1) > TOLERANCE


def counter_for(manifest: Manifest) -> Callable[[Sequence[Chunk]], Sequence[int]] | None:
    """Chunks → their lengths in terms; None for an index without a BM25 leg."""
    if manifest.lexical is None:
        return None
    bm25 = bm25_for(manifest.lexical)

    def count(chunks: Sequence[Chunk]) -> Sequence[int]:
        return bm25.count_terms(_rendered(bm25, chunks))

    return count


def mend(store: Store) -> bool:
    """Weigh the leg anew if its average length is far from the true one; whether it was."""
    if not has_lexical_leg(store.manifest):
        return False
    with store.writing:
        store.refresh()
        state, totals = _state(store), store.journal.totals()
        average = max(1.0, totals.terms / max(1, totals.chunks))
        if not totals.chunks or abs(state.average_tokens / average - 1) <= TOLERANCE:
            return False
        _adopt(store, state, average, totals.documents)
        return True


def _adopt(store: Store, state: LexicalState, average_tokens: float, documents: int) -> None:
    # A text of stop words alone has no terms; BM25 needs a length above zero.
    average = max(1.0, round(average_tokens, 2))
    state = replace(state, average_tokens=average, documents=documents)
    bm25 = bm25_for(state)

    def weigh(chunks: Sequence[Chunk]) -> tuple[Sequence[SparseVector], Sequence[int]]:
        # Who never had a text has no words; of a text that was taken out they would be lost.
        are_whole = all(chunk.text.strip() or chunk.span == (0, 0) for chunk in chunks)
        weighed = bm25.weigh(_rendered(bm25, chunks), blank=are_whole)
        return weighed.vectors.values, weighed.lengths

    reweigh(store, bm25.space, state, weigh)


def _is_open(store: Store) -> bool:
    """Whether the language is to be decided again: no single short text may fix it for ever."""
    state = _state(store)
    decides = state.lexical.language == AUTO and store.engine.adds_spaces
    return decides and state.documents < FIRST_SAMPLE


def _language(state: LexicalState, texts: Iterable[str]) -> str:
    """The language of most texts; where none can be told, or two are as frequent, as it was."""
    if state.lexical.language != AUTO:
        return state.language
    detected = (detect_language(text) for text in islice(texts, FIRST_SAMPLE))
    votes = Counter(language for language in detected if language is not None)
    if not votes:
        logger.info("BM25 stays in %r: no document tells its language", state.language)
        return state.language
    language, most = votes.most_common(1)[0]
    if state.documents and votes[state.language] == most:
        return state.language
    told = votes.total()
    if most >= CLEAR_SHARE * told:
        logger.info("BM25 is in %r, like %d of the %d documents that tell", language, most, told)
    else:
        logger.warning(
            "BM25 is in %r, like only %d of the %d documents that tell: it stems the others too. "
            'Where that is wrong, make the index anew with lexical=trivet.Lexical("…"): of another '
            'language, or "none"',
            language, most, told,
        )  # fmt: skip
    return language


def _heads(store: Store) -> Iterable[str]:
    """Title and text of one chunk of each stored document."""
    seen: set[str] = set()
    for page in store.pages():
        for chunk in page:
            if chunk.key not in seen:
                seen.add(chunk.key)
                yield f"{chunk.title} {chunk.text}"


def _average_tokens(store: Store, bm25: Bm25) -> float:
    """The mean length of the stored chunks in BM25's terms."""
    lengths = [
        length for page in store.pages() for length in bm25.count_terms(_rendered(bm25, page))
    ]
    return sum(lengths) / max(1, len(lengths))


def _rendered(bm25: Bm25, chunks: Sequence[Chunk]) -> list[str]:
    return [bm25.render(chunk.title, chunk.text) for chunk in chunks]


def _state(store: Store) -> LexicalState:
    if store.manifest.lexical is None:
        raise StoreError("expected an index with a BM25 leg, got one without")
    return store.manifest.lexical
