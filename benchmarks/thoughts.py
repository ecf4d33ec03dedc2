"""Thoughts before retrieval: what replayed ones gain in each mode, and what wrong ones cost."""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import R, nDCG
from numpy.typing import NDArray

import trivet
from benchmarks import beir, results, thoughts_faults
from benchmarks.figures import Bar, Figure, plain_table
from benchmarks.intervals import bootstrap, mean
from benchmarks.remembered import LEGS, Remembering
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.thinking import (
    Given,
    Replay,
    Thinker,
    Thinking,
    ThinkRequest,
    ThinkResult,
    Thought,
    ThoughtReport,
)

TITLE = "Thoughts before retrieval, all-MiniLM-L6-v2"
METHOD = (
    "One passage and keywords for each query, written by a language model from the query alone, "
    "replayed. Plain = the index's default plan on the same legs, in a folder with Qdrant Edge, "
    "all defaults; nDCG@10 of searches for 10 documents, Recall@100 of searches for 100. "
    "Pooled over the judged queries of Cranfield, CACM and NPL; the guard is the index's own; "
    "deranged = every query with another's thoughts, none with its own. Intervals: paired "
    "bootstrap over queries."
)
COLLECTIONS = ("cranfield", "cacm", "npl")
CACHE = Path(__file__).parent / ".cache" / "thoughts"
NDCG, RECALL = nDCG @ 10, R @ 100
MODES: dict[str, tuple[str, ...]] = {
    "dense": ("dense",),
    "sparse": ("sparse",),
    "hybrid of dense and sparse": ("dense", "sparse"),
    "hybrid of all three": ("dense", "sparse", "multi"),
    "multi": ("multi",),
}
GAINS = dict.fromkeys(MODES, 0.05) | {"dense": 0.07}
RECALL_GAIN, MOST_LOSS = 0.03, 0.02
PATIENT_S = 3600.0
ABOVE_ZERO = Bar(low=1e-9)

# Of each query: a metric by what was thought, such as "right: nDCG@10".
Scores = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Swapped:
    """Replays other thoughts than those of the query."""

    thoughts: Mapping[str, tuple[Thought, ...]]
    fingerprint: str = "swapped"

    def think(self, request: ThinkRequest) -> ThinkResult:
        return Given(self.thoughts[request.query]).think(request)

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        return self.think(request)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.thoughts", description=__doc__)
    parser.add_argument("--collections", nargs="+", choices=COLLECTIONS, default=COLLECTIONS)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=tuple(MODES))
    parser.add_argument("--only", choices=("quality", "faults"), help="faults: fail, hang or wait")
    chosen = parser.parse_args(arguments)
    model = trivet.Embedder.load(DEFAULT_MODEL, modes=LEGS)
    figures: list[Figure] = []
    if chosen.only != "faults":
        parts = {
            name: measured(beir.load(name), model, chosen.modes) for name in chosen.collections
        }
        figures += [figure for mode in chosen.modes for figure in pooled(mode, parts)]
    if chosen.only != "quality":
        figures += thoughts_faults.measure(beir.load(COLLECTIONS[0]), model)
    # Pooled figures of fewer collections are others.
    if set(chosen.collections) == set(COLLECTIONS):
        results.report("thoughts", TITLE, METHOD, figures)
    else:
        print(plain_table(figures))


def measured(
    collection: beir.Collection, model: trivet.Embedder, modes: Sequence[str]
) -> dict[str, Scores]:
    """The scores of a collection by mode; what this code measured before is not done again."""
    found = {mode: _kept(collection.name, mode) for mode in modes}
    missing = [mode for mode, scores in found.items() if scores is None]
    if missing:
        embedder = Remembering(model, collection.name)
        with (
            tempfile.TemporaryDirectory() as folder,
            trivet.open(f"{folder}/index", model=embedder, modes=[*MODES["hybrid of all three"]])
            as index,
        ):  # fmt: skip
            index.add(collection.documents, on_error="raise")
            embedder.save()
            for mode in missing:
                start = time.process_time()
                found[mode] = compare(index, collection, mode)
                _keep(collection.name, mode, found[mode])
                gain = found[mode]["right: nDCG@10"] - found[mode]["plain: nDCG@10"]
                seconds = time.process_time() - start
                print(f"{collection.name}, {mode}: {gain.mean():+.4f} ({seconds:.0f} s of CPU)",
                      flush=True)  # fmt: skip
            embedder.save()
    return found


def compare(index: trivet.Index, collection: beir.Collection, mode: str) -> Scores:
    """The metrics of each query by what was thought."""
    replay = Replay(beir.DATA / collection.name / "thoughts.jsonl", on_miss="error")
    own = {text: replay.think(ThinkRequest(text)).thoughts for text in collection.queries.values()}
    thinkers: dict[str, Thinker | None] = {
        "plain": None,
        "right": replay,
        "deranged": Swapped(deranged(own)),
    }
    if mode == "dense":
        thinkers |= {"15 words": Swapped(cut(own, 15)), "300 words": Swapped(lengthened(own))}
    scores: Scores = {}
    for name, thinker in thinkers.items():
        scores[f"{name}: nDCG@10"], scores[f"{name}: kept"] = judged(
            index, collection, MODES[mode], thinker, NDCG
        )
        if name in ("plain", "right"):
            scores[f"{name}: Recall@100"], _ = judged(
                index, collection, MODES[mode], thinker, RECALL
            )
    return scores


def judged(
    index: trivet.Index,
    collection: beir.Collection,
    legs: Sequence[str],
    thinker: Thinker | None,
    metric: ir_measures.Measure,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A metric of each query, and the share of its thoughts that the guard kept."""
    told: list[ThoughtReport] = []
    think = None if thinker is None else Thinking(thinker, deadline_s=PATIENT_S, tell=told.append)
    queries, k = list(collection.queries.values()), metric["cutoff"]
    hits = index.search_many(queries, k=k, modes=legs, think=think)
    run = {
        query: {hit.id: float(k - rank) for rank, hit in enumerate(found)}
        for query, found in zip(collection.queries, hits, strict=True)
    }
    values = {
        each.query_id: each.value
        for each in ir_measures.iter_calc([metric], collection.judgements, run)
    }
    kept = [float(np.mean([j.kept for j in each.thoughts] or [False])) for each in told]
    return (
        np.array([values.get(query, 0.0) for query in collection.queries]),
        np.array(kept or [0.0] * len(queries)),
    )


def deranged(own: Mapping[str, tuple[Thought, ...]]) -> dict[str, tuple[Thought, ...]]:
    """Every query with the thoughts of another, drawn by chance."""
    queries, rng = list(own), np.random.default_rng(20261121)
    while True:
        order = rng.permutation(len(queries))
        if not np.any(order == np.arange(len(queries))):
            return {query: own[queries[i]] for query, i in zip(queries, order, strict=True)}


def cut(own: Mapping[str, tuple[Thought, ...]], words: int) -> dict[str, tuple[Thought, ...]]:
    """Thoughts that end in the middle."""
    return {
        query: tuple(Thought(" ".join(t.text.split()[:words]), t.kind) for t in thoughts)
        for query, thoughts in own.items()
    }


def lengthened(own: Mapping[str, tuple[Thought, ...]]) -> dict[str, tuple[Thought, ...]]:
    """Passages with the passages of the next queries behind them, 300 words in all."""
    queries = list(own)
    passages = [next(t.text for t in own[query] if t.kind == "passage") for query in queries]
    return {
        query: (Thought(" ".join(" ".join((passages + passages)[i : i + 8]).split()[:300])),)
        for i, query in enumerate(queries)
    }


def pooled(mode: str, parts: Mapping[str, Mapping[str, Scores]]) -> list[Figure]:
    """Gains and losses of a mode over the queries of all collections."""

    def together(what: str) -> NDArray[np.float64]:
        return np.concatenate([of[mode][what] for of in parts.values()])

    def change(name: str, what: str = "nDCG@10") -> NDArray[np.float64]:
        return together(f"{name}: {what}") - together(f"plain: {what}")

    def figure(what: str, sample: NDArray[np.float64], bar: Bar | None = None) -> Figure:
        return Figure(f"{mode}: {what}", float(sample.mean()), bar, bootstrap(sample, mean), 4)

    gain = change("right")
    lower = bootstrap(gain, mean)[0]
    figures = [
        figure("nDCG@10, plain", together("plain: nDCG@10")),
        figure("gain of nDCG@10", gain, Bar(low=GAINS[mode])),
        Figure(f"{mode}: lower bound of that gain", lower, ABOVE_ZERO, digits=4),
        figure("change by deranged thoughts", change("deranged"), Bar(low=-MOST_LOSS)),
        figure(
            "gain of Recall@100",
            change("right", "Recall@100"),
            Bar(low=RECALL_GAIN) if mode.startswith("hybrid") else None,
        ),
    ]
    for name, of in parts.items():
        figures.append(
            figure(f"gain on {name}", of[mode]["right: nDCG@10"] - of[mode]["plain: nDCG@10"])
        )
    if mode == "dense":
        figures += [figure(f"change by thoughts of {n}", change(n))
                    for n in ("15 words", "300 words")]  # fmt: skip
        for name in ("right", "deranged"):
            kept = float(together(f"{name}: kept").mean())
            figures.append(Figure(f"share of {name} thoughts that the guard keeps", kept, digits=3))
    return figures


def _kept(name: str, mode: str) -> Scores | None:
    file = _file(name, mode)
    if not file.is_file():
        return None
    return {what: np.array(values) for what, values in json.loads(file.read_text("utf-8")).items()}


def _keep(name: str, mode: str, scores: Scores) -> None:
    file = _file(name, mode)
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_suffix(".new")
    scratch.write_text(json.dumps({what: values.tolist() for what, values in scores.items()}))
    scratch.replace(file)


def _file(name: str, mode: str) -> Path:
    """Where the scores of a part are kept: measured by this code and no other."""
    digest = hashlib.sha256()
    for file in [*sorted(Path(trivet.__file__).parent.rglob("*.*")), Path(__file__)]:
        if file.suffix in (".py", ".json", ".txt"):
            digest.update(file.read_bytes())
    return CACHE / f"{digest.hexdigest()[:12]}-{name}-{mode.replace(' ', '-')}.json"


if __name__ == "__main__":
    main()
