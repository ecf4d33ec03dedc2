"""LIMIT-small through mteb: what the legs and plans of a whole index reach, and what is known."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import mteb

from benchmarks import beir, results
from benchmarks.figures import Bar, Figure
from trivet.config import Lexical, Settings
from trivet.embedding import Embedder
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.evaluation.mteb_search import MtebSearch
from trivet.evaluation.mteb_task import mteb_task
from trivet.types import Mode

TITLE = "LIMIT-small through mteb, all-MiniLM-L6-v2"
METHOD = (
    "`mteb.evaluate` on a task out of the local folder; each group of rows is an index of its own, "
    "in a folder with Qdrant Edge, token vectors as the model makes them, except where it says "
    "compact. Bars: what the row was known to be, to the third digit. Exact scores in NumPy give "
    "the same list for every query (dense, token vectors, BM25, hybrid3, hybrid2), documents of "
    "one score in the order of the collection. Wider bars, and why: reciprocal ranks take the "
    "engine's order among documents of one BM25 score, which nobody can ask of it (in NumPy, by "
    "the order of ties: .7002 to .7017 nDCG@10). hybrid3 and hybrid2 were known without the "
    "hundredth of the cosine that counts below the dense floor: in NumPy they are .9937 and .9917 "
    "without it, and with it .9934 and .9914, which is their bar here."
)
EXACT = 0.0005
# Of ranks in lists with ties, whose order is the engine's.
TIED = 0.002
LEXICAL: tuple[Mode, ...] = ("dense", "sparse")
ALL: tuple[Mode, ...] = ("dense", "sparse", "multi")


@dataclass(frozen=True)
class Searched:
    """An index and a plan, with the metrics that are told of them and their known values."""

    what: str
    modes: tuple[Mode, ...]
    known: Mapping[str, float | None]
    plan: str | None = None
    tokens: str = "full"
    lexical: Lexical = field(default_factory=Lexical)
    tolerance: float = EXACT


UNSTEMMED = Lexical(language="none")
EVERY = (
    Searched("dense", ("dense",), {"recall@2": 0.1620, "recall@10": 0.4805, "recall@20": 0.6945}),
    Searched(
        "token vectors", ("multi",),
        {"recall@2": 0.9745, "recall@10": 0.9995, "recall@20": 1.0, "ndcg@10": 0.991},
    ),
    Searched("token vectors, compact", ("multi",), {"recall@2": None}, tokens="compact"),
    Searched(
        "BM25, stemmed", ("sparse",), {"recall@2": 0.9795, "recall@10": 1.0, "ndcg@10": 0.993}
    ),
    Searched(
        "BM25, words as they are", ("sparse",), {"recall@2": 0.9915, "recall@10": 1.0},
        lexical=UNSTEMMED,
    ),
    Searched("hybrid3", ALL, {"ndcg@10": 0.9934}),
    Searched("hybrid2", LEXICAL, {"ndcg@10": 0.9914}),
    Searched("dbsf", LEXICAL, {"ndcg@10": 0.981}, plan="dbsf"),
    Searched("rrf", LEXICAL, {"ndcg@10": 0.700}, plan="rrf", tolerance=TIED),
    Searched(
        "dbsf, words as they are", LEXICAL, {"recall@2": 0.9655, "recall@10": 0.9995},
        plan="dbsf", lexical=UNSTEMMED,
    ),
    Searched(
        "rrf, words as they are", LEXICAL, {"recall@2": 0.4755, "recall@10": 0.8945},
        plan="rrf", lexical=UNSTEMMED, tolerance=TIED,
    ),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.mteb_limit", description=__doc__).parse_args(
        arguments
    )
    embedder = Embedder.load(DEFAULT_MODEL, modes=["dense", "multi"])
    task = mteb_task(beir.DATA / "limit-small")
    figures = [figure for searched in EVERY for figure in measured(embedder, task, searched)]
    results.report("mteb_limit", TITLE, METHOD, figures)


def measured(embedder: Embedder, task: mteb.AbsTask, searched: Searched) -> list[Figure]:
    """One index, its plan on all queries, and each of the metrics."""
    model = MtebSearch(
        embedder,
        modes=searched.modes,
        plan=searched.plan,
        settings=Settings(tokens=searched.tokens) if "multi" in searched.modes else None,
        lexical=searched.lexical if "sparse" in searched.modes else None,
    )
    found = mteb.evaluate(model, task, cache=None, show_progress_bar=False, co2_tracker=False)
    model.close()
    (scores,) = found.task_results[0].scores["test"]
    figures = []
    for metric, known in searched.known.items():
        bar = None if known is None else Bar.around(known, searched.tolerance)
        value = scores[metric.replace("@", "_at_")]
        figures.append(Figure(f"{searched.what}, {metric}", value, bar, digits=4))
        print(figures[-1].what, value, flush=True)
    return figures


if __name__ == "__main__":
    main()
