"""Storage presets: what small dense vectors cost NPL in nDCG@10 and recall, and their bytes."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import trivet
from benchmarks import beir, results
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, mean
from benchmarks.plans import readable, searched
from benchmarks.quality import judge
from benchmarks.remembered import LEGS, Remembering
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.plan import Plan
from trivet.store.storage import STORAGES

TITLE = "Storage presets, NPL, all-MiniLM-L6-v2"
METHOD = (
    "A folder with Qdrant Edge, optimized, so that its small vectors are made and searched by "
    "graph. nDCG@10 of the dense leg alone, as loss against `full`, paired bootstrap over queries. "
    "Recall: of 200 stored vectors' ten nearest, what the index's search finds. Bytes of a dense "
    "vector that a search reads before it rescores."
)
LOSSES = {"int8": 0.005, "binary": 0.01}
SHARES = {"int8": 1 / 4, "binary": 1 / 32}
# Beside an int8 vector is what turns its products into cosines again: 4 bytes of 388.
SHARE_SLACK = 1.02


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storage", description=__doc__)
    parser.add_argument("--storages", nargs="+", choices=STORAGES, default=STORAGES)
    chosen = parser.parse_args(arguments).storages
    model = trivet.Embedder.load(DEFAULT_MODEL, modes=LEGS)
    figures: list[Figure] = []
    full: NDArray[np.float64] | None = None
    for storage in chosen:
        scores, of_storage = measure(storage, model, full)
        full = scores if full is None else full
        figures += of_storage
        for figure in of_storage:
            print(figure.cells(), flush=True)
    if len(chosen) == len(STORAGES):
        results.report("storage", TITLE, METHOD, figures)


def measure(
    storage: str, model: trivet.Embedder, full: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], list[Figure]]:
    """The metric of every query, and the figures of one preset."""
    collection = beir.load("npl")
    kept = Remembering(model, collection.name)
    with (
        tempfile.TemporaryDirectory() as folder,
        trivet.open(f"{folder}/index", model=kept, modes=["dense"], storage=storage) as index,
    ):
        index.add(collection.documents, on_error="raise")
        index.optimize(force=True)
        report = index.measure_recall()
        scores = judge(
            collection, searched(index, readable(collection, model), Plan({"dense": 100}))
        )
    figures = [
        Figure(f"{storage}: nDCG@10, dense", float(scores.mean()), None, bootstrap(scores, mean),
               digits=4),
        Figure(f"{storage}: recall@10", report.recall, digits=4),
        Figure(f"{storage}: bytes a dense vector in memory", report.vector_bytes, digits=0),
        Figure(f"{storage}: chunks whose small vectors are made", report.small_chunks, digits=0),
    ]  # fmt: skip
    if full is not None:
        loss = full - scores
        bar = Bar(high=LOSSES[storage]) if storage in LOSSES else None
        what = f"{storage}: loss of nDCG@10"
        figures.append(Figure(what, float(loss.mean()), bar, bootstrap(loss, mean), digits=4))
        share = Bar(high=SHARES[storage] * SHARE_SLACK) if storage in SHARES else None
        figures.append(
            Figure(f"{storage}: share of the full bytes", report.vector_bytes / report.full_bytes,
                   share, digits=4)
        )  # fmt: skip
    return scores, figures


if __name__ == "__main__":
    main()
