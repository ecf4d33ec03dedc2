"""Why a document has its score: each leg's part, its terms and its pairs of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from trivet.embedding.token_spans import (
    TokenSpan,
    document_token_spans,
    query_token_spans,
    vocabulary_entry,
)
from trivet.errors import InvalidInputError
from trivet.index.explanation import Explanation, LegShare, TermMatch, TokenMatch
from trivet.index.lexicon import bm25_for
from trivet.index.model import IndexModel
from trivet.index.search import Asked, embedded_queries, planned_query, query_legs
from trivet.index.titles import embed_titled
from trivet.plan import Plan
from trivet.store.neighbours import only_points
from trivet.store.points import Chunk, FoundPoint
from trivet.store.request import PlannedQuery
from trivet.store.store import Store
from trivet.store.term_requests import term_requests
from trivet.types import Mode, SparseVector, Vectors

# Of a list whose scores are all alike, or that has one alone, as Qdrant has it.
ALIKE = 0.5
DEVIATIONS = 3.0


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
            f"expected the id of a stored document, got {id!r}: take the id of a hit"
        )
    ids = [store.point_id(chunk.key, chunk.sequence) for chunk in chunks]
    by_point = dict(zip(ids, chunks, strict=True))
    plan = replace(asked.options.plan, threshold=None, offset=0)
    asked = replace(asked, options=replace(asked.options, plan=plan))
    full = embedded_queries(store, model, [asked])
    embedded = None if full is None else model.tokens.small(full)
    [legs] = query_legs(store.manifest, [asked], embedded, model.tokens)
    planned = planned_query(legs, asked.options, is_near=store.engine.is_near)
    if planned is None:
        shares: dict[str, list[LegShare]] = {}
    elif plan.fuse == "scores" or planned.plan.is_single or planned.plan.rescore is not None:
        shares = _summed(store, planned, ids)
    else:
        shares = _fused(store, planned, ids)
    best = max(shares, key=lambda point: _total(shares[point]), default=ids[0])
    found = shares.get(best, [])
    if planned is not None:
        found = [_detailed(store, model, asked, planned, s, best, by_point[best]) for s in found]
    chunk = by_point[best]
    return Explanation(
        query=asked.query.text,
        id=id,
        text=chunk.text,
        span=chunk.span,
        score=_total(found),
        legs=tuple(found),
        plan=described(plan if planned is None else planned.plan),
    )


def described(plan: Plan) -> str:
    """How a plan makes one score, in words."""
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
    terms = {
        "dense": f"max(cosine, {plan.dense_floor:g})",
        "sparse": f"s / (s + {plan.sparse_half:g})",
        "multi": "mean MaxSim",
    }
    return " + ".join(f"{plan.weights[mode]:g} · {terms[mode]}" for mode in plan.fused)


def _total(shares: Sequence[LegShare]) -> float:
    return sum(share.contribution for share in shares)


def _summed(store: Store, planned: PlannedQuery, ids: list[str]) -> dict[str, list[LegShare]]:
    """Each chunk's parts of a score that does not depend on what else was found."""
    narrow = replace(planned, filter=only_points(ids), limit=len(ids))
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
            shares[chunk.point.id].append(LegShare(mode, score, part))
    return shares


def _fused(store: Store, planned: PlannedQuery, ids: list[str]) -> dict[str, list[LegShare]]:
    """Each chunk's parts of a score that is made of ranks or of lists."""
    requests = planned.list_requests()
    answers = dict(zip(requests, store.query(list(requests.values())), strict=True))
    shares: dict[str, list[LegShare]] = {}
    for id in ids:
        parts = [_in_list(planned, mode, answer, id) for mode, answer in answers.items()]
        if any(part.rank is not None for part in parts):
            shares[id] = parts
    return shares


def _in_list(planned: PlannedQuery, mode: Mode, answer: Sequence[FoundPoint], id: str) -> LegShare:
    at = next((i for i, point in enumerate(answer) if point.id == id), None)
    if at is None:
        return LegShare(mode, None, 0.0)
    plan = planned.plan
    if plan.fuse == "rrf":
        weight = plan.weights.get(mode, 1.0)
        part = 1.0 / (plan.rrf_k + (at + 1) / weight) if weight else 0.0
    else:
        part = _normalised(np.array([point.score for point in answer]), at)
    return LegShare(mode, planned.legs[mode].score(answer[at].score), part, rank=at + 1)


def _normalised(scores: Vectors, at: int) -> float:
    """A score as a place between three deviations below the mean of its list and three above."""
    deviation = float(scores.std(ddof=1)) if len(scores) > 1 else 0.0
    if not deviation:
        return ALIKE
    width = 2 * DEVIATIONS * deviation
    return float((scores[at] - scores.mean()) / width + 0.5)


def _detailed(
    store: Store,
    model: IndexModel,
    asked: Asked,
    planned: PlannedQuery,
    share: LegShare,
    point: str,
    chunk: Chunk,
) -> LegShare:
    if share.score is None:
        return share
    if share.mode == "sparse":
        return replace(share, terms=_terms(store, model, asked, planned, point))
    if share.mode == "multi":
        return replace(share, tokens=_tokens(model, asked, planned, chunk))
    return share


def _terms(
    store: Store, model: IndexModel, asked: Asked, planned: PlannedQuery, point: str
) -> tuple[TermMatch, ...]:
    answers = store.query(term_requests(planned.legs["sparse"], point))
    vector = planned.legs["sparse"].vector
    assert isinstance(vector, SparseVector)
    names = _term_names(store, model, asked, vector)
    scores = {
        int(term): answer[0].score for term, answer in zip(vector.indices, answers, strict=True)
        if answer
    }  # fmt: skip
    order = sorted(scores, key=lambda term: -scores[term])
    return tuple(TermMatch(names.get(term, f"#{term}"), scores[term]) for term in order)


def _term_names(
    store: Store, model: IndexModel, asked: Asked, vector: SparseVector
) -> Mapping[int, str]:
    lexical = store.manifest.lexical
    if lexical is not None:
        return bm25_for(lexical).words_of(asked.query.text)
    embedder = model.found()
    return {int(i): vocabulary_entry(embedder, int(i)) or f"#{i}" for i in vector.indices}


def _tokens(
    model: IndexModel, asked: Asked, planned: PlannedQuery, chunk: Chunk
) -> tuple[TokenMatch, ...]:
    """Each token of the query with the chunk's nearest, by vectors as the index stores them."""
    embedder = model.proved().only(["multi"])
    made = model.tokens.small(embed_titled(embedder, [(chunk.title, chunk.text)])).multi
    assert made is not None  # a leg of the plan
    queries = planned.legs["multi"].vector
    assert not isinstance(queries, SparseVector)
    scale, shift = model.tokens.affine(1)
    cosines = queries @ made.values[0].T * scale + shift
    nearest = cosines.argmax(axis=1)
    asked_spans = query_token_spans(embedder, asked.query) or []
    stored_spans = document_token_spans(embedder, chunk.text, chunk.title) or []
    whole = TokenSpan("(several tokens)", None)
    pairs = []
    for row, column in enumerate(nearest):
        mine = asked_spans[row] if row < len(asked_spans) else whole
        theirs = stored_spans[column] if column < len(stored_spans) else whole
        cosine = float(cosines[row, column])
        pairs.append(TokenMatch(mine.text, theirs.text, cosine, theirs.span))
    return tuple(pairs)
