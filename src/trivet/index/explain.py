"""Why a document has its score: each leg's part, its terms and its pairs of tokens."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trivet.embedding.token_spans import (
    TokenSpan,
    document_token_spans,
    query_token_spans,
    vocabulary_entry,
)
from trivet.errors import InvalidInputError, ModelNotFoundError
from trivet.index.explained_lists import shares_of_lists, total
from trivet.index.explanation import Explanation, LegShare, TermMatch, TokenMatch
from trivet.index.lexicon import bm25_for
from trivet.index.model import IndexModel
from trivet.index.search import (
    Asked,
    SearchOptions,
    asked_to_the_end,
    embedded_queries,
    planned_query,
    query_legs,
    with_floor,
)
from trivet.index.thoughts import consider, with_thoughts
from trivet.index.titles import embed_titled
from trivet.plan import Plan
from trivet.store.formula import floor_of, tie_weight
from trivet.store.leg_query import LegQuery
from trivet.store.neighbours import only_points
from trivet.store.points import Chunk
from trivet.store.request import PlannedQuery
from trivet.store.store import Store
from trivet.store.term_requests import term_requests
from trivet.types import Mode, SparseVector

logger = logging.getLogger(__name__)


def explain(
    store: Store, model: IndexModel, asked: Asked, id: str, chunks: Sequence[Chunk]
) -> Explanation:
    """Why a stored document has its score for a query.

    Args:
        store: of the index.
        model: of the index.
        asked: the query, and what is asked of its search.
        id: of the document.
        chunks: of the document.

    Raises:
        InvalidInputError: no such document.
    """
    if not chunks:
        raise InvalidInputError(
            f"expected the id of a stored document, got {id!r}: take the `document` of a hit"
        )
    ids = [store.point_id(chunk.key, chunk.sequence) for chunk in chunks]
    by_point = dict(zip(ids, chunks, strict=True))
    plan = replace(asked.options.plan, threshold=None, offset=0)
    asked = replace(asked, options=replace(asked.options, plan=plan))
    plain, legs = _legs(store, model, asked)
    options = with_floor(model, asked.options)
    planned = planned_query(legs, options)
    shares: dict[str, list[LegShare]] = {}
    is_candidate = False
    if planned is not None:
        planned, shares, is_candidate = _found(store, planned, options, ids)
    best = next(iter(shares), ids[0])
    found = shares.get(best, [])
    stretch = 1.0
    if planned is not None:
        own = {share.mode: share.score for share in found if share.score is not None}
        stretch = planned.stretch_of(own) if found else 1.0
        details = _Details(store, model, asked, planned, plain.get("multi"))
        found = [details.of(share, best, by_point[best]) for share in found]
    chunk = by_point[best]
    return Explanation(
        query=asked.query.text,
        id=id,
        text=chunk.text,
        span=chunk.span,
        score=total(found),
        legs=tuple(found),
        plan=described(options.plan if planned is None else planned.plan, stretch),
        is_candidate=is_candidate,
    )


def _legs(
    store: Store, model: IndexModel, asked: Asked
) -> tuple[dict[Mode, LegQuery], dict[Mode, LegQuery]]:
    """The legs of the query alone, and those with what is kept of its thoughts."""
    manifest = store.manifest
    full = embedded_queries(store, model, [asked])
    kept = consider(manifest, model, [asked], full)
    tokens = model.tokens_of(model.searched)
    embedded = None if full is None else tokens.small(full)
    [plain] = query_legs(manifest, [asked], embedded, tokens)
    if not kept:
        return plain, plain
    [joined] = with_thoughts([plain], [asked], kept, manifest, tokens)
    return plain, joined


def _found(
    store: Store, planned: PlannedQuery, options: SearchOptions, ids: list[str]
) -> tuple[PlannedQuery, dict[str, list[LegShare]], bool]:
    """The query as it is asked in the end, and each chunk's parts, the search's own choice first.

    Another chunk may have a better sum, and be no candidate.

    Returns:
        The query, the chunks' parts, and whether the plan ranks one of these chunks.
    """
    planned, ranked = asked_to_the_end(store, planned, options)
    plan = planned.plan
    is_sum = plan.fuse == "scores" or plan.is_single
    if is_sum or plan.rescore is not None or plan.relevance is not None:
        shares = _summed(store, planned, ids)
    else:
        shares = shares_of_lists(store, planned, ids, ranked)
    places = [each.point.id for each in ranked]
    if not shares.keys() & set(places) and not planned.is_plain:
        [answer] = store.query(planned.in_full().requests()[:1])
        places = [point.id for point in answer]
    by_search = [point for point in places if point in shares]
    by_score = sorted(
        (point for point in ids if point in shares), key=lambda point: -total(shares[point])
    )
    found = {point: shares[point] for point in [*by_search, *by_score]}
    return planned, found, bool(by_search or (shares and planned.is_plain))


def described(plan: Plan, stretch: float = 1.0) -> str:
    """How a plan makes one score, in words; of a chunk without token vectors, a stretched one."""
    if plan.relevance is not None:
        return "cosine, in an order that repeats itself less"
    if plan.rescore is not None:
        return f"mean MaxSim of the {plan.rescore} best"
    if plan.is_single:
        return {"dense": "cosine", "sparse": "sparse score", "multi": "mean MaxSim"}[plan.fused[0]]
    names = ", ".join(plan.fused)
    if plan.fuse == "rrf":
        return f"reciprocal ranks of {names}, k = {plan.rrf_k}"
    if plan.fuse == "dbsf":
        return f"scores of {names}, each scaled by its list's mean and deviation"
    weights, tie = plan.weights, tie_weight(plan)
    terms = {
        "dense": f"{weights.get('dense', 0.0) - tie:g} · max(cosine, {floor_of(plan):g})"
        f" + {tie:g} · cosine",
        "sparse": f"{weights.get('sparse', 0.0):g} · s / (s + {plan.sparse_half:g})",
        "multi": f"{weights.get('multi', 0.0):g} · mean MaxSim",
    }
    is_stretched = stretch != 1.0
    legs = [mode for mode in plan.fused if not (is_stretched and mode == "multi")]
    total = " + ".join(terms[mode] for mode in legs)
    return f"({total}) · {stretch:g}, for want of token vectors" if is_stretched else total


def _summed(store: Store, planned: PlannedQuery, ids: list[str]) -> dict[str, list[LegShare]]:
    """Each chunk's parts of a score that does not depend on what else was found."""
    filter, page = only_points(ids, planned.filter), max(planned.page or 0, len(ids))
    narrow = replace(planned, filter=filter, limit=len(ids), page=page)
    plan = planned.plan
    if plan.relevance is not None:  # which chooses among the hits, and scores them by cosines
        plan, single = Plan({"dense": len(ids)}), "dense"
    elif plan.rescore is not None:
        single = "multi"
    else:
        single = plan.fused[0] if plan.is_single else ""
    narrow = replace(narrow, plan=plan, legs={mode: planned.legs[mode] for mode in plan.legs})
    ranked = narrow.read(store.query(narrow.requests()))
    shares: dict[str, list[LegShare]] = {}
    for chunk in ranked:
        shares[chunk.point.id] = []
        for mode in plan.legs:
            score = chunk.scores.get(mode)
            if single:
                part = (score or 0.0) if mode == single else 0.0
            else:
                # A chunk without any of the query's terms has a BM25 score of 0.
                part = narrow.part(mode, score or 0.0) if mode in plan.weights else 0.0
                part *= narrow.stretch_of(chunk.scores)
            shares[chunk.point.id].append(LegShare(mode, score, part))
    return shares


@dataclass(frozen=True)
class _Details:
    """What a leg's score is made of.

    Attributes:
        store: of the index.
        model: of the index.
        asked: the query, and its thoughts.
        planned: with the thoughts that were kept.
        plain: the query's own token vectors, without its thoughts.
    """

    store: Store
    model: IndexModel
    asked: Asked
    planned: PlannedQuery
    plain: LegQuery | None

    def of(self, share: LegShare, point: str, chunk: Chunk) -> LegShare:
        """A leg's part with its terms or its pairs of tokens."""
        if share.score is None:
            return share
        if share.mode == "sparse":
            return replace(share, terms=self._terms(point))
        if share.mode == "multi":
            return replace(share, tokens=self._tokens(chunk))
        return share

    def _terms(self, point: str) -> tuple[TermMatch, ...]:
        leg = self.planned.legs["sparse"]
        answers = self.store.query(term_requests(leg, point))
        vector = leg.vector
        assert isinstance(vector, SparseVector)
        names = self._term_names(vector)
        scores = {
            int(term): answer[0].score
            for term, answer in zip(vector.indices, answers, strict=True)
            if answer
        }
        order = sorted(scores, key=lambda term: -scores[term])
        return tuple(TermMatch(names.get(term, f"#{term}"), scores[term]) for term in order)

    def _term_names(self, vector: SparseVector) -> Mapping[int, str]:
        lexical = self.store.manifest.lexical
        if lexical is not None:
            thoughts = () if self.asked.thoughts is None else self.asked.thoughts.thoughts
            texts = [self.asked.query.text, *(thought.text for thought in thoughts)]
            return bm25_for(lexical).words_of(" ".join(texts))
        embedder = self.model.found_of(self.model.searched)
        return {int(i): vocabulary_entry(embedder, int(i)) or f"#{i}" for i in vector.indices}

    def _tokens(self, chunk: Chunk) -> tuple[TokenMatch, ...]:
        """Each token of the query with the chunk's nearest, by vectors as the index stores them."""
        try:
            searched = self.model.searched
            embedder = self.model.proved_of(searched).only(["multi"])
        except ModelNotFoundError as error:  # the older one of an upgrade that compensates
            logger.warning("token pairs are left out of the explanation: %s", error)
            return ()
        if not chunk.text:  # kept elsewhere
            return ()
        written = embed_titled(embedder, [(chunk.title, chunk.text)], truncate=True)
        tokens = self.model.tokens_of(searched)
        made = tokens.small(written).multi
        assert made is not None  # a leg of the plan
        assert self.plain is not None
        queries = self.plain.vector
        assert not isinstance(queries, SparseVector)
        scale, shift = tokens.affine(1)
        cosines = queries @ made.values[0].T * scale + shift
        nearest = cosines.argmax(axis=1)
        asked_spans = query_token_spans(embedder, self.asked.query) or []
        stored_spans = document_token_spans(embedder, chunk.text, chunk.title) or []
        whole = TokenSpan("(several tokens)", None)
        pairs = []
        for row, column in enumerate(nearest):
            mine = asked_spans[row] if row < len(asked_spans) else whole
            theirs = stored_spans[column] if column < len(stored_spans) else whole
            cosine = float(cosines[row, column])
            pairs.append(TokenMatch(mine.text, theirs.text, cosine, theirs.span))
        return tuple(pairs)
