"""BM25 in other languages: nDCG@10 of the BM25 leg alone, against Qdrant's default analyser."""

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
from benchmarks.quality import judge, search

TITLE = "BM25 in other languages, nDCG@10"
METHOD = (
    "An index with the BM25 leg alone in a folder with Qdrant Edge, all defaults: the language is "
    "decided by the documents. Against the same index with the analyser that Qdrant uses where "
    'nothing is said (English), which is `Lexical("en")`. Intervals: paired bootstrap over queries.'
)
BARS = {
    "xquad-zh": 0.95,
    "jsquad-valid": 0.93,
    "xquad-de": 0.93,
    "xquad-es": 0.95,
    "xquad-en": None,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.languages", description=__doc__)
    parser.add_argument("--collections", nargs="+", choices=tuple(BARS), default=tuple(BARS))
    figures: list[Figure] = []
    for name in parser.parse_args(arguments).collections:
        figures += measure(beir.load(name), BARS[name])
    results.report("languages", TITLE, METHOD, figures)


def measure(collection: beir.Collection, least: float | None) -> list[Figure]:
    """The decided language, Qdrant's default, and how much better the first is."""
    name = collection.name
    ours = scores(collection, trivet.Lexical())
    default = scores(collection, trivet.Lexical("en"))
    gain = ours - default
    bar = None if least is None else Bar(low=least)
    return [
        Figure(f"{name}: BM25", float(ours.mean()), bar, bootstrap(ours, mean), digits=4),
        Figure(
            f"{name}: Qdrant's default analyser",
            float(default.mean()),
            None,
            bootstrap(default, mean),
            digits=4,
        ),
        Figure(f"{name}: gain", float(gain.mean()), None, bootstrap(gain, mean), digits=4),
    ]


def scores(collection: beir.Collection, lexical: trivet.Lexical) -> NDArray[np.float64]:
    """nDCG@10 of each query."""
    with (
        tempfile.TemporaryDirectory() as folder,
        trivet.open(f"{folder}/index", modes=["sparse"], lexical=lexical) as index,
    ):
        index.add(collection.documents, on_error="raise")
        (space,) = index.describe().spaces
        print(f"{collection.name}: {lexical.language} → {space.facts['language']}", flush=True)
        return judge(collection, search(index, collection, None))


if __name__ == "__main__":
    main()
