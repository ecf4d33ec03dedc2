"""Maps and samples that no upgrade names any more, which do not stay in the journal."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from indexes import copy_index

import trivet
from trivet import errors
from trivet.store.upgrading import MAP_NAMES, SAMPLE_NAMES

from .killer import Killer
from .stages import bridged, found, state, translated, verified


def _kept(index: trivet.Index) -> set[str]:
    """The names of maps and samples in the journal of an index."""
    store = index._shared.store
    if store.folder is not None:
        with closing(sqlite3.connect(store.folder / "journal.sqlite")) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM kept")}
    else:
        pages = store.journal._points.pages()  # type: ignore[attr-defined]
        names = {point.get("name", "") for page in pages for point in page.values()}
    assert any(name.startswith("canaries") for name in names)  # others are left alone
    return {name for name in names if name.startswith((MAP_NAMES, SAMPLE_NAMES))}


def _named(index: trivet.Index) -> set[str]:
    record = index._shared.store.manifest.upgrade
    return set() if record is None else set(record.maps.values())


def test_the_journal_keeps_the_maps_of_the_upgrade_under_way_alone(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    upgrade = index.upgrade(drifted_model)
    upgrade.plan()
    upgrade.fit("keep")
    first = _kept(index)
    assert first == _named(index)
    assert len(first) == 3
    upgrade.fit("gain", seed=1)
    assert _kept(index) == _named(index) != first
    upgrade.plan()  # begins anew
    assert _kept(index) == set()
    for go in (verified, bridged, translated):
        go(index, drifted_model)
        assert _kept(index) == _named(index) != set()
        index.current_upgrade.rollback()  # type: ignore[union-attr]
        assert _kept(index) == set()
        assert found(index, texts["d7"], k=1) == ["d7"]
    translated(index, drifted_model).finish(force=True)
    assert _kept(index) == set()
    assert found(index, texts["d7"], k=1) == ["d7"]


def test_a_measurement_of_maps_that_were_fitted_anew_is_not_noted(
    index: trivet.Index, drifted_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = verified(index, drifted_model)
    run_trial = trivet.index.upgrade.prepared.run_trial

    def overtaken(*arguments: object) -> object:
        monkeypatch.undo()
        upgrade.fit("gain", seed=1)
        return run_trial(*arguments)

    monkeypatch.setattr("trivet.index.upgrade.prepared.run_trial", overtaken)
    with pytest.raises(errors.UpgradeStateError, match="has taken a step meanwhile"):
        upgrade.verify()
    assert _kept(index) == _named(index)
    upgrade.verify()


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
@pytest.mark.parametrize("step", ["fit", "rollback"])
def test_a_record_never_points_to_a_map_that_is_gone(
    step: str,
    tiny_model: Path,
    drifted_model: Path,
    texts: dict[str, str],
    killer: Killer,
    tmp_path: Path,
) -> None:
    ready = tmp_path / "ready"
    few = dict(list(texts.items())[:40])
    with trivet.open(ready, model=tiny_model, modes=["dense", "sparse"]) as index:
        index.add(list(few.values()), ids=list(few), on_error="raise")
        upgrade = index.upgrade(drifted_model)
        upgrade.plan()
        upgrade.fit("gain", seed=1)
    for kills in range(12):
        folder = copy_index(ready, tmp_path / str(kills))
        was_killed = killer.kill(folder, step, kills + 1)
        with trivet.open(folder) as index:
            assert _named(index) <= _kept(index)
            if step == "rollback" and index.current_upgrade is None:
                assert _kept(index) == set()
            if not was_killed:
                assert _named(index) == _kept(index)
                break
    assert kills >= 4
