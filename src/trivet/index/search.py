"""Queries on their way through: embedded together, asked in one request, grouped by document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trivet.embedding import Embedder
from trivet.errors import ServerUnavailableError, StoreError, TextTooLongError
from trivet.index.lexicon import bm25_for
from trivet.query import Query
from trivet.store.manifest import Manifest
from trivet.store.points import Chunk
from trivet.store.request import LegQuery, RankedChunk, read_answers, search_requests
from trivet.store.store import Store
from trivet.types import DenseVectors, Hit, Mode

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
        modes: the legs to search, out of those that the index holds.
        filter: reaches every leg.
        chunks: hits are chunks, not documents.
        depth: candidates of each leg, at least.
    """

    k: int
    modes: tuple[Mode, ...]
    filter: models.Filter | None
    chunks: bool
    depth: int


def search_many(
    store: Store,
    find_embedder: Callable[[], Embedder],
    queries: Sequence[Query],
    options: SearchOptions,
) -> list[list[Hit]]:
    """The hits of each query, best first; one forward pass, one request to the engine.

    A second request follows only for queries whose candidates, several chunks of few documents,
    gave less than k documents although there are more.
    """
    if not queries:
        return []
    dense: DenseVectors | None = None
    if "dense" in options.modes:
        try:
            dense = find_embedder().embed_queries(queries).dense
        except TextTooLongError as error:
            raise TextTooLongError(
                f"{str(error).partition(':')[0]}: shorten the query, or search with "
                'modes=["sparse"]'
            ) from error
    while True:
        manifest = store.manifest
        legs = _legs(manifest, queries, options.modes, dense)
        try:
            return _answer(store, legs, options)
        except StoreError as error:
            # A leg may have been weighted anew, under another name, while we asked: by another
            # thread, or on another machine.
            is_away = isinstance(error, ServerUnavailableError)
            if store.manifest is manifest and (is_away or not store.refresh()):
                raise


def _legs(
    manifest: Manifest,
    queries: Sequence[Query],
    modes: Sequence[Mode],
    dense: DenseVectors | None,
) -> list[list[LegQuery]]:
    """The legs of each query; a query without a term that BM25 knows has no sparse one."""
    legs: list[list[LegQuery]] = [[] for _ in queries]
    if dense is not None:
        for row, vector in zip(legs, dense.values, strict=True):
            row.append(LegQuery("dense", manifest.spaces["dense"].vector_name, vector))
    if "sparse" in modes and manifest.lexical is not None:
        sparse = bm25_for(manifest.lexical).embed_queries([query.text for query in queries])
        for row, terms in zip(legs, sparse.values, strict=True):
            if len(terms.indices):
                row.append(LegQuery("sparse", manifest.spaces["sparse"].vector_name, terms))
    return legs


def _answer(
    store: Store, legs: Sequence[Sequence[LegQuery]], options: SearchOptions
) -> list[list[Hit]]:
    hits: list[list[Hit]] = [[] for _ in legs]
    asking = [position for position, row in enumerate(legs) if row]
    limit = options.k if options.chunks else SPARE_CHUNKS * options.k
    while asking:
        depth = max(options.depth, limit)
        requests = [
            search_requests(legs[i], limit=limit, depth=depth, filter=options.filter)
            for i in asking
        ]
        answers = iter(store.query([request for row in requests for request in row]))
        still: list[int] = []
        for i, row in zip(asking, requests, strict=True):
            ranked = read_answers(legs[i], [next(answers) for _ in row])
            hits[i] = _hits(ranked, options)
            if len(hits[i]) < options.k and len(ranked) == limit:
                still.append(i)
        asking = still
        limit *= GROWTH
    return hits


def _hits(ranked: Sequence[RankedChunk], options: SearchOptions) -> list[Hit]:
    """The best chunk of each document (or every chunk), at most k."""
    best: dict[str, Hit] = {}
    for result in ranked:
        chunk = Chunk.from_payload(result.point.payload)
        hit = chunk.hit(result.point.score, result.scores, as_chunk=options.chunks)
        best.setdefault(hit.id, hit)
        if len(best) == options.k:
            break
    return list(best.values())
