"""A process that is killed loses nothing that was committed, and the rest is completed."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from forked import Writer

import trivet
from trivet import Document

MOMENTS = 10
DOCUMENTS = 240
TWO = ["dense", "sparse"]


def texts() -> list[str]:
    repeat = [1 + 12 * (n % 9 == 0) for n in range(DOCUMENTS)]
    return [" ".join([f"anchor {n} sail wind wave tide"] * repeat[n]) for n in range(DOCUMENTS)]


def kill_after(folder: Path, model: Path, batches: int, delay_s: float) -> int:
    """Let a process write, kill it so long after so many batches; what it had called committed."""
    # On a fast machine, or before a test that stands still, it does not come to its end.
    writer = Writer(folder, texts(), 16, stops_after=batches + 4, model=str(model), modes=TWO)
    writer.start()
    writer.wait_for(batches)
    time.sleep(delay_s)
    writer.process.kill()
    return writer.committed()


def assert_whole(index: trivet.Index, at_least: int) -> int:
    """Every document that is there is there whole, and the engine holds nothing else."""
    count = index.count()
    assert count >= at_least
    stored = index.get([str(n) for n in range(DOCUMENTS)])
    assert len(stored) == count
    every = texts()
    assert all(document.text == every[int(document.id)] for document in stored)
    info = index.describe()
    assert info.documents == count
    assert info.chunks == index._store.engine.count()
    return count


@pytest.mark.slow
def test_sigkill_at_ten_random_moments_of_add(
    tmp_path: Path, tiny_model: Path, tiny_embedder: trivet.Embedder
) -> None:
    draw = random.Random(7)
    caught_midway = 0
    for moment in range(MOMENTS):
        folder = tmp_path / str(moment)
        batches, delay_s = draw.randrange(10), draw.uniform(0.0, 0.08)
        committed = kill_after(folder, tiny_model, batches, delay_s)
        with trivet.open(folder, model=tiny_embedder) as index:
            count = assert_whole(index, committed)
            caught_midway += 0 < count < DOCUMENTS
            ids = [str(n) for n in range(DOCUMENTS)]
            report = index.add(texts(), ids=ids)
            assert (report.added, report.skipped, report.failed) == (
                DOCUMENTS - count,
                count,
                (),
            )
            assert assert_whole(index, DOCUMENTS) == DOCUMENTS
            hits = index.search("anchor 123", k=DOCUMENTS)
            assert len({hit.id for hit in hits}) == len(hits) == DOCUMENTS
    # The moments must have been worth it.
    assert caught_midway >= 5


def test_an_interrupt_leaves_whole_documents(
    tmp_path: Path, tiny_embedder: trivet.Embedder
) -> None:
    settings = trivet.Settings(batch_chunks=16)
    with trivet.open(
        tmp_path / "index", model=tiny_embedder, modes=TWO, settings=settings
    ) as index:

        def interrupt(report: trivet.IngestReport) -> None:
            if report.added >= 64:
                raise KeyboardInterrupt

        documents = [Document(text, str(n)) for n, text in enumerate(texts())]
        with pytest.raises(KeyboardInterrupt):
            index.add(documents, progress=interrupt)
        assert 64 <= assert_whole(index, 64) < 200
        assert index.add(documents).failed == ()
        assert assert_whole(index, DOCUMENTS) == DOCUMENTS
