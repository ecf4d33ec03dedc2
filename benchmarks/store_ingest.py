"""What ingest costs in CPU seconds and memory, with vectors that are given and with none."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

import trivet
from benchmarks import beir
from benchmarks.figures import Bar, Figure
from trivet.config import Lexical
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.index import vectors
from trivet.index.lexicon import bm25_for, initial_state
from trivet.index.shared import Shared
from trivet.reports import IngestReport
from trivet.store import folder as folders
from trivet.types import (
    DenseVectors,
    Document,
    Representations,
    Space,
    SparseVector,
    SparseVectors,
)

DIMS = 384
# Terms of a text in a learned sparse leg, and how many there are to choose from.
TERMS, VOCABULARY = 60, 30_000
DENSE = Space("dense", "given", DIMS, {"weights": "none"})
SPARSE = Space("sparse", "given", None, {"weights": "none"})
RATES = {10_000: Bar(low=3_000), 20_000: Bar(low=2_000)}
UNCHANGED = 20_000
AGAIN = Bar(low=20)
NONE = Bar(high=0)
# What grows with the documents is the engine's inverted index and table of ids, about 1 kB each.
GROWTH = Bar(high=1.25)
TRACED, FLAT = 10_000, Bar(high=1.1)


def texts(n: int) -> list[str]:
    """Different texts: those of NPL, over and over, each turn with a word of its own."""
    found = [document.text for document in beir.load("npl").documents]
    return [f"{found[i % len(found)]} turn{i // len(found)}" for i in range(n)]


def documents(n: int) -> list[Document]:
    return [Document(text, str(i), metadata={"n": i}) for i, text in enumerate(texts(n))]


def dense_vectors(n: int) -> DenseVectors:
    """Unit vectors around a hundred centres, as those of texts are."""
    draw = np.random.default_rng(0)
    centres = draw.standard_normal((100, DIMS), dtype=np.float32)
    values = centres[draw.integers(100, size=n)]
    values += 0.7 * draw.standard_normal((n, DIMS), dtype=np.float32)
    return DenseVectors(DENSE, values / np.linalg.norm(values, axis=1, keepdims=True))


def sparse_vectors(n: int) -> SparseVectors:
    """Weights of terms whose frequencies fall as those of words do."""
    draw = np.random.default_rng(1)
    rows = []
    for terms in (VOCABULARY * draw.random((n, TERMS)) ** 3).astype(np.uint32):
        indices = np.unique(terms)
        rows.append(SparseVector(indices, draw.random(len(indices), dtype=np.float32) + 0.1))
    return SparseVectors(SPARSE, tuple(rows))


def empty_index(folder: str, *, lexical: bool) -> trivet.Index:
    """An index for vectors that are given: dense ones, with BM25 or with sparse ones."""
    state = initial_state(Lexical("en")) if lexical else None
    sparse = SPARSE if state is None else bm25_for(state).space
    manifest = folders.new_manifest("given", {}, {"dense": DENSE, "sparse": sparse}, 256, state)
    store = folders.create_in_folder(Path(folder), manifest)
    return trivet.Index(Shared(folder, store, _no_model, trivet.Settings()))


def _no_model() -> trivet.Embedder:
    raise AssertionError("no model is needed here")


def measure(n: int, *, lexical: bool) -> list[Figure]:
    """One ingest of n documents with their vectors, in this process."""
    given = Representations(dense_vectors(n), None if lexical else sparse_vectors(n))
    incoming = documents(n)
    seen: list[tuple[int, int, int]] = []

    def watch(report: IngestReport) -> None:
        seen.append((report.total, *_resident_bytes()))

    with (
        tempfile.TemporaryDirectory() as folder,
        empty_index(f"{folder}/index", lexical=lexical) as index,
    ):
        wall, cpu = time.perf_counter(), time.process_time()
        stored = index.upsert(incoming, representations=given, progress=watch)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert stored.chunks == index.count() == n, stored
    legs = "dense given, BM25 made" if lexical else "dense + sparse given"
    return [
        Figure(f"ingest of {n:,}, {legs}: documents a CPU second", n / cpu, RATES[n], digits=0),
        Figure(f"ingest of {n:,}, {legs}: documents a second", n / wall, digits=0),
        *_growth(f"ingest of {n:,}, {legs}", n, seen),
    ]


def _growth(what: str, n: int, seen: list[tuple[int, int, int]]) -> list[Figure]:
    """How memory grew from the report of the first tenth to the last."""
    _, own, mapped = next(row for row in seen if row[0] >= n / 10)
    _, own_at_end, mapped_at_end = seen[-1]
    return [
        Figure(f"{what}: own memory at the end, times that of a tenth", own_at_end / own, GROWTH),
        Figure(f"{what}: own memory a tenth in, MB", own / 1e6, digits=0),
        Figure(f"{what}: mapped files a tenth in, MB", mapped / 1e6, digits=0),
        Figure(f"{what}: mapped files at the end, MB", mapped_at_end / 1e6, digits=0),
    ]


def _resident_bytes() -> tuple[int, int]:
    """Memory that is the process's own, and pages of files, which the system may drop."""
    status = Path("/proc/self/status").read_text("ascii")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return tuple(int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "RssFile"))


def in_fresh_processes() -> list[Figure]:
    """Every ingest in a process of its own, so that each begins with the same memory."""
    figures = []
    for n in RATES:
        for legs in ("sparse", "bm25"):
            figures += _in_fresh_process(str(n), legs)
    return [*figures, *_in_fresh_process(str(TRACED), "traced")]


def _in_fresh_process(*arguments: str) -> list[Figure]:
    command = [sys.executable, "-m", "benchmarks.store_ingest", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [Figure.from_json(row) for row in json.loads(done.stdout)]


def measure_objects(n: int) -> list[Figure]:
    """What Python's own objects occupy while n documents stream in: all but the engine's part."""
    given = Representations(dense_vectors(n))
    seen: list[tuple[int, int, int]] = []

    def watch(report: IngestReport) -> None:
        traced, _ = tracemalloc.get_traced_memory()
        seen.append((report.total, traced, _resident_bytes()[0]))

    with (
        tempfile.TemporaryDirectory() as folder,
        empty_index(f"{folder}/index", lexical=True) as index,
    ):
        incoming = documents(n)
        tracemalloc.start()
        stored = index.upsert(iter(incoming), representations=given, progress=watch)
        tracemalloc.stop()
        assert stored.chunks == index.count() == n, stored
    _, traced, own = next(row for row in seen if row[0] >= n / 10)
    _, traced_at_end, own_at_end = seen[-1]
    what = f"ingest of {n:,}, traced"
    return [
        Figure(f"{what}: Python's objects at the end, times those of a tenth",
               traced_at_end / traced, FLAT),
        Figure(f"{what}: Python's objects a tenth in, MB", traced / 1e6, digits=1),
        Figure(f"{what}: bytes of own memory that a document adds, the engine's",
               ((own_at_end - traced_at_end) - (own - traced)) / (0.9 * n), digits=0),
    ]  # fmt: skip


def measure_again() -> list[Figure]:
    """The same documents a second time, by a model whose texts are counted."""
    embedder = trivet.Embedder.load(DEFAULT_MODEL)
    incoming = documents(UNCHANGED)
    with (
        tempfile.TemporaryDirectory() as folder,
        trivet.open(f"{folder}/index", model=embedder, modes=["dense", "sparse"]) as index,
        _counted() as embedded,
    ):
        first = time.process_time()
        assert index.add(incoming, on_error="raise").added == UNCHANGED
        first = time.process_time() - first
        once = embedded[0]
        assert once >= UNCHANGED, once
        again = time.process_time()
        assert index.add(incoming, on_error="raise").skipped == UNCHANGED
        again = time.process_time() - again
    what = f"{UNCHANGED:,} unchanged documents again"
    return [
        Figure(f"{what}: times faster", first / again, AGAIN, digits=0),
        Figure(f"{what}: texts embedded", embedded[0] - once, NONE, digits=0),
        Figure(f"{what}: documents a CPU second", UNCHANGED / again, digits=0),
        Figure(f"{UNCHANGED:,} documents embedded: documents a CPU second", UNCHANGED / first),
    ]


@contextmanager
def _counted() -> Iterator[list[int]]:
    """How many texts are embedded for storing while the body runs."""
    embed, count = vectors.embed_titled, [0]

    def counting(embedder: trivet.Embedder, titled: Sequence[tuple[str, str]]) -> Representations:
        count[0] += len(titled)
        return embed(embedder, titled)

    vectors.embed_titled = counting
    try:
        yield count
    finally:
        vectors.embed_titled = embed


if __name__ == "__main__":
    number = int(sys.argv[1])
    is_traced, lexical = sys.argv[2] == "traced", sys.argv[2] == "bm25"
    figures = measure_objects(number) if is_traced else measure(number, lexical=lexical)
    print(json.dumps([asdict(figure) for figure in figures]))
