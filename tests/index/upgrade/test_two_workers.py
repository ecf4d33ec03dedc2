"""Steps of two workers at a time: each is refused what the other has made untrue."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from stub_server import StubServer

import trivet
from trivet import errors
from trivet.index.search import LOOK_AGAIN_S
from trivet.index.upgrade import lease, migrating, prepared, translating

from .services import of_words, service, taken_to, texts_of
from .stages import found, require_untouched, state, stored

TEXTS = texts_of(60)
OLD, NEW, THIRD = (service(name, of_words(seed)) for seed, name in enumerate(("old", "new", "3")))


@pytest.fixture
def index(open_old: Callable[..., trivet.Index]) -> trivet.Index:
    made = open_old(model=OLD, modes=["dense"])
    made.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
    return made


def test_a_fit_does_not_overwrite_a_plan_of_somebody_else(
    index: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade, theirs = index.upgrade(NEW), index.upgrade(NEW)
    upgrade.plan()
    fit, began = prepared.fit_maps, []

    def overtaken(*given: object, **named: object) -> object:
        made = fit(*given, **named)
        theirs.plan(seed=7)
        began.append(index._store.manifest.upgrade)
        return made

    with monkeypatch.context() as patched:
        patched.setattr(prepared, "fit_maps", overtaken)
        with pytest.raises(errors.UpgradeStateError, match="has taken a step meanwhile"):
            upgrade.fit()
    assert [index._store.manifest.upgrade] == began
    upgrade.fit()
    assert state(index) == "fitted"


def test_a_plan_does_not_overwrite_that_of_another_model(index: trivet.Index) -> None:
    ours, theirs = index.upgrade(NEW), index.upgrade(THIRD)
    theirs.plan()
    with pytest.raises(errors.UpgradeInProgressError, match="one to 'wrapped:3', which began"):
        ours.plan()
    theirs.rollback()
    ours.plan()


def test_a_finished_upgrade_is_not_planned_again(index: trivet.Index) -> None:
    upgrade = taken_to(index, NEW, "translate")
    upgrade.finish(force=True)
    with pytest.raises(errors.UpgradeStateError, match="its upgrade is finished"):
        upgrade.plan()
    assert index.current_upgrade is None


@pytest.mark.loopback
def test_a_machine_that_opened_earlier_sees_the_upgrade_of_another() -> None:
    with (
        StubServer() as server,
        trivet.open(server.url, model=OLD, modes=["dense"]) as index,
        trivet.open(server.url) as other,
    ):
        index.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
        upgrade = taken_to(index, NEW, "translate")
        theirs = other.current_upgrade
        assert theirs is not None
        assert (theirs.state, other.verify().is_clean) == ("translated", True)
        upgrade.migrate()
        assert (theirs.status().state, theirs.status().native) == ("migrating", 60)
        upgrade.finish()
        # Of vectors that were dropped no document lacks one.
        assert other.verify().is_clean
        assert other.current_upgrade is None
        assert other.describe().model == "wrapped:new"
        with pytest.raises(errors.InvalidInputError, match="nothing to upgrade"):
            other.upgrade(NEW)


@pytest.mark.loopback
def test_searches_follow_the_upgrade_of_another_machine_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr("trivet.store.current.time", clock)
    with (
        StubServer() as server,
        trivet.open(server.url, model=OLD, modes=["dense"]) as index,
        trivet.open(server.url, model=OLD) as other,
    ):
        index.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
        other.search(TEXTS["d7"])
        taken_to(index, NEW, "query")

        def serving() -> str | None:
            other.search(TEXTS["d7"])
            record = other._store.manifest.upgrade
            return None if record is None else record.state

        assert serving() is None
        clock.monotonic = lambda: LOOK_AGAIN_S
        assert serving() == "bridged"
        assert index.current_upgrade is not None
        index.current_upgrade.rollback()
        assert serving() == "bridged"
        clock.monotonic = lambda: 2 * LOOK_AGAIN_S
        assert serving() is None


@pytest.mark.loopback
def test_the_older_model_is_refused_by_name_when_another_machine_has_finished() -> None:
    with (
        StubServer() as server,
        trivet.open(server.url, model=OLD, modes=["dense"]) as index,
    ):
        index.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
        upgrade = taken_to(index, NEW, "translate")
        with trivet.open(server.url, model=OLD) as other:
            assert found(other, TEXTS["d7"])[0] == "d7"
            upgrade.finish(force=True)
            with pytest.raises(errors.SpaceMismatchError, match="holds dense vectors of 'new'"):
                other.search(TEXTS["d7"], modes=["dense"])


@pytest.mark.parametrize("step", ["rollback", "finish"])
def test_a_migration_stops_where_the_upgrade_ends_under_it(
    step: str, index: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "BATCH", 16)
    name = index.spaces[0].vector_name
    old, hits = stored(index, list(TEXTS), name), found(index, "anchor ship sail")
    upgrade = taken_to(index, NEW, "translate")
    embed = migrating.embed_legs

    def overtaken(*given: object) -> object:
        made = embed(*given)
        if index.current_upgrade is not None:
            upgrade.rollback() if step == "rollback" else upgrade.finish(force=True)
        return made

    monkeypatch.setattr(migrating, "embed_legs", overtaken)
    with pytest.raises(errors.UpgradeStateError, match="finished or rolled back meanwhile"):
        upgrade.migrate("id")
    assert index.current_upgrade is None
    assert index.verify().is_clean
    if step == "rollback":
        require_untouched(index, old, stored(index, list(TEXTS), name))
        assert found(index, "anchor ship sail") == hits
    else:
        assert index.describe().translated == index.make_native() == 60


def test_a_translation_stops_where_it_is_rolled_back_under_it(
    index: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits = found(index, "anchor ship sail")
    upgrade = taken_to(index, NEW, "query")
    opened = translating.open_beside

    def overtaken(store: object) -> None:
        opened(store)
        upgrade.rollback()

    with monkeypatch.context() as patched:
        patched.setattr(translating, "open_beside", overtaken)
        with pytest.raises(errors.UpgradeStateError):
            upgrade.cutover("translate", force=True)
    assert (found(index, "anchor ship sail"), state(index)) == (hits, None)
    assert index.verify().is_clean


@pytest.mark.loopback
def test_a_machine_that_slept_through_its_lease_leaves_the_work_to_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrating, "BATCH", 16)
    with StubServer() as server, trivet.open(server.url, model=OLD, modes=["dense"]) as index:
        index.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
        upgrade = taken_to(index, NEW, "translate")
        slept: list[int] = []

        def sleep(_: int) -> None:
            later = time.time() + 2 * lease.LEASE_S
            monkeypatch.setattr("trivet.index.upgrade.lease.time.time", lambda: later)
            with trivet.open(server.url, model=NEW) as other:
                theirs = other.current_upgrade
                assert theirs is not None
                slept.append(theirs.migrate("id"))

        with pytest.raises(errors.UpgradeStateError, match="begun since this one"):
            upgrade.migrate("id", progress=sleep)
        assert slept == [44]
        assert upgrade.status().native == 60
