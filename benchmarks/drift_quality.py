"""What query maps and translations keep and gain, by exact search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.drift_moves import (
    Move,
    among,
    cut,
    figure,
    kept,
    over_seeds,
    share_interval,
    turned,
)
from benchmarks.drift_training import fine_tuned
from benchmarks.drift_vectors import corpus, embedded, minilm, of_embedder, static
from benchmarks.figures import Bar, Figure
from trivet import Embedder
from trivet.drift.choosing import Aim, choose_translation
from trivet.drift.fitting import fit_identity, fit_ridge
from trivet.drift.map import DriftMap
from trivet.index.upgrade.sampling import SAMPLE

SEEDS = (0, 1, 2)
# Which documents are drawn moves what a translation recovers by .05 on npl.
TRANSLATED_SEEDS = tuple(range(6))
COLLECTIONS = ("cranfield", "npl")
# A fifth is held out: 1,000 are fitted to.
DRAWN = 1_250
MANY = 6_250
# As many as the bar was first measured on: in fewer documents a map has less to tell apart.
AMONG = 6_000
FEW = 50
# More of each judged query changes little.
TIMES = 5


def static_to_minilm() -> list[Figure]:
    """256-d static to MiniLM, 1,000 documents: the map for a gain, and the translation."""
    figures = []
    for name, least in zip(COLLECTIONS, (0.60, 0.40), strict=True):
        of = corpus(name)
        move = Move(of, embedded(of, "static", static(of)), embedded(of, "minilm-6", minilm()))
        what, old = f"{name}: static → MiniLM, 1,000 documents", move.before
        came = over_seeds([move.compensated(move.chosen("gain", DRAWN, s)) for s in SEEDS])
        figures += [
            figure(f"{what}: old", old),
            figure(f"{what}: native new", move.native),
            figure(f"{what}: query mode − old", came - old, Bar(low=0.0)),
            _recovered(f"{what}: of old → native, translation recovers", move, DRAWN,
                       Bar(low=least)),
        ]  # fmt: skip
        if name == "npl":
            label = f"{name}: the same, among {AMONG:,} documents with all that are relevant"
            figures.append(_recovered(label, among(move, AMONG), DRAWN, None))
        for count in (SAMPLE, MANY):
            if count <= len(of.collection.documents):
                label = f"{name}: the same, {round(0.8 * count):,} documents"
                figures.append(_recovered(label, move, count, None))
    return figures


def cuts() -> list[Figure]:
    """Fewer dims or layers: what a query map keeps of the old quality."""
    figures = []
    for name in COLLECTIONS:
        of = corpus(name)
        whole = embedded(of, "minilm-6", minilm())
        moves = {
            "384 → 128 dims": Move(of, whole, cut(whole, 128)),
            "128 → 384 dims": Move(of, cut(whole, 128), whole),
            "6 → 4 layers": Move(of, whole, embedded(of, "minilm-4", minilm(layers=4))),
        }
        for what, move in moves.items():
            came = over_seeds([move.compensated(move.chosen("keep", SAMPLE, s)) for s in SEEDS])
            label = f"{name}: {what}: query mode ÷ old"
            figures.append(kept(label, came, move.before, Bar(low=0.93)))
            label = f"{name}: {what}: native new ÷ old"
            figures.append(kept(label, move.native, move.before, None))
            if "128 → 384" not in what:
                label = f"{name}: {what}: the same, fitted to the judged queries as well"
                figures.append(kept(label, move.compensated(_seen(move)), move.before, None))
        figures.append(_few(f"{name}: 6 → 4 layers", moves["6 → 4 layers"], "keep"))
    return figures


def layers() -> list[Figure]:
    """4 to 6 layers, a real upgrade: the map that is chosen for a gain."""
    figures = []
    for name in COLLECTIONS:
        of = corpus(name)
        four = embedded(of, "minilm-4", minilm(layers=4))
        move = Move(of, four, embedded(of, "minilm-6", minilm()))
        what, plain = f"{name}: 4 → 6 layers", move.uncompensated
        came = over_seeds([move.compensated(move.chosen("gain", DRAWN, s)) for s in SEEDS])
        figures += [
            figure(f"{what}: old", move.before),
            figure(f"{what}: no map", plain),
            figure(f"{what}: query mode − no map", came - plain, Bar(low=0.10)),
            _few(what, move, "gain"),
        ]
    return figures


def tuned() -> list[Figure]:
    """The same model after fine-tuning: nothing is lost, and old rankings come back."""
    figures = []
    for label, distilled in (("tuned", False), ("distilled", True)):
        folder = fine_tuned(label, distilled=distilled)
        for name in ("cranfield", "medquad-dev"):
            of = corpus(name)
            new = embedded(of, label, of_embedder(Embedder.load(folder, modes=["dense"])))
            move = Move(of, embedded(of, "minilm-6", minilm()), new)
            figures += _tuned(f"{name}: MiniLM → {label}", move)
    return figures


def _tuned(what: str, move: Move) -> list[Figure]:
    old, plain = move.before, move.uncompensated
    better = old if old.mean() >= plain.mean() else plain
    none = move.overlap(fit_identity(move.pairs(20, 0)))
    chosen = [move.chosen("keep", SAMPLE, seed) for seed in SEEDS]
    lone = [move.chosen("keep", SAMPLE, seed, spans=False) for seed in SEEDS]
    few = [move.compensated(move.chosen("keep", FEW, s, spans=False)) for s in SEEDS]
    return [
        figure(f"{what}: old", old),
        figure(f"{what}: native new", move.native),
        figure(f"{what}: no map", plain),
        kept(f"{what}: query mode ÷ the better of old and no map",
             over_seeds([move.compensated(drift) for drift in chosen]), better, Bar(low=0.98)),
        figure(f"{what}: no map: overlap@10 with old", none),
        figure(f"{what}: overlap@10 with old − no map's",
               over_seeds([move.overlap(drift) - none for drift in chosen]), Bar(low=0.08)),
        figure(f"{what}: the same, fitted without the old model",
               over_seeds([move.overlap(drift) - none for drift in lone])),
        figure(f"{what}: the same, fitted to the judged queries as well",
               move.overlap(_seen(move)) - none),
        figure(f"{what}, {FEW} documents: − the better of old and no map",
               over_seeds(few) - better, Bar(low=-0.01)),
    ]  # fmt: skip


def _few(what: str, move: Move, aim: Aim) -> Figure:
    """50 pairs only: not worse than no map at all."""
    came = over_seeds(
        [move.compensated(move.chosen(aim, FEW, seed, spans=False)) for seed in SEEDS]
    )
    old, plain = move.before, move.uncompensated
    worse = plain if plain.mean() <= old.mean() else old
    label = f"{what}, {FEW} documents: − the worse of no map and old"
    return figure(label, came - worse, Bar(low=-0.01))


def _recovered(what: str, move: Move, count: int, bar: Bar | None) -> Figure:
    translated = over_seeds([
        move.translated(choose_translation(turned(move.pairs(count, seed)), seed=seed).drift)
        for seed in TRANSLATED_SEEDS
    ])  # fmt: skip
    old, native = move.before, move.native
    share = (translated.mean() - old.mean()) / (native.mean() - old.mean())
    return Figure(what, float(share), bar, share_interval(translated, old, native), digits=3)


def _seen(move: Move) -> DriftMap:
    """How far a linear map gets at all: the judged queries are among its pairs, five times."""
    fitted, held = move.with_spans(move.pairs(SAMPLE, 0)).distinct().split(0.2, 0)
    queries = replace(
        fitted,
        before=np.concatenate([fitted.before, *[move.new.queries] * TIMES]),
        after=np.concatenate([fitted.after, *[move.old.queries] * TIMES]),
        documents=(*fitted.documents, *("query",) * TIMES * len(move.new.queries)),
        kinds=(*fitted.kinds, *("query",) * TIMES * len(move.new.queries)),
    )
    return fit_ridge(queries, held)
