"""Searches with thinkers that fail, hang or take a second: their hits, and their time."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import trivet
from benchmarks import beir
from benchmarks.figures import Bar, Figure
from benchmarks.remembered import Remembering
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.thinking import (
    Cached,
    Replay,
    Thinker,
    Thinking,
    ThinkRequest,
    ThinkResult,
    WritingThinker,
)

MODES = ("dense", "sparse")
DEADLINE_S = 0.5
THINKING_S = 1.0


class Slow:
    """Takes a second for what another thinker has at hand, and counts what it is asked.

    Args:
        thinker: the other one.
    """

    def __init__(self, thinker: Thinker) -> None:
        self._thinker = thinker
        self.fingerprint = "slow"
        self.asked: list[str] = []

    def think(self, request: ThinkRequest) -> ThinkResult:
        self.asked.append(request.query)
        time.sleep(THINKING_S)
        return self._thinker.think(request)

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        self.asked.append(request.query)
        await asyncio.sleep(THINKING_S)
        return await self._thinker.athink(request)


@contextmanager
def built(collection: beir.Collection, model: trivet.Embedder) -> Iterator[trivet.Index]:
    """An index with all defaults; what is stored comes from the kept vectors, queries do not."""
    with tempfile.TemporaryDirectory() as folder:
        embedder = Remembering(model, collection.name)
        with trivet.open(f"{folder}/index", model=embedder, modes=MODES) as index:
            index.add(collection.documents, on_error="raise")
        with trivet.open(f"{folder}/index", model=trivet.Embedder.load(DEFAULT_MODEL)) as index:
            yield index


def measure(collection: beir.Collection, model: trivet.Embedder) -> list[Figure]:
    """All figures.

    Args:
        collection: whose queries are asked.
        model: with the legs whose vectors are kept.
    """
    with built(collection, model) as index:
        return [*unusable(index, collection), *waiting(index, collection)]


def unusable(index: trivet.Index, collection: beir.Collection) -> list[Figure]:
    """The share of searches whose hits are the plain ones where nothing usable came."""
    queries = list(collection.queries.values())[:20]
    plain = [index.search(query) for query in queries]

    def failing(prompt: str) -> str:
        raise ConnectionError

    def late(prompt: str) -> str:
        time.sleep(3 * DEADLINE_S)
        return "PASSAGE: Pressure and heat of a boundary layer in supersonic flow past a body."

    answers = {
        "refusal": lambda prompt: "I'm sorry, but I cannot help with that.",
        "empty answer": lambda prompt: "",
        "exception": failing,
        "late answer": late,
        "answer that was cut off in its reasoning": lambda prompt: "<think>The user wants",
    }
    figures = []
    for what, answer in answers.items():
        thinking = Thinking(WritingThinker(answer, name=what), deadline_s=DEADLINE_S)
        same = [
            index.search(q, think=thinking) == hits for q, hits in zip(queries, plain, strict=True)
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

    thinking = Thinking(WritingThinker(hang, name="hanging"), deadline_s=DEADLINE_S)
    for query in queries[:40]:
        start = time.monotonic()
        index.search(query, think=thinking)
        late.append(time.monotonic() - start - thinking.deadline_s)
    freed.set()
    what = "hanging thinker: p95 beyond the deadline, ms"
    overdue = Figure(what, 1000 * float(np.quantile(late, 0.95)), Bar(high=100.0), digits=0)
    return [
        overdue,
        # Other queries each: an index keeps the vectors of its last thoughts.
        _hundred(index, collection, "threads", queries[40:90]),
        _hundred(index, collection, "an event loop", queries[90:140]),
    ]


def _hundred(
    index: trivet.Index, collection: beir.Collection, way: str, queries: list[str]
) -> Figure:
    """Seconds of a hundred searches at once, of fifty queries, with a thinker of one second."""
    slow = Slow(Replay(beir.DATA / collection.name / "thoughts.jsonl", on_miss="error"))
    with tempfile.TemporaryDirectory() as folder:
        thinker = Cached(slow, Path(folder))
        start = time.monotonic()
        if way == "threads":
            with ThreadPoolExecutor(100) as pool:
                list(pool.map(lambda query: index.search(query, think=thinker), 2 * queries))
        else:

            async def ask() -> None:
                await asyncio.gather(*(index.asearch(q, think=thinker) for q in 2 * queries))

            asyncio.run(ask())
        seconds = time.monotonic() - start
    if sorted(slow.asked) != sorted(queries):
        raise SystemExit(f"expected to think once of each of 50 queries, got {len(slow.asked)}")
    return Figure(f"100 searches at once in {way}, 1 s thinker, s", seconds, Bar(high=3.0))
