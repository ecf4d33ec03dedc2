"""What a third leg costs: CPU time and bytes to store a collection with two legs and with three."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import trivet
from benchmarks import beir
from benchmarks.figures import Figure
from benchmarks.intervals import bootstrap, mean, median
from trivet.embedding.locate import DEFAULT_MODEL

COLLECTION = "cranfield"
ROUNDS = 3
# Of documents that are embedded before the first that count, so that no side loads the weights.
WARM = 16
LEGS: dict[str, Sequence[str] | None] = {"two legs": ["dense", "sparse"], "three legs": None}


def measure(rounds: int = ROUNDS) -> list[Figure]:
    """The same documents stored with two legs and by the default, in turns, in one process."""
    collection = beir.load(COLLECTION)
    model = trivet.Embedder.load(DEFAULT_MODEL)
    for modes in LEGS.values():
        _stored(model, modes, collection.documents[:WARM])
    cpu, size, chunks = np.zeros((3, rounds, len(LEGS)))
    for turn in range(rounds):
        # Whatever comes second may find a warmer machine.
        sides = list(enumerate(LEGS.values()))
        for side, modes in sides if turn % 2 == 0 else sides[::-1]:
            cpu[turn, side], size[turn, side], chunks[turn, side] = _stored(
                model, modes, collection.documents
            )
    documents = len(collection.documents)
    ratios = cpu[:, 1] / cpu[:, 0]
    return [
        *(
            Figure(f"{COLLECTION}, {legs}: CPU ms to store a document, embedding included",
                   1e3 * float(np.median(cpu[:, side])) / documents, None,
                   bootstrap(1e3 * cpu[:, side] / documents, median))
            for side, legs in enumerate(LEGS)
        ),
        Figure(f"{COLLECTION}: CPU time of three legs against two, times", float(ratios.mean()),
               None, bootstrap(ratios, mean)),
        *(
            Figure(f"{COLLECTION}, {legs}: bytes of the folder a chunk",
                   float(np.median(size[:, side] / chunks[:, side])), digits=0)
            for side, legs in enumerate(LEGS)
        ),
    ]  # fmt: skip


def _stored(
    model: trivet.Embedder, modes: Sequence[str] | None, documents: Sequence[trivet.Document]
) -> tuple[float, float, int]:
    """CPU seconds to store documents, bytes of the closed folder, and its chunks."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "index"
        start = time.process_time()
        with trivet.open(where, model=model, modes=modes) as index:
            chunks = index.add(documents, on_error="raise").chunks
        seconds = time.process_time() - start
        files = [file for file in where.rglob("*") if file.is_file()]
        return seconds, sum(file.stat().st_blocks * 512 for file in files), chunks
