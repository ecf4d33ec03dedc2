"""Search plans: nDCG@10 of legs and presets on nine judged collections, MiniLM alone."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

import trivet
from benchmarks import beir, results
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, mean
from benchmarks.quality import K, judge
from benchmarks.remembered import LEGS, Remembering
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.plan import Plan

TITLE = "Search plans, nDCG@10, all-MiniLM-L6-v2"
METHOD = (
    "A folder with Qdrant Edge, all defaults but the token vectors, which are stored full "
    "or compact (64 bytes each). Queries that are longer than the model are cut. `better leg`: "
    "of dense and BM25. `rrf`: of these two legs, k = 60. Intervals: paired bootstrap over "
    "queries; of the macro mean, over the queries of each collection."
)
COLLECTIONS = (
    "limit-small", "xquad-en", "bright-answers-dev", "cranfield", "cacm", "medquad-dev",
    "pubmedqa", "npl", "cosqa-dev",
)  # fmt: skip
TWO_LEGS: Mapping[str, Plan] = {
    "dense": Plan({"dense": 100}),
    "BM25": Plan({"sparse": 100}),
    "rrf": trivet.plan.PRESETS["rrf"],
    "hybrid2": trivet.plan.PRESETS["hybrid2"],
}
SEARCHED_TOGETHER = 64
FULL_MACRO, COMPACT_MACRO, OVER_RRF, LOSS = 0.745, 0.735, 0.05, 0.01

Scores = Mapping[str, NDArray[np.float64]]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plans", description=__doc__)
    parser.add_argument("--collections", nargs="+", choices=COLLECTIONS, default=COLLECTIONS)
    chosen = parser.parse_args(arguments).collections
    model = trivet.Embedder.load(DEFAULT_MODEL, modes=LEGS)
    every: dict[str, Scores] = {}
    for name in chosen:
        start = time.monotonic()
        every[name] = measure(beir.load(name), model)
        means = ", ".join(f"{plan} {s.mean():.4f}" for plan, s in every[name].items())
        print(f"{name}: {means} ({time.monotonic() - start:.0f} s)", flush=True)
    figures = [figure for name, scores in every.items() for figure in of_collection(name, scores)]
    figures += macros(every)
    if len(chosen) == len(COLLECTIONS):
        results.report("plans", TITLE, METHOD, figures)


def measure(collection: beir.Collection, model: trivet.Embedder) -> Scores:
    """The metric of every query, by plan."""
    embedder = Remembering(model, collection.name)
    queries = readable(collection, model)
    scores: dict[str, NDArray[np.float64]] = {}
    for tokens in ("full", "compact"):
        with (
            tempfile.TemporaryDirectory() as folder,
            trivet.open(
                f"{folder}/index",
                model=embedder,
                modes=["dense", "sparse", "multi"],
                settings=trivet.Settings(tokens=tokens),
            ) as index,
        ):
            index.add(collection.documents, on_error="raise")
            asked: dict[str, Plan | str | None] = {f"default, {tokens}": None}
            if tokens == "compact":  # the other legs are the same in both
                asked |= TWO_LEGS
            for name, plan in asked.items():
                scores[name] = judge(collection, searched(index, queries, plan))
        embedder.save()
    return scores


def searched(
    index: trivet.Index, queries: Sequence[str], plan: Plan | str | None
) -> list[list[str]]:
    """The ids of each query's hits, best first."""
    found: list[list[str]] = []
    for start in range(0, len(queries), SEARCHED_TOGETHER):
        some = queries[start : start + SEARCHED_TOGETHER]
        hits = index.search_many(some, k=K, plan=plan)
        found += [[hit.id for hit in each] for each in hits]
    return found


def readable(collection: beir.Collection, model: trivet.Embedder) -> list[str]:
    """The queries, cut to what the model reads: some are longer."""
    queries = list(collection.queries.values())
    counts = model.count_tokens(queries)
    splitter = model.text_splitter(model.max_tokens - 6)
    return [
        text if count <= model.max_tokens else splitter.chunks(text)[0]
        for text, count in zip(queries, counts, strict=True)
    ]


def of_collection(name: str, scores: Scores) -> list[Figure]:
    """Every plan's mean, and how far the default is from the better leg."""
    better = max(scores["dense"], scores["BM25"], key=lambda each: float(each.mean()))
    figures = [
        Figure(f"{name}: {plan}", float(each.mean()), None, bootstrap(each, mean), digits=4)
        for plan, each in scores.items()
    ]
    for tokens in ("full", "compact"):
        gain = scores[f"default, {tokens}"] - better
        what = f"{name}: default, {tokens} − better leg"
        bar = Bar(low=-LOSS) if tokens == "full" else None
        figures.append(Figure(what, float(gain.mean()), bar, bootstrap(gain, mean), digits=4))
    return figures


def macros(every: Mapping[str, Scores]) -> list[Figure]:
    """Means over collections."""
    bars = {"default, full": Bar(low=FULL_MACRO), "default, compact": Bar(low=COMPACT_MACRO)}
    figures = [
        replace(_macro(f"macro: {plan}", [of[plan] for of in every.values()]), bar=bars.get(plan))
        for plan in next(iter(every.values()))
    ]
    for tokens in ("full", "compact"):
        gains = [of[f"default, {tokens}"] - of["rrf"] for of in every.values()]
        bar = Bar(low=OVER_RRF) if tokens == "full" else None
        figures.append(replace(_macro(f"macro: default, {tokens} − rrf", gains), bar=bar))
    return figures


def _macro(what: str, samples: Sequence[NDArray[np.float64]]) -> Figure:
    draws = np.random.default_rng(0)
    means = np.mean(
        [
            sample[draws.integers(0, len(sample), (2_000, len(sample)))].mean(axis=1)
            for sample in samples
        ],
        axis=0,
    )
    low, high = np.quantile(means, [0.025, 0.975])
    value = float(np.mean([sample.mean() for sample in samples]))
    return Figure(what, value, None, (float(low), float(high)), digits=4)


if __name__ == "__main__":
    main()
