"""Two thousand bad batches: each gives a typed error or a report, and never half a document."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trivet
from trivet.errors import TrivetError
from trivet.store.edge import EdgeEngine
from trivet.types import (
    DenseVectors,
    Document,
    MultiVectors,
    Representations,
    Space,
    SparseVector,
    SparseVectors,
)

DIMS = 32
IDS = [str(n) for n in range(12)]
FUZZ = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class Odd:
    """An object that JSON does not know."""


def deep(levels: int) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for _ in range(levels):
        nested = {"a": nested}
    return nested


good_texts = st.sampled_from(["an anchor", "a keel", "sail and wind", "the", "leeway " * 30])
good_metadata = st.sampled_from([{}, {"year": 1990}, {"a": {"b": [1, 2.5, None, True, "ü"]}}])
BAD: dict[str, list[Any]] = {
    "text": [None, "", "  \n", 5, b"bytes", "\ud800", "a\x00b", ["a"], math.nan],
    "id": ["", 7, "\udfff", b"1", Odd()],
    "title": [None, 5, " ", "\ud800", Odd()],
    "metadata": [
        None, [], "x", {1: 2}, {"a": math.nan}, {"a": math.inf}, {"a": Odd()}, {"a": {1, 2}},
        {"a": b"x"}, {"a": 2**70}, {"a": "\ud800"}, {"\ud800": 1}, {"a": np.float32(1)},
        {"a": np.arange(3)}, {"a": (1, 2)}, {"a": 1j}, deep(200),
    ],
}  # fmt: skip


@st.composite
def documents(draw: st.DrawFn, id: str) -> Any:
    """A document: as likely as not a good one."""
    fields = {"text": draw(good_texts), "id": id, "title": draw(st.sampled_from(["", "A title"]))}
    fields["metadata"] = draw(good_metadata)
    defect = draw(st.sampled_from([None] * 5 + [*BAD, "object", "bare", "no id", "twin"]))
    if defect == "object":
        return draw(st.sampled_from([Odd(), {"text": "a"}, None, 5]))
    if defect == "bare":
        return fields["text"]
    if defect == "no id":
        fields["id"] = None
    elif defect == "twin":
        fields["id"] = IDS[0]
    elif defect is not None:
        fields[defect] = draw(st.sampled_from(BAD[defect]))
    return Document(**fields)


def dense_rows(n: int, kind: str) -> Any:
    rows = np.random.default_rng(n).standard_normal((n, DIMS)).astype(np.float32)
    if n and kind in ("nan", "inf", "huge", "zero"):
        rows[-1] = {"nan": math.nan, "inf": math.inf, "huge": 3e38, "zero": 0.0}[kind]
    if kind == "double":
        return rows.astype(np.float64)
    if kind == "narrow":
        return rows[:, :5]
    return rows.tolist() if kind == "list" else rows


def sparse_row(kind: str) -> Any:
    rows = {
        "good": ([1, 5], [1.0, 0.5]),
        "empty": ([], []),
        "unsorted": ([5, 1], [1.0, 0.5]),
        "doubled": ([5, 5], [1.0, 0.5]),
        "lengths": ([1, 5, 9], [1.0]),
        "nan": ([1, 5], [1.0, math.nan]),
    }
    if kind == "signed":
        return SparseVector(np.array([-1, 5]), np.array([1.0, 2.0], np.float32))
    if kind == "lists":
        return SparseVector([1], [1.0])  # type: ignore[arg-type]
    if kind == "none":
        return None
    indices, values = rows[kind]
    return SparseVector(np.array(indices, np.uint32), np.array(values, np.float32))


TWO_LEGS = ["dense", "sparse"]
DENSE_KINDS = ["nan", "inf", "huge", "zero", "double", "narrow", "list"]
SPARSE_KINDS = ["good", "empty", "unsorted", "doubled", "lengths", "nan", "signed", "lists", "none"]


def make_representations(index: trivet.Index, n: int, defect: str, kind: str) -> Any:
    """Representations of n documents, with a defect or none."""
    spaces = {space.mode: space for space in index.describe().spaces}
    if defect == "odd":
        return Odd()
    n += {"one more": 1, "one less": -min(n, 1)}.get(defect, 0)
    space = Space("dense", "other", DIMS, {}) if defect == "space" else spaces["dense"]
    dense = DenseVectors(space, dense_rows(n, kind if defect == "dense" else "good"))
    sparse = tokens = None
    if defect in ("sparse", "no dense"):
        row = sparse_row(kind if defect == "sparse" else "good")
        sparse = SparseVectors(spaces["sparse"], (row,) * n)
    if defect == "multi":
        tokens = MultiVectors(Space("multi", "m", 4, {}), (np.ones((2, 4), np.float32),) * n)
    return Representations(None if defect == "no dense" else dense, sparse, tokens)


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    """A call of `add` or `upsert` with at most one thing wrong beside its documents."""
    some = draw(st.lists(st.sampled_from(IDS), unique=True, max_size=6))
    batch = [draw(documents(id)) for id in some]
    asked = {
        "verb": draw(st.sampled_from(["upsert"] * 9 + ["add"])),
        "batch": batch,
        "ids": None,
        "metadatas": None,
        "on_error": draw(st.sampled_from(["report", "report", "raise"])),
        "progress": None,
        "as_generator": draw(st.booleans()),
        "defect": "none",
        "kind": "good",
    }
    wrong = draw(st.sampled_from(["nothing"] * 3 + ["vectors", "vectors", "call", "sides"]))
    if wrong == "vectors":
        asked["defect"] = draw(
            st.sampled_from(["dense", "dense", "sparse", "sparse", "odd", "one more", "one less",
                             "space", "multi", "no dense"])
        )  # fmt: skip
        kinds = SPARSE_KINDS if asked["defect"] == "sparse" else DENSE_KINDS
        asked["kind"] = draw(st.sampled_from(kinds))
    elif wrong == "call":
        name, value = draw(
            st.sampled_from([("on_error", "panic"), ("progress", "loud"), ("batch", "one text"),
                             ("batch", None), ("batch", 5), ("batch", {"a": "b"}), ("ids", "ids"),
                             ("batch", Document("one", "1")), ("metadatas", {"a": 1})])
        )  # fmt: skip
        asked[name] = value
    elif wrong == "sides":
        asked["ids"] = draw(st.lists(st.sampled_from([*IDS, *BAD["id"]]), max_size=6))
        asked["metadatas"] = [draw(good_metadata) for _ in some]
    return asked


@pytest.fixture(scope="module")
def in_memory(tiny_embedder: trivet.Embedder) -> Iterator[trivet.Index]:
    with trivet.open(":memory:", model=tiny_embedder, modes=TWO_LEGS) as index:
        yield index


@pytest.fixture(scope="module")
def in_folder(
    tiny_embedder: trivet.Embedder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[trivet.Index]:
    folder: Path = tmp_path_factory.mktemp("fuzz") / "index"
    with (
        pytest.MonkeyPatch.context() as patch,
        trivet.open(folder, model=tiny_embedder, modes=TWO_LEGS) as index,
    ):
        patch.setattr(EdgeEngine, "flush", lambda self: None)  # most of the time, and no part of it
        yield index


def call(index: trivet.Index, asked: dict[str, Any]) -> None:
    """Make a call; fails if it raises anything else than our errors or leaves a half behind."""
    before = index.count()
    texts = asked["batch"]
    options = {name: asked[name] for name in ("ids", "metadatas", "on_error", "progress")}
    try:
        if asked["verb"] == "upsert":
            n = len(texts) if isinstance(texts, list) else 1
            options["representations"] = make_representations(
                index, n, asked["defect"], asked["kind"]
            )
        if isinstance(texts, list) and asked["as_generator"]:
            texts = iter(texts)
        report = getattr(index, asked["verb"])(texts, **options)
    except TrivetError:
        if asked["on_error"] != "raise":
            assert index.count() == before
    else:
        assert index.count() == before + report.added
        assert all(isinstance(failed.error, TrivetError) for failed in report.failed)
    totals = index._store.journal.totals()
    assert index._store.engine.count() == totals.chunks
    assert index._store.journal.pending() == []


@settings(FUZZ, max_examples=1500)
@given(asked=calls())
def test_bad_batches_in_memory(in_memory: trivet.Index, asked: dict[str, Any]) -> None:
    call(in_memory, asked)


@settings(FUZZ, max_examples=500)
@given(asked=calls())
def test_bad_batches_in_a_folder(in_folder: trivet.Index, asked: dict[str, Any]) -> None:
    call(in_folder, asked)


@pytest.mark.parametrize("place", ["in_memory", "in_folder"])
def test_after_all_of_them_the_index_is_whole(place: str, request: pytest.FixtureRequest) -> None:
    index: trivet.Index = request.getfixturevalue(place)
    assert {document.id for document in index.get(IDS)} == set(IDS)
    assert index.verify().is_clean
    assert index.search("anchor", k=5)
