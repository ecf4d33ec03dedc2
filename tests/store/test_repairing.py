"""Whatever was damaged, `verify` finds it and `repair` makes the index whole again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge
from indexes import anchors, contents, index_of, make_index, put, require_clean, vectors

import trivet
from trivet.errors import IndexDamagedError, IndexLockedError, NotAnIndexError
from trivet.store.points import Chunk, make_point, point_id
from trivet.types import Document, SparseVector

TEXTS = anchors(60)
IDS = list(TEXTS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def index(folder: Path) -> Iterator[trivet.Index]:
    with index_of(folder, TEXTS) as index:
        yield index


def id_of(index: trivet.Index, document: str, sequence: int = 0) -> str:
    return point_id(index._store.manifest.namespace, document, sequence)


def payload_of(index: trivet.Index, document: str) -> dict:
    (payload,) = index._store.engine.retrieve([id_of(index, document)]).values()
    return payload


def set_payload(index: trivet.Index, document: str, **own: object) -> None:
    """Change what a stored chunk says of itself, behind the store's back."""
    payload = payload_of(index, document)
    changed = {"_trivet": {**payload["_trivet"], **own}}
    operation = qdrant_edge.UpdateOperation.set_payload([id_of(index, document)], changed)
    index._store.engine._update(operation, [])


def lose_chunk(index: trivet.Index) -> None:
    index._store.engine.delete([id_of(index, "7")])


def change_text(index: trivet.Index) -> None:
    changed = {"page_content": "anchor 7 sail wing"}
    operation = qdrant_edge.UpdateOperation.set_payload([id_of(index, "7")], changed)
    index._store.engine._update(operation, [])


def change_metadata(index: trivet.Index) -> None:
    operation = qdrant_edge.UpdateOperation.set_payload(
        [id_of(index, "7")], {"metadata": {"length": 18.5}}
    )
    index._store.engine._update(operation, [])


def lose_vector(index: trivet.Index) -> None:
    name = index._store.manifest.spaces["dense"].vector_name
    payload = payload_of(index, "7")
    sparse = index._store.manifest.spaces["sparse"].vector_name
    vector = qdrant_edge.SparseVector([1], [1.0])
    point = qdrant_edge.Point(id_of(index, "7"), {sparse: vector}, payload)
    assert name not in point.vector
    index._store.engine._update(qdrant_edge.UpdateOperation.upsert_points([point]), [])


BREAKS: dict[str, Callable[[trivet.Index], None]] = {
    "a chunk is lost": lose_chunk,
    "its text is another": change_text,
    "its metadata is another": change_metadata,
    "its digest is another": lambda index: set_payload(index, "7", hash="0" * 64),
    "its revision is another": lambda index: set_payload(index, "7", revision=9),
    "its title is another": lambda index: set_payload(index, "7", title="keel"),
    "its checksum is another": lambda index: set_payload(index, "7", check="0" * 16),
    "it counts more chunks": lambda index: set_payload(index, "7", chunks=2),
    "a vector is lost": lose_vector,
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_document_is_found_and_deleted_to_be_added_again(
    index: trivet.Index, folder: Path, name: str
) -> None:
    require_clean(index)
    BREAKS[name](index)
    report = index.verify()
    assert not report.is_clean
    assert report.broken == ("7",)
    assert report.orphans == ()
    index.close()
    repaired = trivet.repair(folder)
    assert (repaired.lost, repaired.orphans, repaired.documents) == (("7",), 0, 59)
    assert repaired.journal_rebuilt is False
    with trivet.open(folder) as again:
        require_clean(again)
        assert contents(again, IDS) == {id: text for id, text in TEXTS.items() if id != "7"}
        assert put(again, {"7": TEXTS["7"]}).added == 1
        require_clean(again)
        assert contents(again, IDS) == TEXTS


def orphan(index: trivet.Index) -> None:
    """A whole point of a document that the journal does not know."""
    manifest = index._store.manifest
    chunk = Chunk("stray", 0, "a stray keel", (0, 12), "", {}, "0" * 64, 1, 1)
    sparse = SparseVector(np.array([3], np.uint32), np.array([1.0], np.float32))
    legs = vectors(["a stray keel"])
    from trivet.types import SparseVectors

    legs = legs.with_sparse(SparseVectors(manifest.spaces["sparse"], (sparse,)))
    index._store.engine.upsert([make_point(manifest.namespace, chunk, legs)])


def doubled(index: trivet.Index) -> None:
    """A second point of a document, under an id of its own."""
    records = index._store.engine._shard.retrieve([id_of(index, "7")], True, True)
    point = qdrant_edge.Point(4711, records[0].vector, records[0].payload)
    index._store.engine._update(qdrant_edge.UpdateOperation.upsert_points([point]), [])


def foreign(index: trivet.Index) -> None:
    """A point that is none of ours."""
    records = index._store.engine._shard.retrieve([id_of(index, "7")], True, True)
    point = qdrant_edge.Point(4711, records[0].vector, {"page_content": "x"})
    index._store.engine._update(qdrant_edge.UpdateOperation.upsert_points([point]), [])


@pytest.mark.parametrize("stray", [orphan, doubled, foreign])
def test_points_of_no_document_are_found_and_deleted(
    index: trivet.Index, folder: Path, stray: Callable[[trivet.Index], None]
) -> None:
    stray(index)
    report = index.verify()
    assert (report.broken, len(report.orphans), report.points) == ((), 1, 61)
    assert not report.is_clean
    index.close()
    repaired = trivet.repair(folder)
    assert (repaired.lost, repaired.orphans, repaired.documents) == ((), 1, 60)
    with trivet.open(folder) as again:
        require_clean(again)
        assert contents(again, IDS) == TEXTS


def test_an_average_that_is_off_is_found_and_mended(index: trivet.Index, folder: Path) -> None:
    state = index._store.manifest.lexical
    assert state is not None
    assert index.verify().average_error < 0.05
    # As if most documents had been deleted and all others were twice as long.
    from dataclasses import replace

    off = replace(state, average_tokens=2.5 * state.average_tokens)
    index._store.become(replace(index._store.manifest, lexical=off))
    report = index.verify()
    assert report.average_error == pytest.approx(1.5, abs=0.1)
    assert report.average_is_off
    assert report.is_clean  # nothing is lost
    index.close()
    assert trivet.repair(folder).lost == ()
    with trivet.open(folder) as again:
        require_clean(again)
        assert not again.verify().average_is_off
        assert len(again.search("anchor", modes=["sparse"], k=60)) == 60


def test_verify_says_which_legs_no_model_was_proved_for(index: trivet.Index) -> None:
    assert index.verify().unproved == ("dense",)
    index._store.journal.keep("canaries", b'{"dense": "AAAA"}')
    assert index.verify().unproved == ()


@pytest.mark.parametrize("place", ["folder", "memory"])
def test_checksums_hold_for_every_kind_of_metadata(folder: Path, place: str) -> None:
    """What JSON can hold comes back from the engines; floats may differ in the last digit."""
    draw = np.random.default_rng(0)
    values = [0, -1, 2**63 - 1, -(2**63), 0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, 1e16, 2.0**70,
              True, False, None, "", "ü\U0001f600\x7f 0.12345678901", [], {},
              [1, [2.0, {"a": None}]], {"": {"b": [False, "1"]}},
              *(draw.standard_normal(300) * 10.0 ** draw.integers(-30, 30, 300)).tolist()]  # fmt: skip
    documents = [Document(f"keel {n}", str(n), metadata={"v": v}) for n, v in enumerate(values)]
    with make_index(folder if place == "folder" else ":memory:") as index:
        index.upsert(documents, representations=vectors([d.text for d in documents]))
        assert index.verify().broken == ()


def test_a_document_of_which_a_part_is_left_is_lost_with_its_journal(
    folder: Path, tiny_model: Path
) -> None:
    long = " ".join(f"anchor {n} sail" for n in range(60))
    with trivet.open(folder, model=tiny_model) as index:
        index.add([long, long + " keel", "short"], ids=["a", "b", "c"])
        chunks = index.describe().chunks
        assert chunks > 4
        index._store.engine.delete([id_of(index, "a", 1)])
    (folder / "journal.sqlite").unlink()
    report = trivet.repair(folder)
    assert (report.lost, report.documents, report.journal_rebuilt) == (("a",), 2, True)
    assert report.orphans > 0
    with trivet.open(folder) as again:
        require_clean(again)
        assert [document.id for document in again.get(["a", "b", "c"])] == ["b", "c"]
        assert again.add([long], ids=["a"]).added == 1
        require_clean(again)
        assert again.describe().chunks == chunks


def test_a_store_of_another_index_deletes_nothing(
    index: trivet.Index, folder: Path, tmp_path: Path
) -> None:
    import uuid
    from dataclasses import replace

    manifest = index._store.manifest
    index._store.become(replace(manifest, namespace=uuid.uuid4()))
    index.close()
    with pytest.raises(IndexDamagedError, match="another index"):
        trivet.repair(folder)
    from trivet.store.manifest import write_manifest

    write_manifest(folder, manifest)
    with trivet.open(folder) as again:
        assert contents(again, IDS) == TEXTS


def test_only_a_closed_index_is_repaired(index: trivet.Index, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(IndexLockedError):
        trivet.repair(folder)
    with pytest.raises(NotAnIndexError):
        trivet.repair(tmp_path / "none")
    index.close()
    assert trivet.repair(folder).documents == 60
