"""bfloat16 against our own float32: speed and how near the vectors are."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

import numpy as np

import trivet
from benchmarks import beir, results
from benchmarks.embedding_speed import one_torch_thread
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, median
from benchmarks.turns import cpu_seconds
from trivet.embedding.locate import DEFAULT_MODEL

TITLE = "bfloat16 against float32, all-MiniLM-L6-v2"
METHOD = (
    "The same documents in one process, dense leg; the two precisions take turns, the first place "
    "changing hands every round. CPU seconds of the process, one thread for torch. Medians over "
    "rounds, intervals by bootstrap over rounds."
)
PRECISIONS = ("float32", "bfloat16")
COLLECTIONS = {"cranfield": 80, "npl": 300}
SPEED_BAR = Bar(low=1.8)
COSINE_BAR = Bar(low=0.9999)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    chosen = parser.parse_args(arguments)
    embedders = [
        trivet.Embedder.load(chosen.model, modes=["dense"], precision=precision)
        for precision in PRECISIONS
    ]
    figures: list[Figure] = []
    with one_torch_thread():
        for name in COLLECTIONS:
            figures += compare(name, embedders, chosen.rounds)
    results.report("precision", TITLE, METHOD, figures)


def compare(name: str, embedders: Sequence[trivet.Embedder], rounds: int) -> list[Figure]:
    """Ratio of CPU seconds, and the cosines of each document's two vectors."""
    texts = beir.load(name).texts
    spread = np.linspace(0, len(texts) - 1, COLLECTIONS[name]).astype(int)
    sample = [texts[position] for position in spread]
    vectors = []
    for embedder in embedders:  # a warm-up too
        dense = embedder.embed_documents(sample, truncate=True).dense
        assert dense is not None
        vectors.append(dense.values)
    seconds = cpu_seconds(
        [partial(each.embed_documents, sample, truncate=True) for each in embedders], rounds
    )
    ratios = seconds[0] / seconds[1]
    cosines = (vectors[0] * vectors[1]).sum(axis=1)
    return [
        Figure(
            f"{name}: speed of bfloat16, times float32's",
            float(np.median(ratios)),
            SPEED_BAR,
            bootstrap(ratios, median),
        ),
        Figure(f"{name}: cosine, mean", float(cosines.mean()), COSINE_BAR, digits=5),
        Figure(f"{name}: cosine, smallest", float(cosines.min()), digits=5),
    ]


if __name__ == "__main__":
    main()
