"""The legs of an index for which none were named: all that its model makes, and BM25."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import trivet
from trivet import Document
from trivet.cli.searching import show_index
from trivet.errors import InvalidInputError, SpaceMismatchError
from trivet.plan import PRESETS
from trivet.types import MultiVectors, Space

from .hits import assert_same

THREE, TWO = ["dense", "sparse", "multi"], ["dense", "sparse"]
TEXTS = ["the lamp and the boat", "an anchor holds the ship", "bread and milk"]


def legs(index: trivet.Index) -> list[str]:
    return [space.mode for space in index.describe().spaces]


def test_a_model_with_token_states_keeps_three_legs_on_every_engine(open_index) -> None:
    index = open_index()
    index.add(TEXTS, ids=["lamp", "anchor", "bread"])
    assert legs(index) == THREE
    assert index.planned() == PRESETS["hybrid3"]
    assert len(index.search("an anchor", k=40, plan=index.planned(k=40))) == 3
    hit = index.search("an anchor", k=1)[0]
    assert (hit.id, set(hit.scores)) == ("anchor", set(THREE))
    # Compact: a byte a component, at most 64 of them.
    space = index.describe().spaces[2]
    assert (space.facts["datatype"], space.dims) == ("uint8", 33)


def test_a_name_a_folder_and_an_embedder_are_one(tiny_model: Path, tmp_path: Path) -> None:
    spaces = []
    for n, model in enumerate([tiny_model, str(tiny_model), trivet.Embedder.load(tiny_model)]):
        with trivet.open(tmp_path / str(n), model=model) as index:
            spaces.append(index.describe().spaces)
    assert spaces[0] == spaces[1] == spaces[2]
    assert len(spaces[0]) == 3


def lettered(texts: list[str]) -> list[list[float]]:
    return [[text.count(letter) + 1.0 for letter in "abc"] for text in texts]


@pytest.mark.parametrize("kind", ["wrapped", "loaded for dense vectors", "composed"])
def test_a_model_without_token_vectors_keeps_two(kind: str, tiny_model: Path) -> None:
    wrapped = trivet.Embedder.wrap(name="vendor/m", dims=3, documents=lettered)
    dense = trivet.Embedder.load(tiny_model, modes=["dense"])
    model = {"wrapped": wrapped, "composed": trivet.Embedder.compose(dense=dense)}.get(kind, dense)
    with trivet.open(":memory:", model=model) as index:
        assert legs(index) == TWO
        assert index.planned() == PRESETS["hybrid2"]


def test_a_model_of_token_vectors_alone_keeps_these_and_bm25(tiny_model: Path) -> None:
    model = trivet.Embedder.load(tiny_model, modes=["multi"])
    with trivet.open(":memory:", model=model) as index:
        index.add(TEXTS, ids=["lamp", "anchor", "bread"])
        assert legs(index) == ["sparse", "multi"]
        assert index.search("an anchor", k=1)[0].id == "anchor"


def test_an_index_of_two_legs_opens_as_it_was_made(tiny_model: Path, tmp_path: Path) -> None:
    with trivet.open(tmp_path, model=tiny_model, modes=TWO) as index:
        index.add(TEXTS, ids=["lamp", "anchor", "bread"])
        before = index.search("an anchor")
    for model in (None, tiny_model, trivet.Embedder.load(tiny_model)):
        with trivet.open(tmp_path, model=model) as index:
            assert legs(index) == TWO
            assert_same(index.search("an anchor"), before)


def test_info_tells_which_legs_there_are(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, modes in (("three", None), ("two", TWO)):
        trivet.open(tmp_path / name, model=tiny_model, modes=modes).close()
        show_index(tmp_path / name, recall=False, as_json=False)
        assert ("multi" in capsys.readouterr().out) == (name == "three")


def test_documents_are_stored_again_with_all_their_vectors(
    open_index: Callable[..., trivet.Index],
) -> None:
    index = open_index()
    index.add([Document(text, id) for id, text in zip("abc", TEXTS, strict=True)])
    before = {mode: found(index, mode) for mode in ("dense", "multi")}
    kept = index.vectors(["a", "b", "c"])
    assert kept.multi is not None
    assert kept.multi.space == index.describe().spaces[2]
    index.delete(["a", "b", "c"])
    index.upsert(TEXTS, ids=["a", "b", "c"], representations=kept)
    for mode, scores in before.items():
        assert found(index, mode) == pytest.approx(scores, abs=1e-6)
    assert set(index.search("an anchor", k=1)[0].scores) == set(THREE)


def test_vectors_of_the_embedder_itself_are_stored_as_the_index_keeps_them(
    open_index: Callable[..., trivet.Index], tiny_embedder: trivet.Embedder
) -> None:
    index, embedded = open_index(), trivet.open(":memory:", model=tiny_embedder)
    made = tiny_embedder.embed_documents(TEXTS)
    index.upsert(TEXTS, ids=["a", "b", "c"], representations=made)
    embedded.add(TEXTS, ids=["a", "b", "c"])
    for mode in ("dense", "multi"):
        assert found(index, mode) == pytest.approx(found(embedded, mode), abs=1e-4)
    embedded.close()
    with pytest.raises(InvalidInputError, match=r"a multi leg, got none.*modes=…"):
        index.upsert(TEXTS, representations=trivet.Representations(dense=made.dense))
    foreign = MultiVectors(Space("multi", "other", 32, {}), made.multi.values)
    with pytest.raises(SpaceMismatchError):
        index.upsert(TEXTS, representations=replace(made, multi=foreign))


def found(index: trivet.Index, mode: str) -> dict[str, float]:
    return {hit.id: hit.score for hit in index.search("an anchor", modes=[mode])}
