"""An index is optimized under searches and writes, and loses nothing."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from indexes import anchors, contents, index_of, make_index, put, require_clean, vectors
from qdrant_client import models
from waiting import until

import trivet
from trivet.config import Lexical
from trivet.errors import IndexClosedError, InvalidInputError, StoreError
from trivet.store import store as store_module
from trivet.store.manifest import LexicalState
from trivet.store.reweighing import reweigh as reweigh_leg
from trivet.types import Space, SparseVector

TEXTS = anchors(300)
IDS = list(TEXTS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def index(folder: Path) -> Iterator[trivet.Index]:
    with index_of(folder, TEXTS) as index:
        yield index


def nearest(index: trivet.Index, text: str) -> list[tuple[str, float]]:
    """The ten nearest points of the dense leg."""
    name = index._store.manifest.spaces["dense"].vector_name
    vector = vectors([text]).dense.values[0].tolist()
    request = models.QueryRequest(query=vector, using=name, limit=10)
    return [(point.id, round(point.score, 5)) for point in index._store.query([request])[0]]


def shards(folder: Path) -> list[str]:
    return [path.name for path in (folder / "shards").iterdir()]


def test_optimizing_changes_the_files_and_no_answer(index: trivet.Index, folder: Path) -> None:
    before = nearest(index, "sail"), index.search("anchor 7", modes=["sparse"])
    old = shards(folder)
    stages: list[str] = []
    report = index.optimize(force=True, progress=stages.append)
    assert (report.optimized, report.chunks) == (True, 300)
    assert stages == ["copying", "optimizing", "catching up"]
    assert (nearest(index, "sail"), index.search("anchor 7", modes=["sparse"])) == before
    assert len(shards(folder)) == 1
    assert shards(folder) != old
    assert index.describe().optimized == 300
    index.close()
    with trivet.open(folder) as again:
        assert contents(again, IDS) == TEXTS
        assert nearest(again, "sail") == before[0]
        assert again.describe().optimized == 300


def test_what_is_written_meanwhile_is_there_afterwards(index: trivet.Index) -> None:
    def write(stage: str) -> None:
        put(index, {f"new {stage}": f"keel {stage}", "1": f"changed while {stage}"})
        index.delete(["2" if stage == "optimizing" else "3"])
        if stage == "catching up":
            put(index, {f"many {n}": f"leeway {n}" for n in range(600)})

    index.optimize(force=True, progress=write)
    expected = {id: text for id, text in TEXTS.items() if id not in ("2", "3")}
    expected["1"] = "changed while catching up"
    for stage in ("copying", "optimizing", "catching up"):
        expected[f"new {stage}"] = f"keel {stage}"
    expected.update({f"many {n}": f"leeway {n}" for n in range(600)})
    assert contents(index, [*expected, "2", "3"]) == expected
    require_clean(index)
    # The new shard takes writes like the old one.
    put(index, {"1": "changed again"})
    index.delete(["4"])
    assert contents(index, [*expected, "4"]) == {
        **{id: text for id, text in expected.items() if id != "4"},
        "1": "changed again",
    }
    require_clean(index)


def test_searches_are_answered_meanwhile(
    index: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = nearest(index, "sail")
    done, answers, met, start = threading.Event(), [], [], subprocess.Popen

    def search() -> None:
        while not done.is_set():
            answers.append(nearest(index, "sail"))

    def started(*given: object, **options: object) -> subprocess.Popen:
        """The optimizer, which nobody waits for before more searches are answered."""
        process, wanted = start(*given, **options), len(answers) + 5
        until(lambda: len(answers) >= wanted or reader.done())
        met.append(len(answers) >= wanted)
        return process

    monkeypatch.setattr(subprocess, "Popen", started)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(search)
        try:
            index.optimize(force=True)
        finally:
            done.set()
        reader.result()
    assert met == [True]
    assert all(answer == expected for answer in answers)


def test_a_leg_that_is_weighted_anew_meanwhile_is_optimized_too(index: trivet.Index) -> None:
    stages: list[str] = []

    def reweigh(stage: str) -> None:
        stages.append(stage)
        if stages.count("optimizing") == 1 and stage == "optimizing":
            weigh_anew(index, 7.0)

    index.optimize(force=True, progress=reweigh)
    assert stages.count("copying") == 2
    name = index._store.manifest.spaces["sparse"].vector_name
    vector = models.SparseVector(indices=[7], values=[1.0])
    request = models.QueryRequest(query=vector, using=name, limit=400)
    assert len(index._store.query([request])[0]) == 300


def weigh_anew(index: trivet.Index, average: float) -> None:
    space = Space("sparse", "bm25", None, {"analyser": "test", "average_tokens": average})
    heavy = SparseVector(indices=_array([7], "uint32"), values=_array([9.0], "float32"))
    state = LexicalState(average, 300, "en", Lexical())
    reweigh_leg(
        index._store, space, state, lambda chunks: ([heavy] * len(chunks), [2] * len(chunks))
    )


def _array(values: list[float], dtype: str):
    import numpy as np

    return np.array(values, dtype=dtype)


def test_a_leg_that_never_rests_is_reported(index: trivet.Index, folder: Path) -> None:
    averages = iter(range(5, 100))
    before = shards(folder)

    def reweigh(stage: str) -> None:
        if stage == "optimizing":
            weigh_anew(index, float(next(averages)))

    with pytest.raises(StoreError, match="stays as it is"):
        index.optimize(force=True, progress=reweigh)
    assert shards(folder) == before
    assert contents(index, IDS) == TEXTS


def damage(index: trivet.Index, folder: Path) -> None:
    """Make the copy unreadable."""
    current = Path(index._store.manifest.shard).name
    for path in (folder / "shards").glob("*/segments/*/segment.json"):
        if current not in path.parts:
            path.write_text("no segment")


def interrupt(index: trivet.Index, folder: Path) -> None:
    raise KeyboardInterrupt


def again(index: trivet.Index, folder: Path) -> None:
    index.optimize(force=True)


@pytest.mark.parametrize(
    ("stage", "action", "error"),
    [
        ("copying", interrupt, KeyboardInterrupt),
        ("optimizing", interrupt, KeyboardInterrupt),
        ("optimizing", again, StoreError),
        ("optimizing", damage, StoreError),
        ("catching up", damage, StoreError),
    ],
)
def test_an_index_whose_optimizing_fails_is_as_it_was(
    index: trivet.Index,
    folder: Path,
    stage: str,
    action: Callable[[trivet.Index, Path], None],
    error: type[BaseException],
) -> None:
    before = shards(folder)
    with pytest.raises(error):
        index.optimize(
            force=True, progress=lambda now: action(index, folder) if now == stage else None
        )
    assert shards(folder) == before
    assert contents(index, IDS) == TEXTS
    put(index, {"1": "changed"})
    assert index.optimize(force=True).optimized
    assert contents(index, IDS) == {**TEXTS, "1": "changed"}
    require_clean(index)


@pytest.mark.parametrize("stage", ["optimizing", "catching up"])
def test_an_index_that_is_closed_meanwhile_is_as_it_was(
    index: trivet.Index, folder: Path, stage: str
) -> None:
    before = shards(folder)
    with pytest.raises((IndexClosedError, StoreError)):
        index.optimize(force=True, progress=lambda now: index.close() if now == stage else None)
    assert shards(folder) == before
    with trivet.open(folder) as reopened:
        assert contents(reopened, IDS) == TEXTS


def test_a_small_index_is_left_as_it_is(
    index: trivet.Index, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    before = shards(folder)
    assert index.optimize().optimized is False
    assert index.describe().optimize_pays is False
    assert shards(folder) == before
    monkeypatch.setattr(store_module, "SCAN_LIMIT", 301)
    put(index, {"one more": "a keel"})
    assert "Index.optimize" in caplog.text
    assert index.describe().optimize_pays is True
    assert index.optimize().chunks == 301
    assert index.describe().optimize_pays is False
    assert index.optimize().optimized is False


def test_memory_cannot_be_optimized() -> None:
    with make_index(":memory:") as index, pytest.raises(InvalidInputError, match="in a folder"):
        index.optimize(force=True)
