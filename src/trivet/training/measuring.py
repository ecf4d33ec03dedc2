"""What became of the old model's vectors: the drift map, and both models on held-out pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trivet.drift import DriftMap
from trivet.drift.choosing import Sample, choose_query_map
from trivet.drift.pairs import Pairs
from trivet.embedding import Embedder
from trivet.training.pairs import TrainingPair, grouped
from trivet.training.report import HeldOut
from trivet.types import DenseVectors, Vectors

K = 10
# As many as an upgrade samples of an index.
MAP_QUERIES = 2_000
# Rankings of these tell the candidates apart; every document costs more than ten queries.
MAP_DOCUMENTS = 500


def fit_drift_map(
    old: Embedder, new: Embedder, pairs: Sequence[TrainingPair], seed: int
) -> DriftMap:
    """The map that carries the new model's queries to the old model's vectors.

    It is fitted to training queries; a fifth of them, sharing no query and no document with the
    others, chooses the method by how much of the old model's rankings of the documents returns.

    Args:
        old: the old model.
        new: the new one.
        pairs: that were trained on.
        seed: of the draw and of the split.

    Raises:
        PairsError: too few pairs, or broken vectors.
    """
    drawn = np.random.default_rng(seed).permutation(len(pairs))[:MAP_QUERIES]
    asked = {pairs[i].query: i for i in drawn[::-1]}
    groups = grouped(pairs)
    queries, names = list(asked), tuple(str(groups[i]) for i in asked.values())
    before, after = _queries(new, queries), _queries(old, queries)
    every = {pairs[i].positive: str(groups[i]) for i in asked.values()}
    found = dict(list(every.items())[:MAP_DOCUMENTS])
    stored = _documents(old, list(found)).values
    kinds = ("query",) * len(queries)
    sample = Pairs(before.space, after.space, before.values, after.values, names, kinds)
    return choose_query_map(Sample(sample, stored, tuple(found.values())), "keep", seed=seed).drift


def measure(
    old: Embedder, new: Embedder, drift: DriftMap, pairs: Sequence[TrainingPair]
) -> HeldOut:
    """Both models on held-out pairs.

    Args:
        old: the old model.
        new: the new one.
        drift: from the new one's queries to the old one's space.
        pairs: held out; the documents of all of them are searched, negatives too.
    """
    queries = list(dict.fromkeys(pair.query for pair in pairs))
    every = [text for p in pairs for text in (p.positive, p.negative) if text is not None]
    documents = list(dict.fromkeys(every))
    relevant = _relevant(pairs, queries, documents)
    old_queries, new_queries = _queries(old, queries), _queries(new, queries)
    old_documents, new_documents = _documents(old, documents).values, _documents(new, documents)
    carried = drift.apply(new_queries).values

    def reached(asked: Vectors, searched: Vectors) -> float:
        return ndcg(asked @ searched.T, relevant)

    return HeldOut(
        queries=len(queries),
        documents=len(documents),
        old=reached(old_queries.values, old_documents),
        new=reached(new_queries.values, new_documents.values),
        uncompensated=reached(new_queries.values, old_documents),
        compensated=reached(carried, old_documents),
        query_cosine=_cosine(new_queries.values, old_queries.values),
        document_cosine=_cosine(new_documents.values, old_documents),
    )


def ndcg(scores: Vectors, relevant: Sequence[frozenset[int]]) -> float:
    """Mean nDCG@10 over queries, each relevant document counting 1.

    Args:
        scores: (q, n) of every query and document.
        relevant: the positions of each query's documents.
    """
    gains = 1.0 / np.log2(np.arange(2, K + 2))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    values = []
    for row, right in zip(order, relevant, strict=True):
        came = sum(gains[rank] for rank, position in enumerate(row) if int(position) in right)
        values.append(came / gains[: len(right)].sum())
    return float(np.mean(values))


def _relevant(
    pairs: Sequence[TrainingPair], queries: Sequence[str], documents: Sequence[str]
) -> list[frozenset[int]]:
    places = {text: place for place, text in enumerate(documents)}
    found: dict[str, set[int]] = {query: set() for query in queries}
    for pair in pairs:
        found[pair.query].add(places[pair.positive])
    return [frozenset(found[query]) for query in queries]


def _queries(embedder: Embedder, texts: Sequence[str]) -> DenseVectors:
    dense = embedder.embed_queries(list(texts), truncate=True).dense
    assert dense is not None  # the one leg
    return dense


def _documents(embedder: Embedder, texts: Sequence[str]) -> DenseVectors:
    dense = embedder.embed_documents(list(texts), truncate=True).dense
    assert dense is not None  # the one leg
    return dense


def _cosine(new: Vectors, old: Vectors) -> float:
    return float((new * old).sum(axis=1).mean())
