"""LIMIT-small through mteb: recall@2 and nDCG@10 of the legs and plans of a whole index."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import mteb

from benchmarks import beir, results
from benchmarks.figures import Bar, Figure
from trivet.config import Settings
from trivet.embedding import Embedder
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.evaluation.mteb_search import MtebSearch
from trivet.evaluation.mteb_task import mteb_task

TITLE = "LIMIT-small through mteb, all-MiniLM-L6-v2"
METHOD = (
    "`mteb.evaluate` on a task out of the local folder; each row is an index of its own, in a "
    "folder with Qdrant Edge, token vectors as the model makes them, except where it says compact. "
    "Bars: what the row was known to be, to the third digit; within .002 where BM25 takes part: "
    "there documents of one length that share a query's words have one score. With such ties in "
    "the order of the collection exact BM25 gives .9926 (the known .993), in a random order .9921, "
    "backwards .9919; whatever the average length. The engine has an order of its own."
)
EXACT, LIKE = 0.0005, 0.002


@dataclass(frozen=True)
class Row:
    """What is searched, and the known value of one metric."""

    what: str
    modes: tuple[str, ...]
    plan: str | None = None
    tokens: str = "full"
    metric: str = "recall_at_2"
    known: float | None = None


ROWS = (
    Row("dense", ("dense",), known=0.162),
    Row("token vectors", ("multi",), known=0.9745),
    Row("token vectors, compact", ("multi",), tokens="compact"),
    Row("BM25, stemmed", ("sparse",)),
    Row("BM25, stemmed", ("sparse",), metric="ndcg_at_10", known=0.993),
    Row("hybrid3", ("dense", "sparse", "multi"), metric="ndcg_at_10", known=0.994),
    Row("hybrid2", ("dense", "sparse"), metric="ndcg_at_10", known=0.992),
    Row("rrf", ("dense", "sparse"), plan="rrf", metric="ndcg_at_10", known=0.700),
)


def main(arguments: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.mteb_limit", description=__doc__).parse_args(
        arguments
    )
    embedder = Embedder.load(DEFAULT_MODEL, modes=["dense", "multi"])
    task = mteb_task(beir.DATA / "limit-small")
    figures = []
    for row in ROWS:
        settings = Settings(tokens=row.tokens) if "multi" in row.modes else None
        model = MtebSearch(embedder, modes=row.modes, plan=row.plan, settings=settings)
        found = mteb.evaluate(model, task, cache=None, show_progress_bar=False, co2_tracker=False)
        model.close()
        (scores,) = found.task_results[0].scores["test"]
        bar = (
            None
            if row.known is None
            else Bar.around(row.known, LIKE if "sparse" in row.modes else EXACT)
        )
        figures.append(Figure(f"{row.what}, {row.metric}", scores[row.metric], bar, digits=4))
        print(figures[-1].what, scores[row.metric], flush=True)
    results.report("mteb_limit", TITLE, METHOD, figures)


if __name__ == "__main__":
    main()
