"""Whatever fails in the middle of a write, the store is whole again after the next opening."""

from __future__ import annotations

import itertools
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import engines
import numpy as np
import pytest
from stored import (
    DENSE,
    SPARSE,
    Killed,
    collection_of_its_own,
    contents,
    fail_in,
    machine,
    manifest,
    write,
)
from stub_server import StubServer

from trivet.config import Lexical
from trivet.errors import InvalidDocumentError, SpaceMismatchError, StoreError
from trivet.store import folder as folders
from trivet.store.manifest import LexicalState
from trivet.store.points import Chunk, Point
from trivet.store.redo import dump_points, load_points
from trivet.store.reweighing import reweigh as reweigh_leg
from trivet.store.store import Store
from trivet.store.writes import DocumentWrite
from trivet.types import Space, SparseVector

STEPS = ("upsert", "retrieve", "delete", "flush")


@pytest.fixture(params=engines.ALL)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as stack:
        if request.param == "stub":
            yield stack.enter_context(machine(stack.enter_context(StubServer()).url))
        elif request.param == "server":
            url = os.environ["TRIVET_QDRANT_URL"]
            name = stack.enter_context(collection_of_its_own(url))
            yield stack.enter_context(machine(url, name))
        else:
            made = (
                folders.create_in_memory(manifest())
                if request.param == "memory"
                else folders.create_in_folder(tmp_path / "index", manifest())
            )
            yield stack.enter_context(closing(made))


@pytest.mark.parametrize(("verb", "after"), [*itertools.product(STEPS, (False, True))])
def test_an_insert_that_dies_is_taken_back(
    store: Store, verb: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([write(store, "kept", 3, "old")])
    before = contents(store)
    with monkeypatch.context() as patch:
        fail_in(store, verb, patch, after=after)
        with pytest.raises(Killed):
            store.write([write(store, "a", 2, "new"), write(store, "b", 1, "new")])
    store.recover()
    assert contents(store) == before
    store.write([write(store, "a", 2, "new")])
    assert contents(store) == {**before, "a": ["new 0", "new 1"]}


@pytest.mark.parametrize(("verb", "after"), [*itertools.product(STEPS, (False, True))])
@pytest.mark.parametrize("chunks", [1, 5])
def test_a_replacement_that_dies_is_finished(
    store: Store, verb: str, after: bool, chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([write(store, "a", 3, "old"), write(store, "kept", 1, "old")])
    with monkeypatch.context() as patch:
        fail_in(store, verb, patch, after=after)
        with pytest.raises(Killed):
            store.write([write(store, "a", chunks, "newer")])
    store.recover()
    assert contents(store) == {"a": [f"newer {i}" for i in range(chunks)], "kept": ["old 0"]}
    assert store.recover() == 0


@pytest.mark.parametrize(
    ("verb", "after"), [*itertools.product(("delete", "flush"), (False, True))]
)
def test_a_deletion_that_dies_is_finished(
    store: Store, verb: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([write(store, "a", 3, "old"), write(store, "b", 1, "old")])
    with monkeypatch.context() as patch:
        fail_in(store, verb, patch, after=after)
        with pytest.raises(Killed):
            store.delete(["a", "missing"])
    # The next write tidies up by itself.
    store.write([write(store, "c", 1, "new")])
    assert contents(store) == {"b": ["old 0"], "c": ["new 0"]}


@pytest.mark.parametrize("call", range(5))
def test_a_new_weighting_that_dies_leaves_one_whole_leg(
    store: Store, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([write(store, str(n), 2, "old") for n in range(3)])
    space = Space("sparse", "bm25", None, {"analyser": "test", "average_tokens": 9.0})

    def weigh(chunks: list[Chunk]) -> tuple[list[SparseVector], list[int]]:
        heavy = np.array([9.0], dtype=np.float32)
        rows = [SparseVector(np.array([7], dtype=np.uint32), heavy) for _ in chunks]
        return rows, [10 + chunk.sequence for chunk in chunks]

    def reweigh() -> None:
        reweigh_leg(store, space, LexicalState(9.0, 3, "de", Lexical()), weigh)

    verb = ("add_space", "pages", "set_vectors", "flush", "drop_vectors")[call]
    with monkeypatch.context() as patch:
        fail_in(store, verb, patch, after=call % 2 == 1)
        with pytest.raises(Killed):
            reweigh()
    store.drop_scratch()
    assert store.manifest.scratch is None
    # The new leg serves once the manifest says so, and not before.
    assert store.manifest.spaces["sparse"] == (space if verb == "drop_vectors" else SPARSE)
    reweigh()
    assert store.manifest.spaces == {"dense": DENSE, "sparse": space}
    assert store.manifest.lexical == LexicalState(9.0, 3, "de", Lexical())
    # Another language counts other terms.
    assert {entry.terms for entry in store.journal.entries(["0", "1", "2"]).values()} == {21}
    assert [score for _, score in nearest(store, space.vector_name, [7])] == pytest.approx(
        [nearest(store, space.vector_name, [7])[0][1]] * 6
    )
    with pytest.raises(StoreError):
        nearest(store, SPARSE.vector_name, [7])


@pytest.mark.parametrize("serving", ["old", "new"])
@pytest.mark.parametrize("in_config", [True, False])
def test_a_death_between_the_engines_two_files_is_survived(
    tmp_path: Path, serving: str, in_config: bool
) -> None:
    """Edge writes its configuration and its segments apart, and refuses what does not agree."""
    folder = tmp_path / "index"
    store = folders.create_in_folder(folder, manifest())
    store.write([write(store, "a", 2, "text")])
    other = Space("sparse", "bm25", None, {"analyser": "test", "average_tokens": 9.0})
    config = folder / store.manifest.shard / "edge_config.json"
    if not in_config:
        store.engine.add_space(other)
        store.engine.flush()
    if serving == "new":
        # As after the change over: the old name is being dropped.
        store.engine.add_space(other)
        vectors = {
            p.id: {other.vector_name: p.vectors[SPARSE.vector_name]}
            for p in write(store, "a", 2, "text").points
        }
        store.engine.set_vectors(vectors)
    kept, scratch = (other, SPARSE) if serving == "new" else (SPARSE, other)
    store.become(
        replace(
            store.manifest, spaces={"dense": DENSE, "sparse": kept}, scratch=scratch.vector_name
        )
    )
    store.close()
    stored = json.loads(config.read_text())
    names = stored["sparse_vectors"]
    if scratch.vector_name in names:
        del names[scratch.vector_name]
    else:
        names[scratch.vector_name] = names[kept.vector_name]
    config.write_text(json.dumps(stored))
    again = folders.open_folder(folder)
    assert again.manifest.scratch is None
    assert contents(again) == {"a": ["text 0", "text 1"]}
    assert len(nearest(again, kept.vector_name, [1])) == 2
    again.close()
    folders.open_folder(folder).close()


def nearest(store: Store, name: str, indices: list[int]) -> list[tuple[str, float]]:
    from qdrant_client import models

    vector = models.SparseVector(indices=indices, values=[1.0] * len(indices))
    request = models.QueryRequest(query=vector, using=name, limit=10, with_payload=False)
    return [(point.id, point.score) for point in store.query([request])[0]]


def test_an_engine_that_does_not_give_back_what_it_took_is_reported(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store.engine, "upsert", lambda points: None)
        with pytest.raises(StoreError, match="'a#0' and does not give it back"):
            store.write([write(store, "a", 1, "new")])
    store.write([write(store, "b", 1, "new")])
    assert contents(store) == {"b": ["new 0"]}


def changed(point: Point, name: str, vector: object) -> Point:
    return Point(point.id, {**point.vectors, name: vector}, point.payload)


BAD_VECTORS: dict[str, tuple[Space, Callable[[], object], str]] = {
    "dims": (DENSE, lambda: np.ones(3, np.float32), "float32 of 4 dims"),
    "double": (DENSE, lambda: np.ones(4), "got float64"),
    "nan": (DENSE, lambda: np.array([1, 2, np.nan, 4], np.float32), "finite"),
    "infinite": (DENSE, lambda: np.array([1, 2, np.inf, 4], np.float32), "finite"),
    "zero": (DENSE, lambda: np.zeros(4, np.float32), "all zeros"),
    "lengths": (SPARSE, lambda: sparse([1, 2], [1.0]), "as many indices as values"),
    "doubled": (SPARSE, lambda: sparse([2, 2], [1.0, 1.0]), "strictly ascending"),
    "unsorted": (SPARSE, lambda: sparse([2, 1], [1.0, 1.0]), "strictly ascending"),
    "weight": (SPARSE, lambda: sparse([1, 2], [1.0, np.nan]), "finite weights"),
}


def sparse(indices: list[int], values: list[float]) -> SparseVector:
    return SparseVector(np.array(indices, np.uint32), np.array(values, np.float32))


@pytest.mark.parametrize("name", BAD_VECTORS)
def test_one_bad_vector_refuses_the_whole_batch(store: Store, name: str) -> None:
    space, make, words = BAD_VECTORS[name]
    good, bad = write(store, "good", 1, "x"), write(store, "bad", 2, "x")
    points = (bad.points[0], changed(bad.points[1], space.vector_name, make()))
    with pytest.raises(InvalidDocumentError, match=words) as caught:
        store.write([good, DocumentWrite(bad.entry, None, points)])
    assert "'bad#1'" in str(caught.value)
    assert contents(store) == {}
    assert store.journal.pending() == []


def test_missing_foreign_and_doubled_points_are_refused(store: Store) -> None:
    good = write(store, "good", 2, "x")
    bare = Point(good.points[0].id, {}, good.points[0].payload)
    with pytest.raises(SpaceMismatchError, match="expected vectors"):
        store.write([DocumentWrite(good.entry, None, (bare,))])
    foreign = changed(good.points[0], "other", np.ones(4, np.float32))
    with pytest.raises(SpaceMismatchError, match="other"):
        store.write([DocumentWrite(good.entry, None, (foreign,))])
    with pytest.raises(StoreError, match="doubled"):
        store.write([good, good])
    assert contents(store) == {}


def test_points_come_back_equal_from_their_bytes(store: Store) -> None:
    points = [*write(store, "a", 3, "text").points, *write(store, "ü", 1, "x").points]
    points[1] = changed(points[1], SPARSE.vector_name, sparse([], []))
    for before, after in zip(points, load_points(dump_points(points)), strict=True):
        assert (before.id, before.payload) == (after.id, after.payload)
        np.testing.assert_array_equal(
            before.vectors[DENSE.vector_name], after.vectors[DENSE.vector_name]
        )
        old, new = before.vectors[SPARSE.vector_name], after.vectors[SPARSE.vector_name]
        np.testing.assert_array_equal(old.indices, new.indices)
        np.testing.assert_array_equal(old.values, new.values)
        assert (new.indices.dtype, new.values.dtype) == (np.uint32, np.float32)
    assert load_points(dump_points([])) == []


def test_point_ids_depend_on_namespace_document_and_sequence() -> None:
    from trivet.store.points import point_id

    space = uuid.UUID("12345678-1234-5678-1234-567812345678")
    expected = uuid.uuid5(space, "\x1fdoc\x1f0")
    assert point_id(space, "doc", 0) == str(expected)
    every = {
        point_id(n, d, s)
        for n in (space, uuid.uuid4())
        for d in ("doc", "doc\x1f0", "")
        for s in range(3)
    }
    assert len(every) == 18
