"""Queries on their way through: embedded together, asked in one request, grouped by document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trivet.errors import ServerUnavailableError, StoreError, TextTooLongError
from trivet.index.absent import with_ways_back
from trivet.index.grouping import Chosen, chosen_chunks, full_pages
from trivet.index.lexicon import bm25_for
from trivet.index.model import IndexModel
from trivet.index.once import QueryVectors, embedded_once, firsts
from trivet.index.thoughts import AskedThoughts, consider, meaning_mode, with_thoughts
from trivet.index.ties import ties_by_id, twins_by_id
from trivet.index.tokens import IndexTokens
from trivet.plan import Plan
from trivet.query import Query
from trivet.store.generations import Generation
from trivet.store.leg_query import LegQuery
from trivet.store.manifest import Manifest
from trivet.store.rank_fusion import fuses_ranks
from trivet.store.request import PlannedQuery, RankedChunk
from trivet.store.store import Store
from trivet.types import Hit, Mode, Representations

if TYPE_CHECKING:
    from qdrant_client import models

# Seconds after which a search looks whether another machine has changed what the index is of.
LOOK_AGAIN_S = 30.0
# Chunks asked for beyond k, since several chunks of one document make one hit.
SPARE_CHUNKS = 3
# Chunks a document, up to which so many are not read: few hits share a document then.
FEW_CHUNKS = 1.1
# And beyond the last hit, at least: equal scores, which are put in order here, may end there; else
# the next are asked for.
TIES = 8
MOST_TIES = 1_000


@dataclass(frozen=True)
class SearchOptions:
    """What was asked of a search, checked.

    Attributes:
        k: hits wanted.
        plan: of legs that the index holds.
        filter: reaches every leg.
        chunks: hits are chunks, not documents.
        is_default: whether the caller named no plan, so that another may stand in.
    """

    k: int
    plan: Plan
    filter: models.Filter | None
    chunks: bool
    is_default: bool = False

    @property
    def hits(self) -> int:
        """Hits to find, those that are left out at the head included."""
        return self.k + self.plan.offset

    @property
    def per_document(self) -> int | None:
        """The most hits of one document; None = as many as come."""
        return self.plan.per_document if self.chunks else 1


@dataclass(frozen=True)
class Asked:
    """One query and what is asked of its search."""

    query: Query
    options: SearchOptions
    thoughts: AskedThoughts | None = None
    vectors: QueryVectors | None = None

    def remembering(self) -> Asked:
        """The same, which keeps its query's vectors for a second search."""
        return replace(self, vectors=QueryVectors())


def answer(store: Store, model: IndexModel, asked: Sequence[Asked]) -> list[list[Hit]]:
    """The hits of each query, best first; one forward pass, one request to the engine.

    A second request follows only for queries whose candidates, several chunks of few documents,
    gave less than k documents although there are more, or end among chunks of the last hit's score.
    """
    if not asked:
        return []
    store.refresh(LOOK_AGAIN_S)
    of: tuple[Generation, Generation] | None = None
    while True:
        manifest = store.manifest
        try:
            now = manifest.generation, model.searched
            if now != of:
                full = embedded_queries(store, model, asked)
                kept = consider(manifest, model, asked, full)
                tokens = model.tokens_of(model.searched)
                embedded = None if full is None else tokens.small(full)
                of = now
            legs = query_legs(manifest, asked, embedded, tokens)
            legs = with_thoughts(legs, asked, kept, manifest, tokens)
            hits = _answered_once(store, model, asked, legs)
            return [
                each.thoughts.plain if each.thoughts and i not in kept else found
                for i, (each, found) in enumerate(zip(asked, hits, strict=True))
            ]
        except StoreError as error:
            # A leg may have been weighted anew, under another name, or a map forgotten with its
            # upgrade while we asked: by another thread, or on another machine.
            is_away = isinstance(error, ServerUnavailableError)
            if store.manifest is manifest and (is_away or not store.refresh()):
                raise


def _answered_once(
    store: Store, model: IndexModel, asked: Sequence[Asked],
    legs: Sequence[Mapping[Mode, LegQuery]],
) -> list[list[Hit]]:  # fmt: skip
    """The hits of each query; those that ask the same have hits of their own, but one request."""
    first = firsts(asked)
    once = [i for i, own in enumerate(first) if own == i]
    options = [with_floor(model, asked[i].options) for i in once]
    answers = answer_legs(store, [legs[i] for i in once], options)
    found = dict(zip(once, answers, strict=True))
    return [found[i] if own == i else deepcopy(found[own]) for i, own in enumerate(first)]


def embedded_queries(
    store: Store, model: IndexModel, asked: Sequence[Asked]
) -> Representations | None:
    """The legs that the model makes of the queries, as far as plans and thoughts need them.

    A query is embedded once, however often it is among them, or was before. Token vectors are the
    model's own, not yet as the index stores them.

    Raises:
        TextTooLongError: a query is longer than the model reads.
    """
    manifest = store.manifest
    needed = {mode for each in asked for mode in each.options.plan.legs}
    if any(each.thoughts for each in asked):
        needed |= {mode for mode in [meaning_mode(manifest)] if mode}
    by_model = [mode for mode in manifest.model_modes if mode in needed]
    if not by_model:
        return None
    try:
        with with_ways_back(manifest):
            return embedded_once(manifest, by_model, asked, lambda q: model.queries(q, by_model))
    except TextTooLongError as error:
        raise TextTooLongError(
            f'{str(error).partition(":")[0]}: shorten the query, or search with modes=["sparse"]'
        ) from error


def query_legs(
    manifest: Manifest,
    asked: Sequence[Asked],
    embedded: Representations | None,
    tokens: IndexTokens,
) -> list[dict[Mode, LegQuery]]:
    """The legs that each query's plan needs.

    A query without a term that BM25 knows has no sparse one, and a text that the model's tokenizer
    leaves nothing of, such as a zero-width space, no multi-vector one.
    """
    every: list[dict[Mode, LegQuery]] = [{} for _ in asked]
    if embedded is not None and embedded.dense is not None:
        for row, vector in zip(every, embedded.dense.values, strict=True):
            name = embedded.dense.space.vector_name
            row["dense"] = LegQuery("dense", name, vector, storage=manifest.storage)
    sparse = None if embedded is None else embedded.sparse
    if manifest.lexical is not None:
        sparse = bm25_for(manifest.lexical).embed_queries([a.query.text for a in asked])
    if sparse is not None:
        for row, terms in zip(every, sparse.values, strict=True):
            if len(terms.indices):
                row["sparse"] = LegQuery("sparse", sparse.space.vector_name, terms)
    if embedded is not None and embedded.multi is not None:
        for row, vectors in zip(every, embedded.multi.values, strict=True):
            if len(vectors):
                scale, shift = tokens.affine(len(vectors))
                name = embedded.multi.space.vector_name
                everywhere = not tokens.may_lack
                row["multi"] = LegQuery(
                    "multi", name, vectors, scale, shift, is_everywhere=everywhere
                )
    return [
        {mode: leg for mode, leg in row.items() if mode in each.options.plan.legs}
        for row, each in zip(every, asked, strict=True)
    ]


def answer_legs(
    store: Store, legs: Sequence[Mapping[Mode, LegQuery]], options: Sequence[SearchOptions]
) -> list[list[Hit]]:
    """The hits of each query, whose vectors are there."""
    chosen: list[list[Chosen]] = [[] for _ in legs]
    kept: list[list[Chosen]] = [[] for _ in legs]
    spare = _chunks_a_hit(store)
    asking = {
        i: planned
        for i, (row, each) in enumerate(zip(legs, options, strict=True))
        if (planned := planned_query(row, each, spare)) is not None
    }
    while asking:
        requests = {i: planned.requests() for i, planned in asking.items()}
        answers = iter(store.query([request for row in requests.values() for request in row]))
        still: dict[int, PlannedQuery] = {}
        for i, planned in asking.items():
            ranked = _ordered(planned, planned.read([next(answers) for _ in requests[i]]))
            chosen[i] = chosen_chunks(kept[i], ranked, options[i])
            if more := _more(chosen[i], ranked, planned, options[i]):
                if more.page != planned.page:  # another ranking: pages that are full stay
                    kept[i] = chosen[i][: full_pages(len(chosen[i]), options[i])]
                still[i] = more
        asking = still
    return [
        [
            chunk.hit(ranked.point.score, ranked.scores, as_chunk=each.chunks)
            for ranked, chunk in found[each.plan.offset :]
        ]
        for found, each in zip(chosen, options, strict=True)
    ]


def with_floor(model: IndexModel, options: SearchOptions) -> SearchOptions:
    """The same with the floor of the index's embedder, where the plan needs one."""
    plan = model.floor.resolved(options.plan)
    return options if plan is options.plan else replace(options, plan=plan)


def _chunks_a_hit(store: Store) -> int:
    """Chunks to read for each hit; a server is not asked how many it has."""
    totals = store.journal.totals() if store.engine.is_near else None
    is_few = totals is not None and totals.chunks <= FEW_CHUNKS * totals.documents
    return 1 if is_few else SPARE_CHUNKS


def planned_query(
    legs: Mapping[Mode, LegQuery], options: SearchOptions, spare: int = SPARE_CHUNKS
) -> PlannedQuery | None:
    """The plan without the legs that a query has no vector of; None if nothing can be found."""
    missing = [mode for mode in options.plan.legs if mode not in legs]
    plan = options.plan.without(missing) if missing else options.plan
    if plan is None:
        return None
    if options.per_document is None:
        limit, page = options.hits, options.k
    else:
        limit, page = spare * options.hits, SPARE_CHUNKS * options.k
    planned = PlannedQuery(plan, legs, max(limit, options.hits + TIES), options.filter, page)
    # Which are the best is known when their ranks are counted, or all that are alike are there.
    return planned.in_full() if fuses_ranks(plan) or plan.relevance is not None else planned


def asked_to_the_end(
    store: Store, planned: PlannedQuery, options: SearchOptions
) -> tuple[PlannedQuery, list[RankedChunk]]:
    """A query as it is asked in the end, for the ranking that its k documents come from, and it."""
    while True:
        ranked = _ordered(planned, planned.read(store.query(planned.requests())))
        more = _more(chosen_chunks((), ranked, options), ranked, planned, options)
        if more is None:
            return planned, ranked
        planned = more


def _ordered(planned: PlannedQuery, ranked: list[RankedChunk]) -> list[RankedChunk]:
    """Ties by id; of a plan whose order is not that of its scores, chunks that are the same."""
    return ties_by_id(ranked) if planned.plan.relevance is None else twins_by_id(ranked)


def _more(
    chosen: Sequence[Chosen], ranked: Sequence[RankedChunk], planned: PlannedQuery,
    options: SearchOptions,
) -> PlannedQuery | None:  # fmt: skip
    """What to ask for chunks behind those that came: such as make hits, or tie with the last."""
    if len(chosen) == options.hits:
        is_cut = ranked[-1].point.score == chosen[-1][0].point.score
        if not is_cut or planned.plan.relevance is not None:
            return None
        return planned.longer(len(ranked), options.hits + MOST_TIES)
    least = planned.plan.threshold
    if ranked and least is not None and ranked[-1].point.score < least:
        return None
    return planned.deeper(len(ranked))
