"""What an upgrade needs is gone, its model or its map; and a model that somebody else runs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import trivet
from trivet import Embedder, errors

from .services import DIMS, Embed, of_words, service, taken_to, texts_of
from .stages import bridged, found, state, verified


@pytest.fixture
def location(tmp_path: Path) -> str:
    return str(tmp_path / "index")


def test_where_the_newer_model_is_gone_the_ways_out_are_said(
    index: trivet.Index, location: str, drifted_model: Path, tiny_model: Path,
    texts: dict[str, str], tmp_path: Path,
) -> None:  # fmt: skip
    here, moved = tmp_path / "here", tmp_path / "moved"
    bridged(index, shutil.copytree(drifted_model, here))
    hits = found(index, texts["d7"])
    index.close()
    shutil.move(here, moved)
    with trivet.open(location) as gone:
        with pytest.raises(errors.ModelNotFoundError) as caught:
            found(gone, texts["d7"])
        assert str(here) in str(caught.value)
        assert f"go back to {str(tiny_model)!r} with index.current_upgrade.rollback()" in str(
            caught.value
        )
        assert gone.search(texts["d7"], k=1, modes=["sparse"])[0].id == "d7"
    with trivet.open(location, model=moved) as again:
        assert found(again, texts["d7"]) == hits
    with trivet.open(location) as back:
        assert back.current_upgrade is not None
        back.current_upgrade.rollback()
        assert found(back, texts["d7"], k=1) == ["d7"]
        with pytest.raises(errors.ModelNotFoundError) as caught:
            back.upgrade(here)
        assert "rollback" not in str(caught.value)


def test_a_model_that_somebody_else_runs_is_upgraded_to(
    index: trivet.Index, location: str, drifted_model: Path, tiny_model: Path, texts: dict[str, str]
) -> None:
    inner = Embedder.load(drifted_model, modes=["dense"])

    def documents(texts: Sequence[str]) -> np.ndarray:
        return inner.embed_documents(list(texts)).dense.values  # type: ignore[union-attr]

    hosted = Embedder.wrap(name="hosted", dims=32, revision="1", documents=documents)
    other = Embedder.wrap(name="hosted", dims=32, revision="2", documents=documents)
    verified(index, hosted).cutover("query", force=True)
    assert index.upgrade(hosted).state == "bridged"
    with pytest.raises(errors.UpgradeInProgressError, match=r"to 'wrapped:hosted \(revision=1\)'"):
        index.upgrade(other)
    hits = found(index, texts["d7"])
    index.close()
    with trivet.open(location) as alone:
        with pytest.raises(errors.ModelNotFoundError, match=r"model=Embedder\.wrap\(name='hosted'"):
            found(alone, texts["d7"])
        report = alone.add(["kedge anchor"], ids=["added"])  # by the older model, as what is stored
        assert report.added == 1
    with trivet.open(location, model=hosted) as again:
        assert found(again, texts["d7"]) == hits
        assert again.current_upgrade is not None
        again.current_upgrade.migrate()
        again.current_upgrade.finish()
        assert found(again, texts["d7"], k=1) == ["d7"]
    with pytest.raises(errors.SpaceMismatchError, match="dense vectors of 'hosted'"):
        trivet.open(location, model=tiny_model)


def test_a_search_whose_map_was_forgotten_meanwhile_is_answered_without_it(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = bridged(index, drifted_model)
    model = index._shared.model
    read = model.map_of

    def overtaken(*arguments: object) -> object:
        monkeypatch.undo()
        upgrade.rollback()
        model._maps.clear()
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "map_of", overtaken)
    assert found(index, texts["d7"], k=1) == ["d7"]
    assert state(index) is None


def test_the_embedder_that_an_upgrade_begins_with_is_the_one_that_is_used() -> None:
    """Also where one was tried before that makes the same vectors of documents."""
    texts, embed = texts_of(60), of_words(1)

    def tried(queries: Embed) -> float:
        new = Embedder.wrap(name="new", dims=DIMS, documents=embed, queries=queries)
        upgrade = index.upgrade(new)
        upgrade.plan()
        upgrade.fit()
        report = upgrade.verify()
        upgrade.rollback()
        return report.known_item.reembedded.value

    with trivet.open(":memory:", model=service("old", of_words(0)), modes=["dense"]) as index:
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
        assert tried(lambda queries: embed(["anchor rope"] * len(queries))) < 0.5 < tried(embed)


def test_a_model_that_was_tried_with_fewer_legs_is_tried_with_all(
    tiny_model: Path, drifted_model: Path, texts: dict[str, str]
) -> None:
    with trivet.open(":memory:", model=tiny_model, modes=["dense", "multi"]) as index:
        index.add(list(texts.values())[:40], on_error="raise")
        one = index.upgrade(Embedder.load(drifted_model, modes=["dense"]))
        one.plan()
        one.rollback()
        upgrade = taken_to(index, drifted_model, "translate")
        upgrade.migrate()
        upgrade.finish()
        assert [space.mode for space in index.spaces] == ["dense", "multi"]
        assert index.verify().is_clean
        assert index.verify().unproved == ()
