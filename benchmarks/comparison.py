"""Two stores side by side in one process: ingest, queries, a batch, and what they rank best."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import trivet
from benchmarks import beir, results
from benchmarks.embedding_speed import one_torch_thread
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, mean, median
from benchmarks.quality import judge
from benchmarks.remembered import Remembering
from trivet.embedding.lexical import Bm25
from trivet.embedding.locate import DEFAULT_MODEL

SPEED_COLLECTION = "npl"
PASSAGES = 5_000
TURN = 500
BATCH = 500
QUERY_WORDS = 12
RANKED = ("cranfield", "cacm", "npl", "medquad-dev")


@dataclass(frozen=True)
class Side:
    """One of the two stores.

    Attributes:
        ingest: stores a turn of texts.
        search: answers a query.
    """

    ingest: Callable[[list[str]], object]
    search: Callable[[str], object]


@dataclass(frozen=True)
class Comparison:
    """A table of figures about two stores.

    Attributes:
        name: of the module in `benchmarks`, and of the table's file.
        title: over the table.
        method: how the figures were measured.
        speed: measures speed on a collection.
        rankings: what ours and theirs rank best for each query of a collection.
    """

    name: str
    title: str
    method: str
    speed: Callable[[beir.Collection, trivet.Embedder], list[Figure]]
    rankings: Callable[[beir.Collection, trivet.Embedder], tuple[list[list[str]], list[list[str]]]]

    def run(self, arguments: Sequence[str] | None) -> None:
        """Measure the parts that are asked for, one after the other."""
        parser = argparse.ArgumentParser(
            prog=f"python -m benchmarks.{self.name}", description=self.title
        )
        parser.add_argument("--parts", nargs="+", choices=("speed", *RANKED), help="default: all")
        for part in parser.parse_args(arguments).parts or ("speed", *RANKED):
            model = trivet.Embedder.load(DEFAULT_MODEL)
            with one_torch_thread():
                if part == "speed":
                    figures = self.speed(beir.load(SPEED_COLLECTION), model)
                else:
                    figures = self._ranking(beir.load(part), model)
            results.report(self.name, self.title, self.method, figures)

    def _ranking(self, collection: beir.Collection, model: trivet.Embedder) -> list[Figure]:
        """nDCG@10 of both; vectors are kept on the disk, so that a second run is short."""
        remembering = Remembering(model.only(["dense"]), f"{collection.name}-dense")
        ours, theirs = self.rankings(collection, remembering)
        remembering.save()
        our_scores, their_scores = judge(collection, ours), judge(collection, theirs)
        gain = our_scores - their_scores
        name = collection.name
        return [
            Figure(f"{name}: nDCG@10, ours", float(our_scores.mean()),
                   None, bootstrap(our_scores, mean), digits=4),
            Figure(f"{name}: nDCG@10, theirs", float(their_scores.mean()),
                   None, bootstrap(their_scores, mean), digits=4),
            Figure(f"{name}: gain", float(gain.mean()), Bar(low=0.0), bootstrap(gain, mean),
                   digits=4),
        ]  # fmt: skip


def compare_ingest(ours: Side, theirs: Side, texts: Sequence[str]) -> list[Figure]:
    """Documents stored a CPU second; both stores have loaded their weights before."""
    turns = [list(texts[start : start + TURN]) for start in range(0, len(texts), TURN)]
    ours_s, theirs_s = in_turns(ours.ingest, theirs.ingest, turns)
    print(f"ingested: {ours_s.sum():.0f} s and {theirs_s.sum():.0f} s of CPU", flush=True)
    return [
        Figure(f"ingest of {len(texts):,} passages against theirs, times",
               float(theirs_s.sum() / ours_s.sum()), Bar(low=1.5),
               bootstrap(theirs_s / ours_s, mean)),
        Figure("passages stored a CPU second, ours", len(texts) / float(ours_s.sum()), digits=1),
        Figure("passages stored a CPU second, theirs", len(texts) / float(theirs_s.sum()),
               digits=1),
    ]  # fmt: skip


def compare_queries(ours: Side, theirs: Side, queries: Sequence[str]) -> list[Figure]:
    """One hybrid query after the other."""
    ours_s, theirs_s = in_turns(ours.search, theirs.search, queries)
    return [
        Figure("hybrid query, p50 of ours over p50 of theirs",
               float(np.median(ours_s) / np.median(theirs_s)), Bar(high=1.0)),
        Figure("hybrid query, p50 CPU ms, ours", 1e3 * float(np.median(ours_s)),
               None, bootstrap(1e3 * ours_s, median)),
        Figure("hybrid query, p50 CPU ms, theirs", 1e3 * float(np.median(theirs_s)),
               None, bootstrap(1e3 * theirs_s, median)),
    ]  # fmt: skip


def compare_batch(
    ours: Callable[[list[str]], object], theirs: Callable[[str], object], texts: Sequence[str]
) -> Figure:
    """Our batch of the first words of documents against their loop over the same."""
    queries = [" ".join(text.split()[:QUERY_WORDS]) for text in texts[:BATCH]]
    batch_s = cpu_s(lambda: ours(queries))
    loop_s = cpu_s(lambda: [theirs(query) for query in queries])
    print(f"{len(queries)} queries: {batch_s:.1f} s and {loop_s:.1f} s of CPU", flush=True)
    return Figure("500 queries as a batch against their loop, times", loop_s / batch_s, Bar(low=4))


def average_terms(texts: Sequence[str]) -> float:
    """The average length that the BM25 leg of an index of these texts comes to."""
    terms = Bm25(1.0).count_terms(texts)
    return sum(terms) / len(terms)


def in_turns(
    first: Callable[..., object], second: Callable[..., object], arguments: Sequence[object]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """CPU seconds of both for each argument; the first place changes hands every turn."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn, argument in enumerate(arguments):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            call = (first, second)[which]
            seconds[which].append(cpu_s(lambda call=call, argument=argument: call(argument)))
    return np.array(seconds[0]), np.array(seconds[1])


def cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
