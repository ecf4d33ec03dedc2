"""Maps and samples that no upgrade names any more, which do not stay in the journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from indexes import make_index

import trivet
from trivet.store.current import CurrentManifest
from trivet.store.generations import Generation, UpgradeRecord
from trivet.store.sqlite_journal import SqliteJournal
from trivet.store.store import Store
from trivet.store.upgrading import MAP_NAMES, SAMPLE_NAMES, begin, refit, take_back

from .stages import bridged, found, translated, verified


def _kept(index: trivet.Index) -> set[str]:
    """The names of maps and samples in the journal of an index."""
    store = index._shared.store
    if store.folder is not None:
        with closing(sqlite3.connect(store.folder / "journal.sqlite")) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM kept")}
    else:
        pages = store.journal._points.pages()  # type: ignore[attr-defined]
        names = {point.get("name", "") for page in pages for point in page.values()}
    assert "canaries" in names  # others are left alone
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


class DeathError(BaseException):
    """In the place of a kill: nothing that comes after it is done."""


def _fit(store: Store, seed: int) -> None:
    """Note a fit of another seed, with a map and a sample of its own."""
    record = store.manifest.upgrade
    assert record is not None
    names = {"query": f"{MAP_NAMES}{seed}", "sample": f"{SAMPLE_NAMES}{seed}"}
    fitted = replace(record.at("fitted"), maps=names)
    content = dict.fromkeys(names.values(), b"numbers")
    refit(store, fitted, content, "planned", "fitted", since=record)


@pytest.mark.parametrize("step", ["fit", "plan", "rollback"])
def test_a_record_never_names_a_map_that_is_gone(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the last thing was that was done to the index before a death."""
    planned = UpgradeRecord("planned", Generation("new", {}, {}))
    steps = {
        "fit": lambda store: _fit(store, 2),
        "plan": lambda store: begin(store, planned),
        "rollback": take_back,
    }
    for deaths in range(9):
        folder = tmp_path / str(deaths)
        with make_index(folder) as index:
            index._store.journal.keep("canaries", b"[]")
            begin(index._store, planned)
            _fit(index._store, 1)
            with monkeypatch.context() as patched:
                _die_after(patched, deaths)
                try:
                    steps[step](index._store)
                    is_done = True
                except DeathError:
                    is_done = False
        with trivet.open(folder) as index:
            assert _named(index) <= _kept(index)
            if is_done or index._store.manifest.upgrade is None:
                assert _named(index) == _kept(index)
        if is_done:
            break
    assert deaths >= 2


def _die_after(patched: pytest.MonkeyPatch, done: int) -> None:
    left = [done]

    def dying(call: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*arguments: object) -> object:
            if left[0] == 0:
                raise DeathError
            left[0] -= 1
            return call(*arguments)

        return wrapper

    for owner, name in (
        (CurrentManifest, "become"), (SqliteJournal, "keep"), (SqliteJournal, "forget"),
    ):  # fmt: skip
        patched.setattr(owner, name, dying(getattr(owner, name)))
