"""The token vectors of an upgrade: mapped one by one where two models share a tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from trivet.drift.choosing import HELD_SHARE, Aim
from trivet.drift.fitting import fit_ridge
from trivet.drift.gates import Evidence, Judgement, judge
from trivet.drift.intervals import mean, ratio
from trivet.drift.map import DriftMap
from trivet.drift.measures import Exam, Scores
from trivet.drift.pairs import Pairs
from trivet.drift.spaces import require_mappable
from trivet.embedding import Embedder
from trivet.errors import PairsError, UnmappableSpaceError
from trivet.index.titles import embed_titled
from trivet.index.upgrade.sampling import SPAN_SEED, cut_spans
from trivet.store.generations import Generation
from trivet.store.points import Chunk
from trivet.types import Mode, MultiVectors, Vectors

# A hundred texts already have the 5,000 tokens that a map needs.
TOKEN_CHUNKS = 300


def unmappable_legs(old: Generation, new: Generation) -> dict[Mode, str]:
    """The legs of an index, its dense one aside, that no map can carry, each with the reason.

    In query mode they drop out of the plan.
    """
    reasons: dict[Mode, str] = {}
    for mode, space in old.spaces.items():
        if mode == "dense":
            continue
        other = new.spaces.get(mode)
        if other == space:
            continue
        if other is None:
            reasons[mode] = (
                f"{new.name!r} makes no {mode} vectors: they serve no longer from the cutover on, "
                "and are dropped by finish; rollback brings them back until then"
            )
            continue
        try:
            require_mappable(other, space)
        except UnmappableSpaceError as error:
            reasons[mode] = str(error)
            continue
        if space.facts.get("tokenizer") != other.facts.get("tokenizer"):
            reasons[mode] = (
                f"{new.name!r} cuts texts into other tokens than {old.name!r}: no token of the "
                "one is a token of the other; search without token vectors until the documents "
                "are indexed anew"
            )
    return reasons


def fit_tokens(chunks: Sequence[Chunk], old: Embedder, new: Embedder, seed: int) -> DriftMap:
    """The map of the newer model's token vectors into the older one's space.

    Args:
        chunks: texts to fit to; none that the map is measured on.
        old: the older model: stored token vectors are rounded, its own are not.
        new: the newer one.
        seed: of the split by which the map's strength is chosen.

    Raises:
        PairsError: too few tokens or documents, or no text is the same tokens for both.
    """
    some = chunks[:TOKEN_CHUNKS]
    before, after = _tokens(new, some), _tokens(old, some)
    # Cut at different lengths, two texts are no longer the same tokens to the end.
    same = [i for i in range(len(some)) if len(before.values[i]) == len(after.values[i])]
    if not same:
        raise PairsError(
            f"expected texts that are as many tokens for {new.name!r} as for {old.name!r}, got "
            f"none of {len(some)}: one of them puts a prompt before documents, or reads less"
        )
    documents = [some[i].key for i in same for _ in before.values[i]]
    pairs = Pairs(
        before.space,
        after.space,
        _rows(before.values[i] for i in same),
        _rows(after.values[i] for i in same),
        tuple(documents),
        ("token",) * len(documents),
    )
    fitted, held = pairs.distinct().split(HELD_SHARE, seed)
    return fit_ridge(fitted, held)


@dataclass(frozen=True, eq=False)
class TokenTrial:
    """What a map of tokens is measured on.

    Attributes:
        chunks: to search among, those that were held out first.
        held: the keys of documents that the map was not fitted to.
        old: the older model.
        new: the newer one.
        drift: newer token vectors → older ones.
    """

    chunks: Sequence[Chunk]
    held: frozenset[str]
    old: Embedder
    new: Embedder
    drift: DriftMap

    def judged(self, aim: Aim) -> Judgement:
        """The verdict on compensated token vectors, by the rule of the dense leg."""
        first = sorted(self.chunks, key=lambda chunk: chunk.key not in self.held)[:TOKEN_CHUNKS]
        spans, keys = cut_spans([chunk for chunk in first if chunk.key in self.held], SPAN_SEED)
        stored = _tokens(self.old, first)
        right = max_sim(_asked(self.old, spans), stored)
        asked = _asked(self.new, spans)
        came = max_sim(self.drift.apply(asked), stored)
        exam = Exam(tuple(chunk.key for chunk in first))
        known = ratio(exam.known_item(came, keys), exam.known_item(right, keys))
        overlap, unmapped = mean(exam.overlap(came, right, None)), None
        if asked.space.dims == stored.space.dims:
            unmapped = mean(exam.overlap(max_sim(asked, stored), right, None))
        return judge(Evidence(overlap, known, unmapped=unmapped), aim)


def max_sim(queries: MultiVectors, documents: MultiVectors) -> Scores:
    """The mean over a query's tokens of their best cosine in a document: (q, n)."""
    every = _rows(documents.values)
    starts = np.cumsum([0, *(len(tokens) for tokens in documents.values)])[:-1]
    rows = [
        np.maximum.reduceat(tokens @ every.T, starts, axis=1).mean(axis=0)
        for tokens in queries.values
    ]
    return np.stack(rows).astype(np.float32)


def _tokens(embedder: Embedder, chunks: Sequence[Chunk]) -> MultiVectors:
    titled = [(chunk.title, chunk.text) for chunk in chunks]
    multi = embed_titled(embedder.only(["multi"]), titled, truncate=True).multi
    assert multi is not None  # the one leg that was asked for
    return multi


def _asked(embedder: Embedder, spans: Sequence[str]) -> MultiVectors:
    multi = embedder.only(["multi"]).embed_queries(list(spans), truncate=True).multi
    assert multi is not None  # as above
    return multi


def _rows(values: Iterable[Vectors]) -> Vectors:
    rows: Vectors = np.concatenate(list(values))
    return rows
