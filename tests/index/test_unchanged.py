"""An edited document: only its pieces that have changed are embedded, and all are as if anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import trivet
from trivet import Document
from trivet.errors import ServerUnavailableError
from trivet.index import beside
from trivet.index.unchanged import with_stored
from trivet.store.points import point_id
from trivet.types import DenseVectors, Representations, Space

PARTS = [
    f"Anchor number {n} keeps ship {n} in place.   Wind, wave and tide {n} move it."
    for n in range(24)
]
LONG = "\n\n".join(PARTS)
EDITED = "\n\n".join([*PARTS[:-1], "The last anchor was lost in a storm at sea."])


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the model has embedded for storing, in order."""
    texts: list[str] = []
    embed = beside.embed_titled

    def telling(embedder: trivet.Embedder, titled: list[tuple[str, str]]) -> trivet.Representations:
        texts.extend(text for _, text in titled)
        return embed(embedder, titled)

    monkeypatch.setattr(beside, "embed_titled", telling)
    return texts


def stored(index: trivet.Index, query: str, mode: str) -> dict[str, tuple[str, float]]:
    """Text and score of every chunk by one leg."""
    hits = index.search(query, k=100, chunks=True, modes=[mode])
    return {hit.id: (hit.text, hit.score) for hit in hits}


@pytest.mark.parametrize("modes", [["dense", "sparse", "multi"], ["dense"]])
def test_only_what_changed_is_embedded(open_index: Callable[..., trivet.Index], embedded, modes):
    index = open_index(modes=modes)
    index.add([Document(LONG, "a"), Document("a sail", "b")])
    pieces = len(embedded)
    assert pieces > 6
    embedded.clear()
    assert index.upsert([Document(EDITED, "a"), Document("a keel", "c")]).replaced == 1
    assert 0 < len(embedded) < pieces / 2
    assert all("last anchor" in text or text == "a keel" for text in embedded), embedded
    anew = trivet.open(":memory:", model=index._model.found(), modes=modes)
    anew.add([Document("a sail", "b"), Document(EDITED, "a"), Document("a keel", "c")])
    for mode in modes:
        came, expected = stored(index, "ship 4", mode), stored(anew, "ship 4", mode)
        assert {id: text for id, (text, _) in came.items()} == {
            id: text for id, (text, _) in expected.items()
        }
        np.testing.assert_allclose(
            [came[id][1] for id in sorted(came)],
            [expected[id][1] for id in sorted(expected)],
            atol=1e-5,
        )
    assert index.verify().is_clean
    anew.close()


def test_other_metadata_embeds_nothing_and_another_title_all(open_index, embedded) -> None:
    index = open_index()
    index.add([Document(LONG, "a", "On anchors", {"v": 1})])
    pieces = len(embedded)
    embedded.clear()
    assert index.upsert([Document(LONG, "a", "On anchors", {"v": 2})]).replaced == 1
    assert embedded == []
    assert index.get(["a"]) == [Document(LONG, "a", "On anchors", {"v": 2})]
    assert index.upsert([Document(LONG, "a", "Of anchors", {"v": 2})]).replaced == 1
    assert len(embedded) >= pieces
    assert index.verify().is_clean


def test_what_changes_while_it_is_read_is_embedded(open_index, embedded, monkeypatch) -> None:
    index = open_index()
    index.add([Document("an old anchor", "a", metadata={"v": 1})])
    engine = index._store.engine
    read = engine.vectors

    def meddling(ids, name):
        monkeypatch.setattr(engine, "vectors", read)
        index.upsert([Document("bread and milk", "a")])
        return read(ids, name)

    monkeypatch.setattr(engine, "vectors", meddling)
    embedded.clear()
    index.upsert([Document("an old anchor", "a", metadata={"v": 2})])
    assert embedded == ["bread and milk", "an old anchor"]
    (hit,) = index.search("an old anchor", k=1, modes=["dense"])
    assert hit.score == pytest.approx(1.0, abs=1e-4)


def test_what_another_model_made_before_an_upgrade_is_never_taken_for_the_newer_ones(
    open_index, embedded, monkeypatch
) -> None:
    index = open_index()
    index.add([Document("an old anchor", "a", metadata={"v": 1})])
    store = index._store
    old = store.manifest
    newer = Space("dense", "newer", old.spaces["dense"].dims, {"weights": "others"})
    read = store.engine.vectors

    def cutting_over(ids, name):
        found = read(ids, name)
        store._manifest = replace(old, spaces={**old.spaces, "dense": newer})
        return found

    monkeypatch.setattr(store.engine, "vectors", cutting_over)
    made = with_stored(store, [("a", ("", "an old anchor"))], lambda titled: None)
    assert made.dense.space == old.spaces["dense"]  # so that it is embedded anew before it counts
    store._manifest = old
    given = Representations(DenseVectors(newer, np.ones((2, newer.dims), np.float32)))
    pieces = [("a", ("", "an old anchor")), ("b", ("", "a boat"))]
    made = with_stored(store, pieces, lambda titled: given[: len(titled)])
    assert made.dense.space == newer
    assert len(made) == 2
    store._manifest = old


@pytest.mark.parametrize("damage", [{"_trivet": {}}, {"metadata": None}, {"page_content": ["x"]}])
def test_a_document_whose_points_were_damaged_is_stored_anew(tiny_embedder, damage) -> None:
    with trivet.open(":memory:", model=tiny_embedder, modes=["dense", "sparse"]) as index:
        index.add([Document("an old anchor", "a"), Document("a boat", "b")])
        point = point_id(index._store.manifest.namespace, "a", 0)
        with index._store.engine._using() as client:
            client.delete_payload("trivet", list(damage), [point])
            client.set_payload("trivet", damage, [point])
        report = index.upsert([Document("an old anchor", "a", metadata={"v": 2})])
        assert (report.replaced, report.failed) == (1, ())
        assert index.verify().is_clean
        assert index.get(["a"]) == [Document("an old anchor", "a", metadata={"v": 2})]


def test_what_cannot_be_read_again_is_embedded(open_index, embedded, monkeypatch) -> None:
    index = open_index()
    index.add([Document("an old anchor", "a")])
    embedded.clear()

    def away(ids, name):
        raise ServerUnavailableError("the server is away")

    monkeypatch.setattr(index._store.engine, "vectors", away)
    report = index.upsert([Document("an old anchor", "a", metadata={"v": 2})])
    assert (report.replaced, report.failed) == (1, ())
    assert embedded == ["an old anchor"]
