"""Thoughts in searches of an index that is being upgraded: vectors are mapped, then combined."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import trivet
from trivet.drift import DriftMap
from trivet.thinking import Given, Thinking, ThoughtReport
from trivet.thinking.guard import guard_texts

from .stages import bridged


@pytest.fixture
def location(tmp_path: Path) -> str:
    return str(tmp_path / "index")


def expected(
    index: trivet.Index, query: np.ndarray, thought: np.ndarray, texts: dict[str, str],
    model: Path,
) -> dict[str, float]:  # fmt: skip
    """The cosines of what is stored with the mean of two vectors."""
    old = trivet.Embedder.load(model, modes=["dense"])
    stored = old.embed_documents(list(texts.values())).dense.values.astype(float)
    mean = query / np.linalg.norm(query) + thought / np.linalg.norm(thought)
    return dict(zip(texts, stored @ (mean / np.linalg.norm(mean)), strict=True))


def mapped(index: trivet.Index, vectors: trivet.types.DenseVectors) -> np.ndarray:
    record = index._store.manifest.upgrade
    return index._model.map_of(record, "query").apply(vectors).values[0].astype(float)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_mapped_query_is_combined_with_thoughts_in_the_stored_space(
    index: trivet.Index, location: str, drifted_model: Path, tiny_model: Path,
    texts: dict[str, str], tmp_path: Path, is_gone: bool,
) -> None:  # fmt: skip
    query, thought = texts["d7"], texts["d9"]
    if is_gone:
        gone = shutil.copytree(tiny_model, tmp_path / "gone")
        index.close()
        shutil.rmtree(location)
        index = trivet.open(location, model=gone)
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
    bridged(index, drifted_model)
    index.close()
    if is_gone:
        shutil.rmtree(gone)
    new = trivet.Embedder.load(drifted_model, modes=["dense"])
    old = trivet.Embedder.load(tiny_model, modes=["dense"])
    told: list[ThoughtReport] = []
    with trivet.open(location) as again:
        thinking = Thinking(Given([thought]), guard=-1.0, tell=told.append)
        hits = again.search(query, modes=["dense"], think=thinking)
        again.search(query, modes=["dense"], think=Thinking(Given([thought]), tell=told.append))
        own = mapped(again, new.embed_queries([query]).dense)
        if is_gone:
            other = mapped(again, new.embed_documents([thought]).dense)
        else:
            other = old.embed_documents([thought]).dense.values[0].astype(float)
        cosines = expected(again, own, other, texts, tiny_model)
        record = again._store.manifest.upgrade
        over = again._model.map_of(record, "query")
        guard = guard_of(over, new, None if is_gone else old)
    assert [report.reason for report in told] == ["", ""]
    assert {h.id: h.score for h in hits} == pytest.approx(
        {h.id: cosines[h.id] for h in hits}, abs=1e-4
    )
    likeness = own @ other / np.linalg.norm(own) / np.linalg.norm(other)
    assert told[0].thoughts[0].likeness == pytest.approx(likeness, abs=1e-4)
    # The guard is that of mapped queries, not of either model's own.
    assert told[1].guard == pytest.approx(guard, abs=1e-4)


def guard_of(over: DriftMap, new: trivet.Embedder, old: trivet.Embedder | None) -> float:
    """What all but few foreign pairs stay below; thoughts are mapped where there is no old model."""
    pairs = guard_texts()
    asked = over.apply(new.embed_queries(list(pairs.queries)).dense).values
    held = (old or new).embed_documents(list(pairs.thoughts), truncate=True).dense
    foreign = unit(asked) @ unit((held if old else over.apply(held)).values).T
    return float(np.quantile(foreign[pairs.is_foreign], 0.975))
