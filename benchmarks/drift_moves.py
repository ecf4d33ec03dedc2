"""An upgrade from one model to another as the drift benchmark sees it, and figures of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift_vectors import Corpus, Embedded
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, mean
from benchmarks.quality import K, judge
from trivet.drift.choosing import Aim, Sample, choose_query_map
from trivet.drift.map import DriftMap
from trivet.drift.measures import Exam, Texts
from trivet.drift.pairs import Pairs
from trivet.types import Space, Vectors

PerQuery = NDArray[np.float64]


@dataclass(frozen=True)
class Move:
    """An upgrade from one model to another, of one collection."""

    of: Corpus
    old: Embedded
    new: Embedded

    def ndcg(self, queries: Vectors, documents: Vectors) -> PerQuery:
        order = np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :K]
        ids = self.of.collection.ids
        return judge(self.of.collection, [[ids[column] for column in row] for row in order])

    @property
    def before(self) -> PerQuery:
        return self.ndcg(self.old.queries, self.old.documents)

    @property
    def uncompensated(self) -> PerQuery:
        return self.ndcg(self.new.queries, self.old.documents)

    @property
    def native(self) -> PerQuery:
        return self.ndcg(self.new.queries, self.new.documents)

    def compensated(self, drift: DriftMap) -> PerQuery:
        return self.ndcg(drift.apply_rows(self.new.queries), self.old.documents)

    def overlap(self, drift: DriftMap) -> PerQuery:
        """@10 with the old model's rankings, of the judged queries."""
        exam = Exam(tuple(self.of.collection.ids))
        came = drift.apply_rows(self.new.queries) @ self.old.documents.T
        return exam.overlap(came, self.old.queries @ self.old.documents.T, None)

    def translated(self, drift: DriftMap) -> PerQuery:
        return self.ndcg(self.new.queries, drift.apply_rows(self.old.documents))

    def pairs(self, count: int, seed: int) -> Pairs:
        """Of as many documents."""
        ids = self.of.collection.ids
        rows = np.random.default_rng(seed).permutation(len(ids))[:count]
        return Pairs(
            space("new", self.new),
            space("old", self.old),
            self.new.documents[rows],
            self.old.documents[rows],
            tuple(ids[i] for i in rows),
            ("document",) * len(rows),
        )

    def chosen(self, aim: Aim, count: int, seed: int, *, spans: bool = True) -> DriftMap:
        """The query map as `upgrade` chooses it; without `spans`, where the old model is gone."""
        pairs = self.pairs(count, seed)
        if spans and aim == "keep":
            pairs = self.with_spans(pairs)
        return choose_query_map(self.sample(pairs), aim, seed=seed).drift

    def with_spans(self, pairs: Pairs) -> Pairs:
        """These and the spans of their documents."""
        ids, drawn = self.of.collection.ids, set(pairs.documents)
        rows = [i for i, owner in enumerate(self.of.owners) if ids[owner] in drawn]
        names = [ids[self.of.owners[i]] for i in rows]
        return pairs.with_texts(self.new.spans[rows], self.old.spans[rows], names, "span")

    def sample(self, pairs: Pairs) -> Sample:
        ids = self.of.collection.ids
        spans = Texts(self.new.spans, tuple(ids[i] for i in self.of.owners))
        return Sample(pairs, self.old.documents, tuple(ids), spans)


def space(name: str, of: Embedded) -> Space:
    return Space("dense", name, of.documents.shape[1], {"weights": name})


def turned(pairs: Pairs) -> Pairs:
    """From the old to the new."""
    return Pairs(
        pairs.target, pairs.source, pairs.after, pairs.before, pairs.documents, pairs.kinds
    )


def over_seeds(scores: Sequence[PerQuery]) -> PerQuery:
    return np.mean(scores, axis=0)


def cut(of: Embedded, dims: int) -> Embedded:
    """The first components, scaled to length 1."""
    return Embedded(*(unit(part[:, :dims]) for part in (of.documents, of.queries, of.spans)))


def among(move: Move, count: int) -> Move:
    """The same in a smaller collection: all relevant documents, and others drawn evenly."""
    of = move.of.collection
    relevant = {id for grades in of.judgements.values() for id, grade in grades.items() if grade}
    order = np.random.default_rng(0).permutation(len(of.ids))
    kept = sorted(order, key=lambda i: of.ids[i] not in relevant)[:count]
    rows = np.array(sorted(kept))
    place = {int(row): position for position, row in enumerate(rows)}
    spans = [i for i, owner in enumerate(move.of.owners) if int(owner) in place]
    owners = np.array([place[int(move.of.owners[i])] for i in spans])
    fewer = replace(of, documents=tuple(of.documents[i] for i in rows))
    texts = tuple(move.of.spans[i] for i in spans)

    def taken(vectors: Embedded) -> Embedded:
        return Embedded(vectors.documents[rows], vectors.queries, vectors.spans[spans])

    return Move(Corpus(fewer, texts, owners), taken(move.old), taken(move.new))


def unit(rows: NDArray[np.floating]) -> Vectors:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def figure(what: str, scores: PerQuery, bar: Bar | None = None) -> Figure:
    return Figure(what, float(scores.mean()), bar, bootstrap(scores, mean), digits=4)


def kept(what: str, came: PerQuery, old: PerQuery, bar: Bar | None) -> Figure:
    drawn = np.random.default_rng(0).integers(0, len(old), (10_000, len(old)))
    low, high = np.quantile(came[drawn].mean(1) / old[drawn].mean(1), [0.025, 0.975])
    return Figure(what, float(came.mean() / old.mean()), bar, (float(low), float(high)), digits=3)


def share_interval(translated: PerQuery, old: PerQuery, native: PerQuery) -> tuple[float, float]:
    drawn = np.random.default_rng(0).integers(0, len(old), (10_000, len(old)))
    t, o, n = (part[drawn].mean(1) for part in (translated, old, native))
    low, high = np.quantile((t - o) / (n - o), [0.025, 0.975])
    return float(low), float(high)
