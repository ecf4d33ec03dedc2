"""LIMIT-small through mteb: what the legs and plans of a whole index reach, and what is known."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

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
    "compact. Bars: what the row was known to be, to the third digit; of plans in float32, what "
    "exact scores in NumPy give. For every query but those of rrf the list is NumPy's to the last "
    "place, documents of one score in the order of the collection. The plans' known rows (hybrid3 "
    ".994, hybrid2 .992, dbsf .981, rrf .700) are of a forward pass in bfloat16, so that they are "
    "asked in it too, to .001: its vectors depend on what shares their batch (hybrid3 .9934 to "
    ".9936), and hybrid2 was known without the hundredth of the cosine that counts below the floor "
    "(in NumPy .9922 without it and .9915 with it). rrf goes by the collection's order among "
    "documents of one BM25 score, in every index (in NumPy, by this and another, .700 to .702): to "
    ".005; recall@2 of words as they are was known as .4755, in NumPy it is .4695 to .4745."
)
EXACT = 0.0005
# Of ranks in lists with ties, whose order is by id, and was another where the row was known.
TIED = 0.005
# Of a pass in bfloat16.
NEAR = 0.001
LEXICAL: tuple[Mode, ...] = ("dense", "sparse")
ALL: tuple[Mode, ...] = ("dense", "sparse", "multi")


@dataclass(frozen=True)
class Searched:
    """An index and a plan, with the metrics that are told of them and their known values."""

    what: str
    modes: tuple[Mode, ...]
    known: Mapping[str, float | None]
    plan: str | None = None
    tokens: Literal["full", "compact"] = "full"
    lexical: Lexical = field(default_factory=Lexical)
    precision: str = "float32"
    tolerance: float = EXACT


BFLOAT16 = "bfloat16"
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
    Searched("dbsf", LEXICAL, {"ndcg@10": 0.9802}, plan="dbsf"),
    Searched("rrf", LEXICAL, {"ndcg@10": 0.701}, plan="rrf", tolerance=TIED),
    Searched("hybrid3, bfloat16", ALL, {"ndcg@10": 0.994}, precision=BFLOAT16, tolerance=NEAR),
    Searched("hybrid2, bfloat16", LEXICAL, {"ndcg@10": 0.992}, precision=BFLOAT16, tolerance=NEAR),
    Searched(
        "dbsf, bfloat16", LEXICAL, {"ndcg@10": 0.981},
        plan="dbsf", precision=BFLOAT16, tolerance=NEAR,
    ),
    Searched(
        "rrf, bfloat16", LEXICAL, {"ndcg@10": 0.700},
        plan="rrf", precision=BFLOAT16, tolerance=TIED,
    ),
    Searched(
        "dbsf, words as they are", LEXICAL, {"recall@2": 0.9655, "recall@10": 0.9995},
        plan="dbsf", lexical=UNSTEMMED,
    ),
    Searched(
        "rrf, words as they are", LEXICAL, {"recall@2": None, "recall@10": 0.8945},
        plan="rrf", lexical=UNSTEMMED, tolerance=TIED,
    ),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.mteb_limit", description=__doc__).parse_args(
        arguments
    )
    embedders = {
        precision: Embedder.load(DEFAULT_MODEL, modes=["dense", "multi"], precision=precision)
        for precision in ("float32", BFLOAT16)
    }
    task = mteb_task(beir.DATA / "limit-small")
    figures = [
        figure
        for searched in EVERY
        for figure in measured(embedders[searched.precision], task, searched)
    ]
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
