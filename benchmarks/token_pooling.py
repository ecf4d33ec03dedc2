"""Token pooling: ranking by MaxSim, vectors kept and cost, for one to four tokens to a vector."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

import trivet
from benchmarks import beir, limit, quality, results
from benchmarks.embedding_speed import one_torch_thread
from benchmarks.figures import Figure
from benchmarks.intervals import bootstrap, mean
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.embedding.spec import TokenPooling
from trivet.embedding.token_pooling import pool_tokens
from trivet.types import Vectors

TITLE = "Token pooling, MaxSim, all-MiniLM-L6-v2"
METHOD = (
    "All queries over all documents, exact MaxSim; documents cut at the model's 256 tokens, their "
    "token vectors pooled by Ward's clusters as `token_pooling=` does, queries whole. LIMIT-small: "
    "recall@2; Cranfield: nDCG@10. Intervals: bootstrap over queries. CPU milliseconds a document "
    "of the pooling alone, and of the embedding that it follows, one thread for torch."
)
FACTORS = (1, 2, 3, 4)


def main(arguments: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(
        prog="python -m benchmarks.token_pooling", description=__doc__
    ).parse_args(arguments)
    embedder = trivet.Embedder.load(DEFAULT_MODEL, modes=["multi"])
    figures: list[Figure] = []
    with one_torch_thread():
        figures += measure("limit-small", "recall@2", embedder, limit.recall)
        figures += measure("cranfield", "nDCG@10", embedder, ndcg)
    results.report("token_pooling", TITLE, METHOD, figures)


def measure(
    name: str,
    metric: str,
    embedder: trivet.Embedder,
    judge: Callable[[beir.Collection, NDArray[np.float32]], NDArray[np.float64]],
) -> list[Figure]:
    """The metric of one collection at every factor."""
    collection = beir.load(name)
    embedder.load_weights()
    start = time.process_time()
    documents = embedder.embed_documents(collection.texts, truncate=True).multi
    embedding = 1000 * (time.process_time() - start) / len(collection.texts)
    queries = embedder.embed_queries(list(collection.queries.values()), truncate=True).multi
    assert documents is not None
    assert queries is not None
    figures = [Figure(f"{name}: embedding, CPU ms a document", embedding)]
    for factor in FACTORS:
        pooled, milliseconds = pool(documents.values, factor)
        scores = judge(collection, limit.maxsim(queries.values, pooled))
        kept = float(np.mean([len(rows) for rows in pooled]))
        figures += [
            Figure(
                f"{name}: {metric}, factor {factor}",
                float(scores.mean()),
                interval=bootstrap(scores, mean),
                digits=4,
            ),
            Figure(f"{name}: vectors a document, factor {factor}", kept, digits=1),
            Figure(f"{name}: pooling, CPU ms a document, factor {factor}", milliseconds),
        ]
    return figures


def pool(documents: Sequence[Vectors], factor: int) -> tuple[list[Vectors], float]:
    """The pooled documents, and the CPU milliseconds that each took."""
    start = time.process_time()
    pooled = [pool_tokens(rows, TokenPooling(float(factor))) for rows in documents]
    return pooled, 1000 * (time.process_time() - start) / len(documents)


def ndcg(collection: beir.Collection, scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """nDCG@10 of each query."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, : quality.K]
    ids = collection.ids
    return quality.judge(collection, [[ids[column] for column in row] for row in order])


if __name__ == "__main__":
    main()
