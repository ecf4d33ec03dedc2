"""Thoughts in a search: embedded, held against the query, and joined to its legs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from trivet.index.lexicon import bm25_for
from trivet.index.once import joined
from trivet.store.leg_query import LegQuery
from trivet.store.manifest import Manifest
from trivet.thinking.combine import (
    TermFrequencies,
    Weights,
    mean_vector,
    united_terms,
    united_weights,
    weighted_tokens,
)
from trivet.thinking.interface import Thought
from trivet.thinking.report import JudgedThought
from trivet.types import Hit, Mode, Representations, SparseVector

if TYPE_CHECKING:
    from trivet.index.model import IndexModel
    from trivet.index.search import Asked
    from trivet.index.tokens import IndexTokens

# Which leg of a model says best what a text means.
MEANING: tuple[Mode, ...] = ("dense", "multi", "sparse")


@dataclass(frozen=True, eq=False)
class AskedThoughts:
    """Thoughts that came for a query, whose plain search is done.

    Attributes:
        thoughts: one or more.
        weights: against the query.
        guard: the least likeness of one that is kept; None = the index's own.
        plain: the answer where none is kept.
        judged: called with what the guard says.
    """

    thoughts: tuple[Thought, ...]
    weights: Weights
    guard: float | None
    plain: list[Hit]
    judged: Callable[[Sequence[JudgedThought], float], None]


@dataclass(frozen=True, eq=False)
class KeptThoughts:
    """The thoughts of a query that passed the guard; those that matter most first.

    Attributes:
        thoughts: keywords before passages.
        vectors: of each, as the index stores them; None of an index without a model's leg.
        weights: against the query.
    """

    thoughts: tuple[Thought, ...]
    vectors: Representations | None
    weights: Weights

    def joined(self, legs: Mapping[Mode, LegQuery], manifest: Manifest, tokens: IndexTokens,
               plain: Sequence[Mode]) -> dict[Mode, LegQuery]:  # fmt: skip
        """The legs of a query with the thoughts in them.

        Args:
            legs: of the query alone.
            manifest: of the index.
            tokens: how its token vectors are stored.
            plain: legs that are left as they are.
        """
        joined = dict(legs)
        for mode, leg in legs.items():
            if mode not in plain:
                joined[mode] = self._joined(leg, manifest, tokens)
        return joined

    def _joined(self, leg: LegQuery, manifest: Manifest, tokens: IndexTokens) -> LegQuery:
        shares = [thought.weight for thought in self.thoughts]
        vector, chosen = leg.vector, self.weights
        if isinstance(vector, SparseVector):
            return LegQuery(leg.mode, leg.vector_name, self._united(vector, manifest))
        assert self.vectors is not None  # a dense or multi-vector leg is the model's
        if leg.mode == "dense":
            assert self.vectors.dense is not None
            mean = mean_vector(vector, self.vectors.dense.values, shares, chosen.dense)
            return replace(leg, vector=mean)
        assert self.vectors.multi is not None
        rows = [row for row in self.vectors.multi.values if len(row)]
        shares = [s for s, row in zip(shares, self.vectors.multi.values, strict=True) if len(row)]
        if not rows or not chosen.multi:
            return leg
        weighted = weighted_tokens(vector, rows, shares, chosen.multi, chosen.tokens)
        made, scale, shift = tokens.weighted(weighted)
        return replace(leg, vector=made, scale=scale, shift=shift)

    def _united(self, query: SparseVector, manifest: Manifest) -> SparseVector:
        chosen = self.weights
        if manifest.lexical is None:
            assert self.vectors is not None
            assert self.vectors.sparse is not None
            return united_weights(query, self.vectors.sparse.values, chosen.sparse, chosen.terms)
        counted = bm25_for(manifest.lexical).frequencies([t.text for t in self.thoughts])
        rows = [TermFrequencies(terms, counts) for terms, counts in counted]
        return united_terms(query, rows, chosen.sparse, chosen.terms)


def consider(
    manifest: Manifest,
    model: IndexModel,
    asked: Sequence[Asked],
    embedded: Representations | None,
) -> dict[int, KeptThoughts]:
    """Hold the thoughts of each query against it; what is kept, by the query's position.

    Args:
        manifest: of the index.
        model: of the index.
        asked: the queries.
        embedded: their vectors by the model.
    """
    kept: dict[int, KeptThoughts] = {}
    ordered = {
        i: sorted(each.thoughts.thoughts, key=lambda thought: thought.kind != "keywords")
        for i, each in enumerate(asked)
        if each.thoughts is not None
    }
    texts = [thought.text for thoughts in ordered.values() for thought in thoughts]
    if not texts:
        return kept
    vectors = _embedded(manifest, model, asked, texts)
    start = 0
    for i, thoughts in ordered.items():
        given = asked[i].thoughts
        assert given is not None  # it has thoughts
        end = start + len(thoughts)
        own = None if vectors is None else vectors[start:end]
        query = None if embedded is None else embedded[i]
        compared = [thought.text for thought in thoughts]
        likenesses = liken(manifest, asked[i].query.text, query, compared, own)
        guard = model.guard.least() if given.guard is None else given.guard
        passed = [n for n, likeness in enumerate(likenesses) if likeness >= guard]
        given.judged(
            [JudgedThought(t, likeness, n in passed)
             for n, (t, likeness) in enumerate(zip(thoughts, likenesses, strict=True))],
            guard,
        )  # fmt: skip
        if passed:
            tokens = model.tokens_of(model.searched)
            rest = None if own is None else tokens.small(joined([own[n] for n in passed]))
            kept[i] = KeptThoughts(tuple(thoughts[n] for n in passed), rest, given.weights)
        start = end
    return kept


def with_thoughts(
    legs: Sequence[dict[Mode, LegQuery]],
    asked: Sequence[Asked],
    kept: Mapping[int, KeptThoughts],
    manifest: Manifest,
    tokens: IndexTokens,
) -> list[dict[Mode, LegQuery]]:
    """The legs of queries with what was kept of their thoughts.

    Those whose thoughts were all dropped have no legs: their answer is there already. Where MaxSim
    puts the best of another ranking in order, it does so by the plain query, as a reranker would.
    """
    joined = []
    for i, (row, each) in enumerate(zip(legs, asked, strict=True)):
        plan = each.options.plan
        plain: list[Mode] = ["multi"] if plan.rescore is not None else []
        if each.thoughts is None:
            joined.append(row)
        else:
            joined.append(kept[i].joined(row, manifest, tokens, plain) if i in kept else {})
    return joined


def liken(
    manifest: Manifest,
    query: str,
    query_vectors: Representations | None,
    texts: Sequence[str],
    vectors: Representations | None,
) -> list[float]:
    """How like a query each text is: a cosine, or the share of the query's terms in the text."""
    if query_vectors is None or vectors is None:
        assert manifest.lexical is not None  # an index has a leg
        bm25 = bm25_for(manifest.lexical)
        [(asked, _)] = bm25.frequencies([query])
        found = [terms for terms, _ in bm25.frequencies(texts)]
        return [float(np.isin(asked, terms).mean()) if len(asked) else 0.0 for terms in found]
    [one] = _meanings(query_vectors)
    return [float(_cosine(one, row)) for row in _meanings(vectors)]


def meaning_mode(manifest: Manifest) -> Mode | None:
    """The leg that thoughts are held against queries by; None = by their terms."""
    return next((mode for mode in MEANING if mode in manifest.model_modes), None)


def _embedded(
    manifest: Manifest, model: IndexModel, asked: Sequence[Asked], texts: Sequence[str]
) -> Representations | None:
    """The thoughts' vectors, as of documents: that is what they imitate."""
    needed = {mode for each in asked if each.thoughts for mode in each.options.plan.legs}
    needed |= {mode for mode in [meaning_mode(manifest)] if mode}
    modes = [mode for mode in manifest.model_modes if mode in needed]
    if not modes:
        return None
    return model.thoughts.of(manifest, modes, texts, lambda new: model.documents(new, modes))


def _meanings(vectors: Representations) -> list[SparseVector] | list[np.ndarray]:
    """One vector for each text, by the best leg that is there."""
    if vectors.dense is not None:
        return list(vectors.dense.values)
    if vectors.multi is not None:
        dims = vectors.multi.space.dims or 1
        return [
            row.mean(axis=0) if len(row) else np.zeros(dims, np.float32)
            for row in vectors.multi.values
        ]
    assert vectors.sparse is not None
    return list(vectors.sparse.values)


def _cosine(one: SparseVector | np.ndarray, other: SparseVector | np.ndarray) -> float:
    if isinstance(one, SparseVector) and isinstance(other, SparseVector):
        _, mine, theirs = np.intersect1d(one.indices, other.indices, return_indices=True)
        product = float(one.values[mine] @ other.values[theirs])
        lengths = float(np.linalg.norm(one.values) * np.linalg.norm(other.values))
    else:
        assert isinstance(one, np.ndarray)
        assert isinstance(other, np.ndarray)
        product = float(one @ other)
        lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return product / lengths if lengths else 0.0
