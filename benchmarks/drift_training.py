"""MiniLM fine-tuned on medquad-pairs, with and without distillation: what a drift map returns."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import beir
from benchmarks.drift_vectors import CACHE, corpus, embedded, minilm, of_embedder
from trivet.embedding import Embedder
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.training import TrainingSettings, fine_tune, read_pairs

# Without distillation and with it.
VARIANTS = (("tuned", False), ("distilled", True))
COLLECTIONS = ("cranfield", "medquad-dev")
STEPS = 60
RATE = 2e-4


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
    start = time.process_time()
    made = fine_tune(DEFAULT_MODEL, pairs, folder, settings=wanted)
    print(f"{name}: {time.process_time() - start:.0f} CPU s\n{made.report.to_text()}", flush=True)
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.drift_training", description=__doc__
    )
    parser.parse_args(arguments)
    CACHE.mkdir(exist_ok=True)
    for collection in COLLECTIONS:
        part = corpus(collection)
        embedded(part, "minilm-6", minilm())
        for label, distilled in VARIANTS:
            folder = fine_tuned(label, distilled=distilled)
            embedded(part, label, of_embedder(Embedder.load(folder, modes=["dense"])))
            print(collection, label, flush=True)


if __name__ == "__main__":
    main()
