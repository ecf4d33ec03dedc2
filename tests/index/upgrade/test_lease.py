"""The lease of an upgrade outlasts any work that is done under it, and ends with who has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from stub_server import StubServer

import trivet
from trivet import errors
from trivet.index.upgrade import Upgrade, lease
from trivet.store import server_points

from .services import of_words, service, taken_to, texts_of

pytestmark = pytest.mark.loopback
TEXTS = texts_of(64)
OLD, NEW = service("old", of_words(0)), service("new", of_words(1))
# Of 16 points each.
PAGES = 4


class Clock:
    """What leases are timed by; it stands still until it is put forward."""

    def __init__(self) -> None:
        self.now = 1e9

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(lease, "time", SimpleNamespace(time=made.time))
    monkeypatch.setattr(server_points, "WRITE_BATCH", len(TEXTS) // PAGES)
    return made


@pytest.fixture
def index(server: StubServer) -> Iterator[trivet.Index]:
    with trivet.open(server.url, model=OLD, modes=["dense"]) as index:
        index.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
        yield index


def seed_by_cutover(upgrade: Upgrade) -> None:
    upgrade.cutover("translate", force=True)


def seed_by_migrate(upgrade: Upgrade) -> None:
    upgrade.migrate("id")


SEEDING = pytest.mark.parametrize("seed", [seed_by_cutover, seed_by_migrate])


def after_pages(
    index: trivet.Index, monkeypatch: pytest.MonkeyPatch, happens: Callable[[int], None]
) -> None:
    """Let something happen whenever a page of points was worked on, with the index free."""
    pages = index._store.engine.pages

    def interrupted(*given: object, **named: object) -> Iterator[object]:
        for number, page in enumerate(pages(*given, **named)):
            yield page
            happens(number)

    monkeypatch.setattr(index._store.engine, "pages", interrupted)


@SEEDING
def test_a_translation_that_outlasts_its_lease_is_not_taken_by_another(
    seed: Callable[[Upgrade], None], server: StubServer, index: trivet.Index, clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    upgrade, refused = taken_to(index, NEW, "query"), []
    with trivet.open(server.url, model=NEW) as other:
        theirs = other.current_upgrade
        assert theirs is not None

        def happens(_: int) -> None:
            clock.now += 0.6 * lease.LEASE_S
            try:
                theirs.migrate()
            except errors.UpgradeInProgressError as error:
                refused.append(str(error))

        with monkeypatch.context() as patched:
            after_pages(index, patched, happens)
            seed(upgrade)
        assert upgrade.state in ("translated", "migrating")
        assert len(refused) >= PAGES
        assert "should it have died, for 48 seconds" in refused[0]
        theirs.migrate()
        assert theirs.status().native == len(TEXTS)


@SEEDING
def test_a_translation_that_lost_its_lease_writes_nothing_more(
    seed: Callable[[Upgrade], None], server: StubServer, index: trivet.Index, clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    upgrade, written = taken_to(index, NEW, "query"), []
    with trivet.open(server.url, model=NEW) as other:
        theirs = other.current_upgrade
        assert theirs is not None

        def happens(number: int) -> None:
            if number == 1:
                clock.now += 2 * lease.LEASE_S
                written.append("theirs")
                theirs.migrate(budget=1e-9)  # which seeds, and stops

        def noted(call: Callable[..., None]) -> Callable[..., None]:
            def wrapper(vectors: object) -> None:
                written.append("ours")
                call(vectors)

            return wrapper

        engine = index._store.engine
        with monkeypatch.context() as patched:
            patched.setattr(engine, "set_vectors", noted(engine.set_vectors))
            after_pages(index, patched, happens)
            with pytest.raises(errors.UpgradeStateError, match="begun since this one"):
                seed(upgrade)
        assert written == ["ours", "ours", "theirs"]
        assert (upgrade.state, upgrade.status().native) == ("migrating", 0)
        upgrade.migrate()
        assert upgrade.status().native == len(TEXTS)


def test_who_lost_the_lease_does_not_let_translated_vectors_serve(
    server: StubServer, index: trivet.Index, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = taken_to(index, NEW, "query")
    with trivet.open(server.url, model=NEW) as other:
        theirs = other.current_upgrade
        assert theirs is not None

        def happens(number: int) -> None:
            if number == PAGES - 1:  # all was translated, but for the change over
                clock.now += 2 * lease.LEASE_S
                with lease.Lease(other._store):
                    pass

        after_pages(index, monkeypatch, happens)
        with pytest.raises(errors.UpgradeStateError, match="begun since this one"):
            upgrade.cutover("translate", force=True)
        assert upgrade.state == "translating"


@pytest.mark.parametrize("mode", ["query", "translate"])
def test_who_lost_the_lease_while_its_model_was_loaded_takes_no_step(
    mode: str, server: StubServer, index: trivet.Index, clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    upgrade = taken_to(index, NEW, mode)
    before, proved = upgrade.state, index._model.proved_of
    with trivet.open(server.url, model=NEW) as other:

        def slowly(generation: object) -> object:
            clock.now += 2 * lease.LEASE_S
            with lease.Lease(other._store):
                pass
            return proved(generation)

        monkeypatch.setattr(index._model, "proved_of", slowly)
        with pytest.raises(errors.UpgradeStateError, match="begun since this one"):
            upgrade.migrate()
    assert upgrade.state == before


def test_two_threads_do_not_translate_at_a_time(
    index: trivet.Index, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade, refused = taken_to(index, NEW, "query"), []

    def happens(_: int) -> None:
        with pytest.raises(errors.UpgradeInProgressError, match="a second in this process"):
            upgrade.cutover("translate", force=True)
        refused.append(True)

    after_pages(index, monkeypatch, happens)
    upgrade.cutover("translate", force=True)
    assert len(refused) == PAGES


def test_the_last_count_of_a_migration_keeps_its_lease(
    server: StubServer, tiny_model: Path, drifted_model: Path, clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It is there where token vectors serve again once no document is left to migrate."""
    refused: list[str] = []
    with trivet.open(server.url, model=tiny_model) as index:
        index.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
        upgrade = taken_to(index, drifted_model, "translate")
        with trivet.open(server.url, model=drifted_model) as other:
            theirs = other.current_upgrade
            assert theirs is not None

            def happens(_: int) -> None:
                clock.now += 0.6 * lease.LEASE_S
                with pytest.raises(errors.UpgradeInProgressError, match="another machine"):
                    theirs.migrate()
                refused.append("")

            after_pages(index, monkeypatch, happens)
            assert upgrade.migrate("id") == len(TEXTS)
        assert len(refused) == 2 * PAGES  # while they are embedded, and while they are counted
