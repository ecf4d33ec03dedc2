"""MiniLM fine-tuned on medquad-pairs, with and without distillation: what a drift map returns."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import beir, results
from benchmarks.drift_moves import Move, PerQuery, figure, kept, over_seeds
from benchmarks.drift_vectors import CACHE, Corpus, corpus, embedded, minilm, of_embedder
from benchmarks.figures import Bar, Figure
from trivet.drift import DriftMap
from trivet.drift.fitting import fit_identity
from trivet.embedding import Embedder
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.index.upgrade.sampling import SAMPLE
from trivet.training import TrainingSettings, fine_tune, read_pairs

TITLE = "MiniLM fine-tuned on medquad-pairs: nDCG@10 and rankings through a drift map"
METHOD = (
    "60 steps of 16 pairs, 64 tokens, learning rate 2e-4; distillation: both weights 1. Exact "
    "search over whole documents (title and text, cut at 256 tokens). Maps: chosen for `keep` on "
    "documents alone (no old model), on documents and spans of them (the old model at hand), and "
    "the one that the training leaves behind, fitted to its own queries. Means over trainings of "
    "different seeds, each with a draw of its own; intervals by bootstrap over queries."
)
# Without distillation and with it.
VARIANTS = (("tuned", False), ("distilled", True))
COLLECTIONS = ("cranfield", "medquad-dev")
STEPS = 60
RATE = 2e-4
KEPT, GAINED = Bar(low=0.98), Bar(low=0.08)


def settings(*, distilled: bool, seed: int = 0) -> TrainingSettings:
    """How the benchmark trains; all else as by default."""
    weight = 1.0 if distilled else 0.0
    return TrainingSettings(
        steps=STEPS, learning_rate=RATE, query_weight=weight, document_weight=weight, seed=seed
    )


def fine_tuned(name: str, *, distilled: bool, seed: int = 0) -> Path:
    """A folder with the checkpoint, trained once; `distilled` adds the two terms of QDC."""
    folder = CACHE / name
    wanted = settings(distilled=distilled, seed=seed)
    report = folder / "training" / "report.json"
    if report.is_file() and json.loads(report.read_text())["settings"] == asdict(wanted):
        return folder
    if folder.is_dir():
        shutil.rmtree(folder)
    for stale in CACHE.glob(f"*-{name}-*.npy"):  # vectors of what had this name before
        stale.unlink()
    pairs = read_pairs(beir.DATA / "medquad-pairs" / "train.jsonl.gz")
    made = fine_tune(DEFAULT_MODEL, pairs, folder, settings=wanted)
    print(f"{name}\n{made.report.to_text()}", flush=True)
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.drift_training", description=__doc__
    )
    parser.add_argument("--trainings", type=int, default=3, help="seeds of each variant")
    parser.add_argument("--variant", choices=dict(VARIANTS), action="append", help="default: both")
    parser.add_argument("--part", choices=("speed", "quality"), help="default: both")
    chosen = parser.parse_args(arguments)
    CACHE.mkdir(exist_ok=True)
    figures = []
    if chosen.part != "quality":
        figures += speed()
    if chosen.part != "speed":
        for label, distilled in VARIANTS:
            if chosen.variant and label not in chosen.variant:
                continue
            for name in COLLECTIONS:
                figures += quality(corpus(name), label, distilled, chosen.trainings)
    results.report("drift_training", TITLE, METHOD, figures)


def speed() -> list[Figure]:
    """All of a fine-tuning with the defaults: 200 steps, the map, the held-out numbers."""
    pairs = read_pairs(beir.DATA / "medquad-pairs" / "train.jsonl.gz")
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        made = fine_tune(DEFAULT_MODEL, pairs, Path(folder) / "new")
    spent = time.process_time() - start
    return [
        Figure("200 steps of MiniLM with the defaults, all of it, s", made.report.seconds,
               Bar(high=300.0), digits=0),
        Figure("the same, CPU s of all cores", spent, digits=0),
    ]  # fmt: skip


def quality(of: Corpus, label: str, distilled: bool, trainings: int) -> list[Figure]:
    """What is kept and what returns, by each map."""
    whole = embedded(of, "minilm-6", minilm())
    moves, given = [], []
    for seed in range(trainings):
        name = label if seed == 0 else f"{label}-{seed}"
        folder = fine_tuned(name, distilled=distilled, seed=seed)
        encode = of_embedder(Embedder.load(folder, modes=["dense"]))
        moves.append(Move(of, whole, embedded(of, name, encode)))
        given.append(DriftMap.load(folder / "training"))
    what = f"{of.collection.name}: MiniLM → {label}"
    maps = {
        "documents": [m.chosen("keep", SAMPLE, s, spans=False) for s, m in enumerate(moves)],
        "documents and spans": [m.chosen("keep", SAMPLE, s) for s, m in enumerate(moves)],
        "training queries": given,
    }
    unmapped = [move.overlap(fit_identity(move.pairs(20, 0))) for move in moves]
    figures = [
        figure(f"{what}: old", moves[0].before),
        figure(f"{what}: native new", over_seeds([move.native for move in moves])),
        figure(f"{what}: no map", over_seeds([move.uncompensated for move in moves])),
        figure(f"{what}: no map, overlap@10 with old", over_seeds(unmapped)),
    ]
    for source, drifts in maps.items():
        print(f"{what}, {source}:", *(f"{d.method} {dict(d.parameters)}" for d in drifts))
        held = source == "documents and spans"
        figures += _rows(f"{what}, {source}", moves, drifts, unmapped, held=held)
    return figures


def _rows(
    what: str,
    moves: Sequence[Move],
    drifts: Sequence[DriftMap],
    unmapped: Sequence[PerQuery],
    *,
    held: bool,
) -> list[Figure]:
    """Of one kind of map; `held` puts the project's bars on it."""
    old, plain = moves[0].before, over_seeds([move.uncompensated for move in moves])
    came = over_seeds([move.compensated(d) for move, d in zip(moves, drifts, strict=True)])
    better = old if old.mean() >= plain.mean() else plain
    through = [move.overlap(d) for move, d in zip(moves, drifts, strict=True)]
    back = over_seeds(through) - over_seeds(unmapped)
    return [
        kept(f"{what}: ÷ the better of old and no map", came, better, KEPT if held else None),
        figure(f"{what}: overlap@10 with old − no map's", back, GAINED if held else None),
    ]


if __name__ == "__main__":
    main()
