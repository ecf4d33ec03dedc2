"""A panic of the engine stops the writing and loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from stored import (
    SPARSE,
    contents,
    manifest,
    write,
)

from trivet.errors import IndexDamagedError
from trivet.store import folder as folders


def test_a_panic_of_the_engine_stops_writing_and_loses_nothing(tmp_path: Path) -> None:
    store = folders.create_in_folder(tmp_path / "index", manifest())
    store.write([write(store, "kept", 3, "old")])

    class Panic(BaseException):
        """Stands for pyo3's PanicException, which derives from BaseException alike."""

    class Broken:
        def update(self, operation: object) -> None:
            raise Panic("index out of bounds")

    real = store.engine._shard
    store.engine._shard = Broken()
    with pytest.raises(IndexDamagedError, match="panicked: index out of bounds"):
        store.write([write(store, "a", 1, "new")])
    store.engine._shard = real
    with pytest.raises(IndexDamagedError, match="open it again"):
        store.write([write(store, "b", 1, "new")])
    assert store.chunks(["kept"])["kept"][0].text == "old 0"
    real.close()
    store.close()
    again = folders.open_folder(tmp_path / "index")
    assert contents(again) == {"kept": ["old 0", "old 1", "old 2"]}
    again.write([write(again, "a", 1, "new")])
    again.close()


def test_a_log_that_panics_is_set_aside_and_loses_nothing(tmp_path: Path) -> None:
    import qdrant_edge

    store = folders.create_in_folder(tmp_path / "index", manifest())
    store.write([write(store, str(n), 3, "old") for n in range(20)])
    before = contents(store)
    # What our checks never let through: the engine logs it, panics, and panics at every opening.
    poison = {SPARSE.vector_name: qdrant_edge.SparseVector([1, 2], [1.0])}
    point = qdrant_edge.Point(1, poison, {})
    with pytest.raises(IndexDamagedError, match="panicked"):
        store.engine._update(qdrant_edge.UpdateOperation.upsert_points([point]), ["1"])
    store.close()
    again = folders.open_folder(tmp_path / "index")
    assert contents(again) == before
    # The new shard counts its operations anew: what is stored can be written over and deleted.
    again.write([write(again, "3", 1, "newer")])
    assert again.delete(["4"]) == 1
    again.close()
    after = folders.open_folder(tmp_path / "index")
    assert contents(after) == {
        **{id: texts for id, texts in before.items() if id != "4"},
        "3": ["newer 0"],
    }
    after.close()
    assert len(list((tmp_path / "index" / "shards").iterdir())) == 1
