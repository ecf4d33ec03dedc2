"""Ranking quality: nDCG@10 of dense vectors, of BM25 and of both, on four judged collections."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import ir_measures
import numpy as np
from ir_measures import nDCG
from numpy.typing import NDArray

import trivet
from benchmarks import beir, results
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, mean
from trivet.embedding.locate import DEFAULT_MODEL

TITLE = "Ranking quality, nDCG@10, all-MiniLM-L6-v2"
METHOD = (
    "Over the queries that have judgements. `Embedder`: title and text embedded as one, cut at the "
    "model's 256 tokens, exact cosine. `Index`: a folder with Qdrant Edge, long documents in "
    "chunks, two legs (three are in `plans`). Intervals: paired bootstrap over queries."
)
METRIC = nDCG @ 10
K = METRIC["cutoff"]
HYBRID_MACRO = 0.53


@dataclass(frozen=True)
class Reference:
    """What a leg reached where it was first measured."""

    dense: float
    sparse: float


REFERENCES = {
    "cranfield": Reference(dense=0.374, sparse=0.359),
    "cacm": Reference(dense=0.408, sparse=0.459),
    "npl": Reference(dense=0.436, sparse=0.434),
    "medquad-dev": Reference(dense=0.761, sparse=0.632),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    names = tuple(REFERENCES)
    parser.add_argument("--collections", nargs="+", choices=names, default=names)
    chosen = parser.parse_args(arguments).collections
    embedder = trivet.Embedder.load(DEFAULT_MODEL)
    figures: list[Figure] = []
    hybrids: list[float] = []
    for name in chosen:
        start = time.monotonic()
        collection = beir.load(name)
        figures.append(measure_embedder(collection, embedder))
        of_index, hybrid = measure_index(collection, embedder)
        figures += of_index
        hybrids.append(hybrid)
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
    if len(chosen) == len(REFERENCES):
        macro = float(np.mean(hybrids))
        figures.append(Figure("macro: hybrid", macro, Bar(low=HYBRID_MACRO), digits=4))
    results.report("quality", TITLE, METHOD, figures)


def measure_embedder(collection: beir.Collection, embedder: trivet.Embedder) -> Figure:
    """Dense through `Embedder` alone."""
    documents = embedder.embed_documents(collection.texts, truncate=True).dense
    queries = embedder.embed_queries(list(collection.queries.values()), truncate=True).dense
    assert documents is not None
    assert queries is not None
    order = np.argsort(-(queries.values @ documents.values.T), axis=1, kind="stable")[:, :K]
    ids = collection.ids
    scores = judge(collection, [[ids[column] for column in row] for row in order])
    bar = Bar.around(REFERENCES[collection.name].dense, 0.004)
    return _figure(f"{collection.name}: dense, Embedder", scores, bar)


def measure_index(
    collection: beir.Collection, embedder: trivet.Embedder
) -> tuple[list[Figure], float]:
    """Both legs and the hybrid through `Index`; also the hybrid's nDCG@10."""
    name, reference = collection.name, REFERENCES[collection.name]
    with (
        tempfile.TemporaryDirectory() as folder,
        trivet.open(f"{folder}/index", model=embedder, modes=["dense", "sparse"]) as index,
    ):
        index.add(collection.documents, on_error="raise")
        described = index.describe()
        dense = judge(collection, search(index, collection, ["dense"]))
        sparse = judge(collection, search(index, collection, ["sparse"]))
        hybrid = judge(collection, search(index, collection, None))
    better = max(dense, sparse, key=lambda scores: float(scores.mean()))
    gain = hybrid - better
    return [
        _figure(f"{name}: dense, Index", dense, Bar(low=reference.dense - 0.01)),
        _figure(f"{name}: BM25, Index", sparse, Bar(low=reference.sparse - 0.015)),
        _figure(f"{name}: hybrid, Index", hybrid),
        Figure(
            f"{name}: hybrid − better leg",
            float(gain.mean()),
            Bar(low=-0.01),
            bootstrap(gain, mean),
            digits=4,
        ),
        Figure(f"{name}: chunks a document", described.chunks / described.documents, digits=4),
    ], float(hybrid.mean())


def search(
    index: trivet.Index, collection: beir.Collection, modes: list[str] | None
) -> list[list[str]]:
    """The ids of each query's hits, best first."""
    queries = list(collection.queries.values())
    return [[hit.id for hit in hits] for hits in index.search_many(queries, k=K, modes=modes)]


def judge(collection: beir.Collection, rankings: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """The metric of each query; the order of a ranking counts, not its scores."""
    run = {
        query: {id: float(K - rank) for rank, id in enumerate(ranking)}
        for query, ranking in zip(collection.queries, rankings, strict=True)
    }
    judged = ir_measures.iter_calc([METRIC], collection.judgements, run)
    found = {metric.query_id: metric.value for metric in judged}
    return np.array([found.get(query, 0.0) for query in collection.queries])


def _figure(what: str, scores: NDArray[np.float64], bar: Bar | None = None) -> Figure:
    return Figure(what, float(scores.mean()), bar, bootstrap(scores, mean), digits=4)


if __name__ == "__main__":
    main()
