"""Speed of the default plan over 10,000 chunks of 170 tokens, their bytes, and `asearch`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import trivet
from benchmarks import beir, plan_ingest, results
from benchmarks.engine_speed import recorded_requests
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, median
from benchmarks.remembered import LEGS, Remembering
from benchmarks.search_parts import Parts
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.types import DenseVectors, MultiVectors, Representations, Vectors

TITLE = "Speed of the default plan with token vectors"
METHOD = (
    "10,000 chunks in Qdrant Edge: those of Cranfield again and again, with noise on their "
    "vectors, so that none is there twice; 93 of Cranfield's queries. Requests as in engine_speed; "
    "CPU milliseconds of the process, as the index is after `add`, searched by scan, and after "
    "`optimize`. The folder's bytes are those after closing, with the engine's log. `asearch`: an "
    "index of NPL, CoSQA and CACM with three legs, compact and optimized; 64 searches awaited "
    "together against the same one after another, in turns, wall time, medians of rounds; of each "
    "search what the model takes, the engine's own calls, and the rest, which is Python. The "
    "vectors of these collections are those that `benchmarks.plans` has kept, where it was run. "
    "Ingest: Cranfield by `trivet.open` and `add`, embedded anew each time, with two legs and by "
    "default, in turns; CPU time of the process, and the folder after closing."
)
CHUNKS = 10_000
QUERIES = 93
NOISE = 0.3
BARS = {"full": Bar(high=15.0), "compact": Bar(high=6.0)}
BYTES = Bar(high=15_360.0)
TOGETHER = 64
GAIN = Bar(low=4.0)
BATCH = 500
ONE_BY_ONE, AT_ONCE = "one by one", "at once"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan_speed", description=__doc__)
    parser.add_argument("--parts", nargs="+", default=["compact", "full", "asearch", "ingest"])
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    model = trivet.Embedder.load(DEFAULT_MODEL, modes=LEGS)
    for part in chosen.parts:
        if part == "asearch":
            figures = measure_asearch(model, chosen.rounds)
        elif part == "ingest":
            figures = plan_ingest.measure()
        else:
            figures = measure_engine(model, part, chosen.chunks, chosen.rounds)
        for figure in figures:
            print(figure.cells(), flush=True)
        if chosen.chunks == CHUNKS:
            results.report("plan_speed", TITLE, METHOD, figures)


def measure_engine(model: trivet.Embedder, tokens: str, chunks: int, rounds: int) -> list[Figure]:
    """Queries one at a time, after a first round that does not count, and the folder's size."""
    collection = beir.load("cranfield")
    with tempfile.TemporaryDirectory() as folder:
        settings = trivet.Settings(tokens=tokens)
        where, modes = f"{folder}/index", ["dense", "sparse", "multi"]
        start = time.process_time()
        with trivet.open(where, model=model, modes=modes, settings=settings) as index:
            length = _fill(index, Remembering(model, "cranfield"), collection, chunks)
        filling = 1e3 * (time.process_time() - start) / chunks
        figures = [
            Figure(f"{tokens}: bytes of the folder a chunk", _bytes_in(Path(where)) / chunks,
                   BYTES if tokens == "compact" else None, digits=0),
            Figure(f"{tokens}: tokens a chunk", length, digits=1),
            Figure(f"{tokens}: CPU ms to store a chunk, vectors given", filling),
        ]  # fmt: skip
        queries = list(collection.queries.values())[:QUERIES]
        with trivet.open(where, model=model) as index:
            figures += _timed(index, tokens, queries, rounds)
        if tokens == "compact":
            with trivet.open(where, model=model) as index:
                index.optimize(force=True)
                figures += _timed(index, "compact, optimized", queries, rounds)
            size = _bytes_in(Path(where)) / chunks
            what = "compact, optimized: bytes of the folder a chunk"
            figures.append(Figure(what, size, BYTES, digits=0))
    return figures


def _timed(index: trivet.Index, what: str, queries: Sequence[str], rounds: int) -> list[Figure]:
    requests = recorded_requests(index, queries)
    wall, cpu = np.zeros((2, (1 + rounds) * len(requests)))
    for turn in range(len(wall)):
        start, cpu_start = time.perf_counter(), time.process_time()
        index._store.query(requests[turn % len(requests)])
        wall[turn] = time.perf_counter() - start
        cpu[turn] = time.process_time() - cpu_start
    wall, cpu = 1e3 * wall[len(requests) :], 1e3 * cpu[len(requests) :]
    bar = BARS[what.partition(",")[0]]
    return [
        Figure(f"{what}: engine part, p50 CPU ms", float(np.median(cpu)), bar,
               bootstrap(cpu, median)),
        Figure(f"{what}: engine part, p95 CPU ms", float(np.quantile(cpu, 0.95))),
        Figure(f"{what}: engine part, p50 wall ms", float(np.median(wall))),
    ]  # fmt: skip


def _fill(
    index: trivet.Index, kept: Remembering, collection: beir.Collection, chunks: int
) -> float:
    """Store so many chunks; the mean number of their token vectors."""
    documents = [d for d in collection.documents if 100 <= len(d.text.split()) <= 150]
    made = kept.embed_documents([f"{d.title} {d.text}".strip() for d in documents], truncate=True)
    kept.save()
    assert made.dense is not None
    assert made.multi is not None
    draws = np.random.default_rng(0)
    tokens = 0
    for start in range(0, chunks, BATCH):
        at = [i % len(documents) for i in range(start, min(start + BATCH, chunks))]
        dense = DenseVectors(made.dense.space, _noisy(made.dense.values[at], draws))
        rows = tuple(_noisy(made.multi.values[i], draws) for i in at)
        tokens += sum(map(len, rows))
        given = Representations(dense=dense, multi=MultiVectors(made.multi.space, rows))
        index.upsert(
            [trivet.Document(documents[i].text, f"{start}-{n}") for n, i in enumerate(at)],
            representations=index._shared.model.tokens.small(given),
            on_error="raise",
        )
    return tokens / chunks


def _bytes_in(folder: Path) -> int:
    return sum(f.stat().st_blocks * 512 for f in folder.rglob("*") if f.is_file())


def _noisy(rows: Vectors, draws: np.random.Generator) -> Vectors:
    noise = draws.standard_normal(rows.shape, dtype=np.float32) / rows.shape[-1] ** 0.5
    noisy = rows + NOISE * noise
    return noisy / np.linalg.norm(noisy, axis=-1, keepdims=True)


def measure_asearch(model: trivet.Embedder, rounds: int) -> list[Figure]:
    """64 searches at once against 64 in a row."""
    names = ("npl", "cosqa-dev", "cacm")
    with tempfile.TemporaryDirectory() as folder:
        where = f"{folder}/index"
        for name in names:
            kept = Remembering(model, name)
            with trivet.open(where, model=kept, modes=["dense", "sparse", "multi"]) as index:
                index.add(
                    [trivet.Document(d.text, f"{name}-{d.id}", d.title)
                     for d in beir.load(name).documents],
                    on_error="raise",
                )  # fmt: skip
            kept.save()
        queries = [q for name in names for q in beir.load(name).queries.values()]
        with trivet.open(where, model=model) as index:
            index.optimize(force=True)
            figures = [Figure("asearch: chunks", index.describe().chunks, digits=0)]
            for legs in (["dense", "sparse", "multi"], ["dense", "sparse"]):
                what, parts = f"asearch, {len(legs)} legs", Parts(index)
                times = np.array(list(_turns(index, parts, queries, legs, rounds)))
                figures += _throughput(what, times)
                figures += parts.figures(what, ONE_BY_ONE, AT_ONCE)
    return figures


def _throughput(what: str, times: Vectors) -> list[Figure]:
    ratios = times[:, 0] / times[:, 1]
    return [
        Figure(f"{what}: throughput of 64 at once against one by one, times",
               float(np.median(ratios)), GAIN, bootstrap(ratios, median)),
        Figure(f"{what}: searches a second, one by one", TOGETHER / float(np.median(times[:, 0]))),
        Figure(f"{what}: searches a second, at once", TOGETHER / float(np.median(times[:, 1]))),
    ]  # fmt: skip


def _turns(
    index: trivet.Index, parts: Parts, queries: Sequence[str], legs: Sequence[str], rounds: int
) -> Iterator[tuple[float, float]]:
    for turn in range(rounds + 1):
        asked = [queries[(turn * TOGETHER + i) % len(queries)] for i in range(TOGETHER)]
        start = time.perf_counter()
        with parts.measuring(ONE_BY_ONE, TOGETHER):
            for query in asked:
                index.search(query, modes=legs)
        middle = time.perf_counter()

        async def together(texts: Sequence[str] = tuple(asked)) -> None:
            await asyncio.gather(*(index.asearch(text, modes=legs) for text in texts))

        with parts.measuring(AT_ONCE, TOGETHER):
            asyncio.run(together())
        if turn:  # the first warms up
            yield middle - start, time.perf_counter() - middle
        else:
            parts.rounds.clear()


if __name__ == "__main__":
    main()
