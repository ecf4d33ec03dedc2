"""Embedding speed: padding, and documents a CPU second against sentence-transformers' `encode`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

import trivet
from benchmarks import beir, results
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, median
from benchmarks.turns import cpu_seconds
from trivet.embedding import runner
from trivet.embedding.batching import PASS_TOKENS, TOKEN_BUDGET, plan_batches
from trivet.embedding.locate import DEFAULT_MODEL, locate

TITLE = "Embedding speed, all-MiniLM-L6-v2, float32"
METHOD = (
    "Padding: padded tokens over real tokens of our batches. Speed: the same documents, weights "
    "and process; sentence-transformers' `encode` with its defaults on the processor and "
    "`Embedder.embed_documents` take turns, the first place changing hands every round. CPU "
    "seconds of the process, with one thread for torch: on a busy machine a second one counts its "
    "waiting as work. Medians over rounds, intervals by bootstrap over rounds. Full batches: not "
    "cut where their padding costs more than another pass."
)
# Texts that a framework hands over at a time.
SMALL_CALL = 10
SMALL_CALL_DOCUMENTS = 100
# Documents of each collection, so that each takes about the same time.
SAMPLES = {"cranfield": 80, "npl": 400, "medquad-dev": 80}
PADDING_BAR = Bar(high=1.05)
SPEED_BAR = Bar(low=1.4)

T = TypeVar("T")
Encode: TypeAlias = Callable[[list[str]], NDArray[np.float32]]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.embedding_speed", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args(arguments).rounds
    embedder = trivet.Embedder.load(DEFAULT_MODEL)
    figures = measure_padding(embedder)
    with one_torch_thread():
        reference = SentenceTransformer(str(locate(DEFAULT_MODEL).folder), device="cpu")
        figures += compare_small_calls(embedder, rounds)
        for name in SAMPLES:
            figures += compare(name, embedder, reference, rounds)
    results.report("embedding_speed", TITLE, METHOD, figures)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Two would spin while they wait for each other, which CPU time counts as work."""
    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


def measure_padding(embedder: trivet.Embedder) -> list[Figure]:
    """The whole of Cranfield in one call, as `Index.add` hands it over, and in small calls."""
    counts = embedder.count_tokens(beir.load("cranfield").texts)
    lengths = [min(count, embedder.max_tokens) for count in counts]
    step = trivet.Settings().batch_chunks
    small = in_calls(lengths, SMALL_CALL)
    what = f"cranfield: padding, {SMALL_CALL} texts a call"
    return [
        Figure("cranfield: padding, one call", padding([lengths]), PADDING_BAR, digits=3),
        Figure(
            f"cranfield: padding, {step} texts a call", padding(in_calls(lengths, step)), digits=3
        ),
        Figure(what, padding(small), digits=3),
        Figure(f"{what}, full batches", padding(small, pass_tokens=TOKEN_BUDGET), digits=3),
    ]


def in_calls(values: Sequence[T], step: int) -> list[Sequence[T]]:
    """So many at a time."""
    return [values[start : start + step] for start in range(0, len(values), step)]


def padding(calls: Sequence[Sequence[int]], pass_tokens: int = PASS_TOKENS) -> float:
    """Padded tokens over real tokens of texts of these lengths, embedded call by call."""
    padded = sum(
        len(batch) * max(lengths[position] for position in batch)
        for lengths in calls
        for batch in plan_batches(lengths, pass_tokens=pass_tokens)
    )
    return padded / sum(map(sum, calls))


def compare_small_calls(embedder: trivet.Embedder, rounds: int) -> list[Figure]:
    """CPU seconds of calls of a few texts over those of one call, batches cut or full."""
    texts = beir.load("cranfield").texts[:SMALL_CALL_DOCUMENTS]
    small = in_calls(texts, SMALL_CALL)

    def embed(calls: Sequence[Sequence[str]], pass_tokens: int) -> None:
        with batches_cut_at(pass_tokens):
            for call in calls:
                embedder.embed_documents(call, truncate=True)

    contenders: list[tuple[Sequence[Sequence[str]], int]] = [
        ([texts], PASS_TOKENS),
        (small, PASS_TOKENS),
        (small, TOKEN_BUDGET),
    ]
    embedder.embed_documents(texts, truncate=True)
    seconds = cpu_seconds([partial(embed, *each) for each in contenders], rounds)
    what = f"cranfield: CPU time, {SMALL_CALL} texts a call, times one call"
    figures = []
    for name, row in zip((what, f"{what}, full batches"), seconds[1:], strict=True):
        ratios = row / seconds[0]
        value, interval = float(np.median(ratios)), bootstrap(ratios, median)
        figures.append(Figure(name, value, interval=interval, digits=3))
    return figures


@contextmanager
def batches_cut_at(pass_tokens: int) -> Iterator[None]:
    """Batches with so much padding at most."""
    usual = runner.PASS_TOKENS
    runner.PASS_TOKENS = pass_tokens
    try:
        yield
    finally:
        runner.PASS_TOKENS = usual


def compare(
    name: str, embedder: trivet.Embedder, reference: SentenceTransformer, rounds: int
) -> list[Figure]:
    """CPU seconds of both on a sample that is spread over the collection."""
    texts = beir.load(name).texts
    spread = np.linspace(0, len(texts) - 1, SAMPLES[name]).astype(int)
    sample = [texts[position] for position in spread]

    def ours(texts: list[str]) -> NDArray[np.float32]:
        dense = embedder.embed_documents(texts, truncate=True).dense
        assert dense is not None
        return dense.values

    contenders: list[Encode] = [ours, reference.encode]
    vectors = [contender(sample) for contender in contenders]  # a warm-up too
    seconds = cpu_seconds([partial(encode, sample) for encode in contenders], rounds)
    rates = len(sample) / np.median(seconds, axis=1)
    ratios = seconds[1] / seconds[0]
    return [
        Figure(
            f"{name}: speed against encode, times",
            float(np.median(ratios)),
            SPEED_BAR,
            bootstrap(ratios, median),
        ),
        Figure(f"{name}: documents a CPU second, ours", float(rates[0]), digits=1),
        Figure(f"{name}: documents a CPU second, encode", float(rates[1]), digits=1),
        Figure(
            f"{name}: largest difference of a component, millionths",
            1e6 * float(np.abs(vectors[0] - vectors[1]).max()),
            digits=2,
        ),
    ]


if __name__ == "__main__":
    main()
