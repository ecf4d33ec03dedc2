"""Thoughts before retrieval: what replayed ones gain in each mode, and what wrong ones cost."""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import R, nDCG
from numpy.typing import NDArray

import trivet
from benchmarks import beir, results
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, mean
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.thinking import (
    Cached,
    Given,
    Replay,
    Thinker,
    Thinking,
    ThinkRequest,
    ThinkResult,
    Thought,
    ThoughtReport,
    WritingThinker,
)
from trivet.types import DenseVectors, MultiVectors, Representations

TITLE = "Thoughts before retrieval, all-MiniLM-L6-v2"
METHOD = (
    "One passage and keywords for each query, written by a language model from the query alone, "
    "replayed. Plain = the index's default plan on the same legs, in a folder with Qdrant Edge. "
    "Pooled over the judged queries of Cranfield, CACM and NPL; the guard is the index's own; "
    "deranged = every query with another's thoughts, none with its own. Intervals: paired "
    "bootstrap over queries."
)
COLLECTIONS = ("cranfield", "cacm", "npl")
CACHE = Path(__file__).parent / ".cache" / "thoughts"
K = 100
METRICS = {"nDCG@10": nDCG @ 10, "Recall@100": R @ 100}
LEGS = ("dense", "sparse", "multi")
MODES: dict[str, tuple[str, ...]] = {
    "dense": ("dense",),
    "sparse": ("sparse",),
    "hybrid of dense and sparse": ("dense", "sparse"),
    "hybrid of all three": LEGS,
    "multi": ("multi",),
}
GAINS = dict.fromkeys(MODES, 0.05) | {"dense": 0.07}
MOST_LOSS = 0.02
PATIENT_S = 3600.0
ABOVE_ZERO = Bar(low=1e-9)

Scores = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Swapped:
    """Replays the thoughts of another query."""

    thoughts: Mapping[str, tuple[Thought, ...]]
    fingerprint: str = "swapped"

    def think(self, request: ThinkRequest) -> ThinkResult:
        return Given(self.thoughts[request.query]).think(request)

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        return self.think(request)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.thoughts", description=__doc__)
    parser.add_argument("--collections", nargs="+", choices=COLLECTIONS, default=COLLECTIONS)
    chosen = parser.parse_args(arguments).collections
    embedder = trivet.Embedder.load(DEFAULT_MODEL, modes=["dense", "multi"])
    gathered: list[dict[str, Scores]] = []
    figures: list[Figure] = []
    for name in chosen:
        start = time.process_time()
        collection = beir.load(name)
        with built(collection, embedder) as index:
            gathered.append(compare(index, collection))
            if name == chosen[0]:
                figures += [*unusable(index, collection), *waiting(index, collection)]
        print(f"{name}: {time.process_time() - start:.0f} s of CPU", flush=True)
    results.report("thoughts", TITLE, METHOD, [*pooled(gathered), *figures])


def built(collection: beir.Collection, embedder: trivet.Embedder) -> trivet.Index:
    """The index of a collection with all legs, a chunk a document; made once."""
    folder = CACHE / f"{collection.name}-{embedder.spaces['dense'].fingerprint[:8]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    index = trivet.open(folder, model=embedder, modes=LEGS)
    if index.count() < len(collection.documents):
        # As the index would make them small itself, had it embedded them.
        vectors = index._model.tokens.small(embedded(collection, embedder))
        report = index.upsert(collection.documents, representations=vectors)
        if report.failed:
            raise SystemExit(f"expected every document to be stored, got {report.failed[0]}")
    return index


def embedded(collection: beir.Collection, embedder: trivet.Embedder) -> Representations:
    """The documents' vectors, title and text as one; embedded once, as that takes minutes."""
    spaces = embedder.spaces
    file = CACHE / f"{collection.name}-{spaces['dense'].fingerprint[:8]}.npz"
    if not file.is_file():
        made = embedder.embed_documents(collection.texts, truncate=True)
        assert made.dense is not None
        assert made.multi is not None
        np.savez(
            file,
            doc_d=made.dense.values,
            doc_t=np.concatenate(made.multi.values).astype(np.float16),
            doc_n=np.array([len(tokens) for tokens in made.multi.values]),
        )
    stored = np.load(file)
    tokens = np.split(stored["doc_t"].astype(np.float32), np.cumsum(stored["doc_n"])[:-1])
    return Representations(
        DenseVectors(spaces["dense"], stored["doc_d"]),
        multi=MultiVectors(spaces["multi"], tuple(tokens)),
    )


def compare(index: trivet.Index, collection: beir.Collection) -> dict[str, Scores]:
    """The metrics of each query by mode and by what was thought."""
    replay = Replay(beir.DATA / collection.name / "thoughts.jsonl", on_miss="error")
    own = {text: replay.think(ThinkRequest(text)).thoughts for text in collection.queries.values()}
    thinkers: dict[str, Thinker] = {
        "right": replay,
        "deranged": Swapped(deranged(own)),
        "15 words": Swapped(cut(own, 15)),
        "300 words": Swapped(lengthened(own)),
    }
    found: dict[str, Scores] = {}
    for mode, legs in MODES.items():
        found[f"{mode}: plain"] = judged(index, collection, legs, None)
        for name, thinker in thinkers.items():
            if name in ("right", "deranged") or mode == "dense":
                found[f"{mode}: {name}"] = judged(index, collection, legs, thinker)
        gain = found[f"{mode}: right"]["nDCG@10"] - found[f"{mode}: plain"]["nDCG@10"]
        print(f"{collection.name}, {mode}: {gain.mean():+.4f}", flush=True)
    return found


def judged(
    index: trivet.Index,
    collection: beir.Collection,
    legs: Sequence[str],
    thinker: Thinker | None,
) -> Scores:
    """Both metrics of each query, and the share of thoughts that the guard kept."""
    told: list[ThoughtReport] = []
    think = None if thinker is None else Thinking(thinker, deadline_s=PATIENT_S, tell=told.append)
    queries = list(collection.queries.values())
    hits = index.search_many(queries, k=K, modes=legs, think=think)
    run = {
        query: {hit.id: float(K - rank) for rank, hit in enumerate(found)}
        for query, found in zip(collection.queries, hits, strict=True)
    }
    scores = {name: _of_each(collection, metric, run) for name, metric in METRICS.items()}
    kept = [np.mean([j.kept for j in each.thoughts] or [False]) for each in told]
    return {**scores, "kept": np.array(kept or [0.0] * len(queries))}


def _of_each(
    collection: beir.Collection, metric: ir_measures.Measure, run: Mapping[str, Mapping[str, float]]
) -> NDArray[np.float64]:
    values = {
        each.query_id: each.value
        for each in ir_measures.iter_calc([metric], collection.judgements, run)
    }
    return np.array([values.get(query, 0.0) for query in collection.queries])


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


def pooled(gathered: Sequence[Mapping[str, Scores]]) -> list[Figure]:
    """Gains and losses over the queries of all collections."""

    def together(what: str, metric: str) -> NDArray[np.float64]:
        return np.concatenate([each[what][metric] for each in gathered])

    figures = []
    for mode in MODES:
        plain = together(f"{mode}: plain", "nDCG@10")
        right = together(f"{mode}: right", "nDCG@10") - plain
        wrong = together(f"{mode}: deranged", "nDCG@10") - plain
        interval = bootstrap(right, mean)
        figures += [
            Figure(f"{mode}: nDCG@10, plain", float(plain.mean()), digits=4),
            Figure(
                f"{mode}: gain of nDCG@10", float(right.mean()), Bar(low=GAINS[mode]), interval, 4
            ),
            Figure(f"{mode}: lower bound of that gain", interval[0], ABOVE_ZERO, digits=4),
            Figure(
                f"{mode}: change by deranged thoughts", float(wrong.mean()), Bar(low=-MOST_LOSS),
                bootstrap(wrong, mean), 4,
            ),
        ]  # fmt: skip
        recall = together(f"{mode}: right", "Recall@100") - together(f"{mode}: plain", "Recall@100")
        bar = Bar(low=0.03) if mode.startswith("hybrid") else None
        figures.append(
            Figure(
                f"{mode}: gain of Recall@100", float(recall.mean()), bar, bootstrap(recall, mean), 4
            )
        )
        for name in ("15 words", "300 words"):
            if f"{mode}: {name}" in gathered[0]:
                change = together(f"{mode}: {name}", "nDCG@10") - plain
                what = f"{mode}: change by thoughts of {name}"
                figures.append(Figure(what, float(change.mean()), None, bootstrap(change, mean), 4))
    for name in ("right", "deranged"):
        kept = together(f"dense: {name}", "kept")
        figures.append(
            Figure(f"share of {name} thoughts that the guard keeps", float(kept.mean()), digits=3)
        )
    return figures


def unusable(index: trivet.Index, collection: beir.Collection) -> list[Figure]:
    """The share of searches whose hits are the plain ones where nothing usable came."""
    queries = list(collection.queries.values())[:20]
    plain = [index.search(query) for query in queries]

    def failing(prompt: str) -> str:
        raise ConnectionError

    answers = {
        "refusal": lambda prompt: "I'm sorry, but I cannot help with that.",
        "empty answer": lambda prompt: "",
        "exception": failing,
        "answer that was cut off in its reasoning": lambda prompt: "<think>The user wants",
    }
    figures = []
    for what, answer in answers.items():
        thinker = WritingThinker(answer, name=what)
        same = [
            index.search(q, think=thinker) == hits for q, hits in zip(queries, plain, strict=True)
        ]
        share = float(np.mean(same))
        figures.append(Figure(f"{what}: share of searches equal to plain", share, Bar(low=1.0)))
    return figures


def waiting(index: trivet.Index, collection: beir.Collection) -> list[Figure]:
    """What thinkers that hang or take a second cost in time."""
    queries = list(collection.queries.values())
    late, freed = [], threading.Event()

    def hang(prompt: str) -> str:
        freed.wait(600)
        return ""

    thinking = Thinking(WritingThinker(hang, name="hanging"), deadline_s=0.5)
    for query in queries[:40]:
        start = time.monotonic()
        index.search(query, think=thinking)
        late.append(time.monotonic() - start - thinking.deadline_s)
    freed.set()
    what = "hanging thinker: p95 beyond the deadline, ms"
    overdue = Figure(what, 1000 * float(np.quantile(late, 0.95)), Bar(high=100.0), digits=0)
    return [overdue, *(_hundred(index, queries, way) for way in ("threads", "an event loop"))]


def _hundred(index: trivet.Index, queries: Sequence[str], way: str) -> Figure:
    """Seconds of a hundred searches at once, of fifty queries, with a thinker of one second."""
    asked: list[str] = []

    def think(prompt: str) -> str:
        asked.append(prompt)
        time.sleep(1.0)
        return "PASSAGE: Pressure and heat of a boundary layer in supersonic flow past a body."

    place = CACHE / f"hundred-{way.split()[-1]}.sqlite"
    place.unlink(missing_ok=True)
    thinker = Cached(WritingThinker(think, name="one second"), place)
    every = [queries[n % 50] for n in range(100)]
    start = time.monotonic()
    if way == "threads":
        with ThreadPoolExecutor(100) as pool:
            list(pool.map(lambda query: index.search(query, think=thinker), every))
    else:

        async def ask() -> None:
            await asyncio.gather(*(index.asearch(query, think=thinker) for query in every))

        asyncio.run(ask())
    seconds = time.monotonic() - start
    if len(asked) != 50:
        raise SystemExit(f"expected each of 50 queries to be thought about once, got {len(asked)}")
    return Figure(f"100 searches at once in {way}, 1 s thinker, s", seconds, Bar(high=3.0))


if __name__ == "__main__":
    main()
