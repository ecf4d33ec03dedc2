"""Queries on their way through: embedded together, asked in one request, grouped by document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trivet.errors import ServerRefusedError, StoreError, TextTooLongError
from trivet.index.lexicon import bm25_for
from trivet.index.model import IndexModel
from trivet.index.tokens import IndexTokens
from trivet.plan import Plan
from trivet.query import Query
from trivet.store.manifest import Manifest
from trivet.store.points import Chunk
from trivet.store.request import LegQuery, PlannedQuery, RankedChunk
from trivet.store.store import Store
from trivet.types import Hit, Mode, Representations

if TYPE_CHECKING:
    from qdrant_client import models

# Chunks asked for beyond k, since several chunks of one document make one hit.
SPARE_CHUNKS = 3
GROWTH = 4


@dataclass(frozen=True)
class SearchOptions:
    """What was asked of a search, checked.

    Attributes:
        k: hits wanted.
        plan: of legs that the index holds.
        filter: reaches every leg.
        chunks: hits are chunks, not documents.
    """

    k: int
    plan: Plan
    filter: models.Filter | None
    chunks: bool

    @property
    def hits(self) -> int:
        """Hits to find, those that are left out at the head included."""
        return self.k + self.plan.offset


def search_many(
    store: Store,
    model: IndexModel,
    queries: Sequence[Query],
    options: SearchOptions,
) -> list[list[Hit]]:
    """The hits of each query, best first; one forward pass, one request to the engine.

    A second request follows only for queries whose candidates, several chunks of few documents,
    gave less than k documents although there are more.
    """
    if not queries:
        return []
    embedded: Representations | None = None
    by_model = [mode for mode in options.plan.legs if mode in store.manifest.model_modes]
    if by_model:
        try:
            embedded = model.tokens.small(model.proved().only(by_model).embed_queries(queries))
        except TextTooLongError as error:
            raise TextTooLongError(
                f"{str(error).partition(':')[0]}: shorten the query, or search with "
                'modes=["sparse"]'
            ) from error
    while True:
        manifest = store.manifest
        legs = _query_legs(manifest, queries, options.plan.legs, embedded, model.tokens)
        try:
            return _answer(store, legs, options)
        except StoreError as error:
            # A leg may have been weighted anew, under another name, while we asked: by another
            # thread, or on another machine.
            may_be_stale = isinstance(error, ServerRefusedError)
            if store.manifest is manifest and not (may_be_stale and store.refresh()):
                raise


def _query_legs(
    manifest: Manifest,
    queries: Sequence[Query],
    modes: Sequence[Mode],
    embedded: Representations | None,
    tokens: IndexTokens,
) -> list[dict[Mode, LegQuery]]:
    """The legs of each query; a query without a term that BM25 knows has no sparse one."""
    legs: list[dict[Mode, LegQuery]] = [{} for _ in queries]
    if embedded is not None and embedded.dense is not None:
        name = manifest.spaces["dense"].vector_name
        for row, vector in zip(legs, embedded.dense.values, strict=True):
            row["dense"] = LegQuery("dense", name, vector)
    if embedded is not None and embedded.multi is not None:
        for row, vectors in zip(legs, embedded.multi.values, strict=True):
            name = manifest.spaces["multi"].vector_name
            row["multi"] = LegQuery("multi", name, vectors, *tokens.affine(len(vectors)))
    sparse = None if embedded is None else embedded.sparse
    if "sparse" in modes and manifest.lexical is not None:
        sparse = bm25_for(manifest.lexical).embed_queries([query.text for query in queries])
    if sparse is not None:
        for row, terms in zip(legs, sparse.values, strict=True):
            if len(terms.indices):
                row["sparse"] = LegQuery("sparse", manifest.spaces["sparse"].vector_name, terms)
    return legs


def _answer(
    store: Store, legs: Sequence[Mapping[Mode, LegQuery]], options: SearchOptions
) -> list[list[Hit]]:
    hits: list[list[Hit]] = [[] for _ in legs]
    plans = [_plan_for(row, options.plan) for row in legs]
    asking = [position for position, plan in enumerate(plans) if plan is not None]
    limit = options.hits if options.chunks else SPARE_CHUNKS * options.hits
    while asking:
        planned = [
            PlannedQuery(plan, legs[i], limit, options.filter)
            for i in asking
            if (plan := plans[i]) is not None
        ]
        requests = [query.requests() for query in planned]
        answers = iter(store.query([request for row in requests for request in row]))
        still: list[int] = []
        for i, query, row in zip(asking, planned, requests, strict=True):
            ranked = query.read([next(answers) for _ in row])
            hits[i] = _hits(ranked, options)
            if len(hits[i]) < options.hits and len(ranked) == limit:
                still.append(i)
        asking = still
        limit *= GROWTH
    return [found[options.plan.offset :] for found in hits]


def _plan_for(legs: Mapping[Mode, LegQuery], plan: Plan) -> Plan | None:
    """The plan without the legs that a query has no vector of; None if nothing can be found."""
    missing = [mode for mode in plan.legs if mode not in legs]
    return plan.without(missing) if missing else plan


def _hits(ranked: Sequence[RankedChunk], options: SearchOptions) -> list[Hit]:
    """The best chunk of each document (or every chunk), at most k."""
    best: dict[str, Hit] = {}
    for result in ranked:
        chunk = Chunk.from_payload(result.point.payload)
        if options.plan.threshold is not None and result.point.score < options.plan.threshold:
            break
        hit = chunk.hit(result.point.score, result.scores, as_chunk=options.chunks)
        best.setdefault(hit.id, hit)
        if len(best) == options.hits:
            break
    return list(best.values())
