"""Query drift compensation: what maps keep, gain and refuse between models made of MiniLM."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import results
from benchmarks.drift_training import fine_tuned
from benchmarks.drift_vectors import (
    Corpus,
    Embedded,
    corpus,
    embedded,
    minilm,
    of_embedder,
    static,
)
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, mean
from benchmarks.quality import K, judge
from trivet import Embedder
from trivet.drift.choosing import Aim, Choice, Sample, choose_query_map, choose_translation
from trivet.drift.fitting import fit_identity, fit_procrustes, fit_ridge
from trivet.drift.map import DriftMap
from trivet.drift.measures import Exam, Texts
from trivet.drift.pairs import Pairs
from trivet.types import Space, Vectors

TITLE = "Drift compensation between models made of all-MiniLM-L6-v2, nDCG@10"
METHOD = (
    "Exact search over whole documents (title and text, cut at 256 tokens). Pairs are documents; a "
    "fifth of them is held out, and maps are chosen as `upgrade` chooses them. Means over three "
    "draws of the pairs; intervals by bootstrap over queries. True retention: nDCG@10 of judged "
    "queries, compensated over old."
)
SEEDS = (0, 1, 2)
# A fifth is held out: 1,000 are fitted to.
DRAWN = 1_250
# Documents that `upgrade` samples.
SAMPLE = 2_000
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
            _space("new", self.new),
            _space("old", self.old),
            self.new.documents[rows],
            self.old.documents[rows],
            tuple(ids[i] for i in rows),
            ("document",) * len(rows),
        )

    def chosen(self, aim: Aim, count: int, seed: int) -> Choice:
        """The query map as `upgrade` chooses it."""
        pairs = self.pairs(count, seed)
        return choose_query_map(self.sample(pairs), aim, seed=seed)

    def sample(self, pairs: Pairs) -> Sample:
        ids = self.of.collection.ids
        spans = Texts(self.new.spans, tuple(ids[i] for i in self.of.owners))
        return Sample(pairs, self.old.documents, tuple(ids), spans)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.parse_args(arguments)
    corpora = {name: corpus(name) for name in ("cranfield", "npl")}
    figures: list[Figure] = []
    for name, of in corpora.items():
        whole = embedded(of, "minilm-6", minilm())
        four = embedded(of, "minilm-4", minilm(layers=4))
        weak = embedded(of, "static", static(of))
        figures += static_to_minilm(name, Move(of, weak, whole))
        figures += cuts(name, of, whole, four)
        figures += four_to_six(name, Move(of, four, whole))
    for name in ("cranfield", "medquad-dev"):
        of = corpus(name)
        whole = embedded(of, "minilm-6", minilm())
        for label, distilled in (("tuned", False), ("distilled", True)):
            encode = of_embedder(Embedder.load(fine_tuned(label, distilled=distilled)))
            figures += tuned(
                f"{name}: MiniLM → {label}", Move(of, whole, embedded(of, label, encode))
            )
    figures += costs()
    results.report("drift", TITLE, METHOD, figures)


def static_to_minilm(name: str, move: Move) -> list[Figure]:
    """256-d static to MiniLM, 1,000 documents: the map of each aim, and the translation."""
    what = f"{name}: static → MiniLM, 1,000 documents"
    old, native = move.before, move.native
    compensated = _over_seeds(
        [move.compensated(move.chosen("gain", DRAWN, seed).drift) for seed in SEEDS]
    )
    translated = _over_seeds([
        move.translated(choose_translation(_turned(move.pairs(DRAWN, seed))).drift)
        for seed in SEEDS
    ])  # fmt: skip
    share = (translated.mean() - old.mean()) / (native.mean() - old.mean())
    least = 0.60 if name == "cranfield" else 0.40
    return [
        _figure(f"{what}: old", old),
        _figure(f"{what}: native new", native),
        _figure(f"{what}: query mode − old", compensated - old, Bar(low=0.0)),
        Figure(
            f"{what}: of old → native, translation recovers", float(share), Bar(low=least),
            _share_interval(translated, old, native), digits=3,
        ),
    ]  # fmt: skip


def cuts(name: str, of: Corpus, whole: Embedded, four: Embedded) -> list[Figure]:
    """Dimension and layer cuts: what a query map keeps of the old quality."""
    narrow = cut(whole, 128)
    moves = {
        "384 → 128 dims": Move(of, whole, narrow),
        "128 → 384 dims": Move(of, narrow, whole),
        "6 → 4 layers": Move(of, whole, four),
    }
    figures = []
    for what, move in moves.items():
        old = move.before
        kept = _over_seeds(
            [move.compensated(move.chosen("keep", SAMPLE, seed).drift) for seed in SEEDS]
        )
        figures.append(_kept(f"{name}: {what}: query mode ÷ old", kept, old, Bar(low=0.93)))
        if what == "6 → 4 layers":
            figures += few_pairs(f"{name}: {what}", move, "keep")
    return figures


def tuned(what: str, move: Move) -> list[Figure]:
    """The same model after fine-tuning: nothing is lost, and old rankings come back."""
    old, plain = move.before, move.uncompensated
    chosen = [move.chosen("keep", SAMPLE, seed).drift for seed in SEEDS]
    came = _over_seeds([move.compensated(drift) for drift in chosen])
    better = old if old.mean() >= plain.mean() else plain
    none = fit_identity(move.pairs(20, 0))
    gained = _over_seeds([move.overlap(drift) - move.overlap(none) for drift in chosen])
    few = _over_seeds([move.compensated(move.chosen("keep", 50, seed).drift) for seed in SEEDS])
    return [
        _figure(f"{what}: old", old),
        _figure(f"{what}: native new", move.native),
        _figure(f"{what}: no map", plain),
        _kept(f"{what}: query mode ÷ the better of old and no map", came, better, Bar(low=0.98)),
        _figure(f"{what}: overlap@10 with old − no map's", gained, Bar(low=0.08)),
        _figure(f"{what}, 50 documents: − the better of old and no map", few - better,
                Bar(low=-0.01)),
    ]  # fmt: skip


def few_pairs(what: str, move: Move, aim: Aim) -> list[Figure]:
    """50 pairs only: not worse than no map at all."""
    came = _over_seeds([move.compensated(move.chosen(aim, 50, seed).drift) for seed in SEEDS])
    least = np.minimum(move.uncompensated.mean(), move.before.mean())
    against = move.uncompensated if least == move.uncompensated.mean() else move.before
    return [_figure(f"{what}, 50 documents: − the worse of no map and old", came - against,
                    Bar(low=-0.01))]  # fmt: skip


def four_to_six(name: str, move: Move) -> list[Figure]:
    """A real upgrade: the map that is chosen for "gain"."""
    what = f"{name}: 4 → 6 layers"
    came = _over_seeds([move.compensated(move.chosen("gain", DRAWN, s).drift) for s in SEEDS])
    return [
        _figure(f"{what}: old", move.before),
        _figure(f"{what}: no map", move.uncompensated),
        _figure(f"{what}: query mode − no map", came - move.uncompensated, Bar(low=0.10)),
        *few_pairs(what, move, "gain"),
    ]


def costs() -> list[Figure]:
    """CPU seconds of fitting, of one query, of a translation."""
    figures = []
    for d in (384, 1_024):
        random = np.random.default_rng(0)
        before = _unit(random.standard_normal((5_000, d)) + 0.2)
        after = _unit(before @ random.standard_normal((d, d)) / np.sqrt(d) + 0.1)
        names = tuple(map(str, range(5_000)))
        space = Space("dense", "a", d, {"weights": "a"}), Space("dense", "b", d, {"weights": "b"})
        pairs = Pairs(*space, before, after, names, ("document",) * 5_000)
        fitted, held = pairs.split(0.2, 0)
        start = time.process_time()
        drift = fit_ridge(fitted, held)
        figures.append(Figure(f"fit of 5,000 pairs, {d} dims, all priors and strengths, CPU s",
                              time.process_time() - start, Bar(high=10.0)))  # fmt: skip
        start = time.process_time()
        fit_procrustes(fitted)
        figures.append(Figure(f"the same, procrustes, {d} dims, CPU s",
                              time.process_time() - start, Bar(high=10.0)))  # fmt: skip
        figures.append(_latency(drift, before, d))
        if d == 384:
            start = time.process_time()
            for _ in range(4):
                drift.apply_rows(before)
            speed = 20_000 / (time.process_time() - start)
            figures.append(Figure("translation, 384 dims, documents/s on one core", speed,
                                  Bar(low=100_000), digits=0))  # fmt: skip
    return figures


def _latency(drift: DriftMap, rows: Vectors, d: int) -> Figure:
    times = np.empty(400)
    for i in range(len(times)):
        start = time.process_time_ns()
        for _ in range(5):
            drift.apply_rows(rows[i : i + 1])
        times[i] = (time.process_time_ns() - start) / 5_000
    median = float(np.median(times))
    bounds = np.quantile(times, [0.025, 0.975])
    return Figure(f"apply to one query, {d} dims, µs (median; middle 95 %)", median,
                  Bar(high=50.0), (float(bounds[0]), float(bounds[1])), digits=1)  # fmt: skip


def _space(name: str, of: Embedded) -> Space:
    return Space("dense", name, of.documents.shape[1], {"weights": name})


def _turned(pairs: Pairs) -> Pairs:
    """From the old to the new."""
    return Pairs(
        pairs.target, pairs.source, pairs.after, pairs.before, pairs.documents, pairs.kinds
    )


def _over_seeds(scores: Sequence[PerQuery]) -> PerQuery:
    return np.mean(scores, axis=0)


def cut(of: Embedded, dims: int) -> Embedded:
    """The first components, scaled to length 1."""
    return Embedded(*(_unit(part[:, :dims]) for part in (of.documents, of.queries, of.spans)))


def _unit(rows: NDArray[np.floating]) -> Vectors:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _figure(what: str, scores: PerQuery, bar: Bar | None = None) -> Figure:
    return Figure(what, float(scores.mean()), bar, bootstrap(scores, mean), digits=4)


def _kept(what: str, came: PerQuery, old: PerQuery, bar: Bar) -> Figure:
    drawn = np.random.default_rng(0).integers(0, len(old), (10_000, len(old)))
    low, high = np.quantile(came[drawn].mean(1) / old[drawn].mean(1), [0.025, 0.975])
    return Figure(what, float(came.mean() / old.mean()), bar, (float(low), float(high)), digits=3)


def _share_interval(translated: PerQuery, old: PerQuery, native: PerQuery) -> tuple[float, float]:
    drawn = np.random.default_rng(0).integers(0, len(old), (10_000, len(old)))
    t, o, n = (part[drawn].mean(1) for part in (translated, old, native))
    low, high = np.quantile((t - o) / (n - o), [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
