"""LIMIT-small: recall@2 of one vector a text against token vectors, by exact scores."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import trivet
from benchmarks import beir, results
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, mean
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.types import Vectors

TITLE = "LIMIT-small, recall@2, all-MiniLM-L6-v2"
METHOD = (
    "All queries over all documents, exact scores: cosine of the dense leg, MaxSim (sum over query "
    "tokens of the best cosine) of the token vectors, both from one pass. Intervals: bootstrap "
    "over queries."
)
K = 2
MULTI_BAR = Bar(low=0.95)


def main(arguments: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.limit", description=__doc__).parse_args(
        arguments
    )
    collection = beir.load("limit-small")
    embedder = trivet.Embedder.load(DEFAULT_MODEL, modes=["dense", "multi"])
    documents = embedder.embed_documents(collection.texts)
    queries = embedder.embed_queries(list(collection.queries.values()))
    assert documents.dense is not None
    assert queries.dense is not None
    assert documents.multi is not None
    assert queries.multi is not None
    dense = queries.dense.values @ documents.dense.values.T
    multi = maxsim(queries.multi.values, documents.multi.values)
    figures = [
        figure("token vectors, MaxSim", recall(collection, multi), MULTI_BAR),
        figure("dense", recall(collection, dense)),
    ]
    results.report("limit", TITLE, METHOD, figures)


def maxsim(queries: Sequence[Vectors], documents: Sequence[Vectors]) -> NDArray[np.float32]:
    """(queries, documents), the sum over query tokens of the best cosine."""
    starts = np.cumsum([0, *[len(rows) for rows in queries[:-1]]])
    tokens = np.concatenate(queries)
    columns = [np.add.reduceat((tokens @ rows.T).max(axis=1), starts) for rows in documents]
    return np.stack(columns, axis=1)


def recall(collection: beir.Collection, scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each query: the relevant documents among its K best, over all relevant ones."""
    ids = collection.ids
    found = []
    for query, row in zip(collection.queries, scores, strict=True):
        relevant = {id for id, grade in collection.judgements[query].items() if grade > 0}
        best = {ids[column] for column in np.argsort(-row, kind="stable")[:K]}
        found.append(len(best & relevant) / len(relevant))
    return np.array(found)


def figure(what: str, recalls: NDArray[np.float64], bar: Bar | None = None) -> Figure:
    return Figure(what, float(recalls.mean()), bar, bootstrap(recalls, mean), digits=3)


if __name__ == "__main__":
    main()
