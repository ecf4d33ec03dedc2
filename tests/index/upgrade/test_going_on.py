"""A migration in many short calls reads about what one long call does, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

import trivet
from trivet.index.upgrade import Upgrade, migrating
from trivet.store.points import point_id

from .services import of_words, service, taken_to, texts_of
from .stages import found

TEXTS = texts_of(160)
OLD, NEW = service("old", of_words(0)), service("new", of_words(1))
BATCH = 8


class Work:
    """What migrations embed and read; every batch that is embedded takes a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.embedded, self.read = 0.0, 0, 0
        embed = migrating.embed_legs

        def embed_legs(embedder: trivet.Embedder, chunks: list) -> object:
            self.now += 1.0
            self.embedded += len(chunks)
            return embed(embedder, chunks)

        monkeypatch.setattr(migrating, "BATCH", BATCH)
        monkeypatch.setattr(migrating, "embed_legs", embed_legs)
        monkeypatch.setattr(migrating, "time", SimpleNamespace(monotonic=lambda: self.now))
        self._patch = monkeypatch.setattr

    def watch(self, index: trivet.Index) -> None:
        """Count the vectors that are read of an index."""
        vectors = index._store.engine.vectors

        def counted(ids: Sequence[str], name: str) -> object:
            self.read += len(ids)
            return vectors(ids, name)

        self._patch(index._store.engine, "vectors", counted)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


def is_native(upgrade: Upgrade) -> bool:
    status = upgrade.status()
    return status.native == status.documents


def small_steps(upgrade: Upgrade, order: str) -> int:
    """Calls of a batch each, until one finds nothing; how many these were."""
    calls = 1
    while upgrade.migrate(order, budget=1):
        calls += 1
    return calls


@pytest.mark.parametrize("order", ["id", "hot"])
def test_many_short_calls_read_no_point_more_than_a_few_times(order: str, work: Work) -> None:
    with trivet.open(":memory:", model=OLD, modes=["dense"]) as index:
        index.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
        upgrade = taken_to(index, NEW, "translate")
        for text in list(TEXTS.values())[:2]:
            index.search(text, k=len(TEXTS))  # all of them are hot
        work.watch(index)
        assert small_steps(upgrade, order) > len(TEXTS) // BATCH
        assert work.embedded == len(TEXTS)
        # Of both models, once, and once more by the call that finds nothing.
        assert work.read < 2 * len(TEXTS) * 3
        assert is_native(upgrade)


def test_hot_documents_come_first_in_every_short_call(work: Work) -> None:
    with trivet.open(":memory:", model=OLD, modes=["dense"]) as index:
        index.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
        upgrade = taken_to(index, NEW, "translate")
        upgrade.migrate("id", budget=1)
        hot = [hit.id for hit in index.search("anchor ship sail", k=3)]
        assert 0 < upgrade.migrate("hot", budget=1) <= 3
        again = [hit.id for hit in index.search(TEXTS["d5"], k=20)]
        upgrade.migrate("hot", budget=1)
        points = [point_id(index._store.manifest.namespace, id, 0) for id in {*hot, *again[:4]}]
        record = index._store.manifest.upgrade
        assert record is not None
        translation = index._shared.model.map_of(record, "translation")
        assert not migrating.still_translated(index._store, translation, points)
        while upgrade.migrate("hot", budget=1):
            pass
        assert is_native(upgrade)


def test_another_process_goes_on_where_the_last_call_stopped(
    open_old: Callable[..., trivet.Index], work: Work
) -> None:
    """Whatever was written meanwhile, on both sides of the place and at it."""
    index = open_old(model=OLD, modes=["dense"])
    index.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
    upgrade = taken_to(index, NEW, "translate")
    for _ in range(5):
        upgrade.migrate("id", budget=1)
    before, ids = work.embedded, sorted(TEXTS, key=lambda id: point_id_of(index, id))
    assert before >= 5 * (BATCH - 1)
    index.close()
    with open_old(model=NEW) as again:
        work.watch(again)
        # The point that the last call looked at last is gone, as is one on either side.
        again.delete([*ids[before - 1 : before + 1], ids[0], ids[-1]])
        again.upsert(["kedge anchor", "storm sail"], ids=[ids[1], ids[-2]], on_error="raise")
        again.add([f"tide number {i}" for i in range(10)], on_error="raise")
        current = again.current_upgrade
        assert current is not None
        current.migrate("id")
        # Not those before the place.
        assert work.read <= 2 * (len(TEXTS) - before + 10 + BATCH)
        assert is_native(current)
        assert found(again, "kedge anchor", k=1) == [ids[1]]
        assert again.verify().is_clean


def point_id_of(index: trivet.Index, id: str) -> str:
    return point_id(index._store.manifest.namespace, id, 0)


def test_without_its_place_a_migration_begins_anew(work: Work) -> None:
    with trivet.open(":memory:", model=OLD, modes=["dense"]) as index:
        index.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
        upgrade = taken_to(index, NEW, "translate")
        for _ in range(5):
            upgrade.migrate("id", budget=1)
        index._store.journal.forget(("drift-place-",), ())
        upgrade.migrate("id")
        assert is_native(upgrade)
        assert work.embedded == len(TEXTS)


def test_what_was_left_for_want_of_a_text_comes_again_at_the_end(work: Work) -> None:
    with trivet.open(":memory:", model=OLD, modes=["dense"]) as index:
        index.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
        gone = sorted(TEXTS, key=lambda id: point_id_of(index, id))[:12]
        with index._store.engine._using() as client:
            points = [point_id_of(index, id) for id in gone]
            client.delete_payload("trivet", ["page_content"], points)
        upgrade = taken_to(index, NEW, "translate")
        for _ in range(6):
            assert upgrade.migrate("id", budget=1)  # the textless ones hold nobody up
        assert upgrade.migrate("id", text_resolver=TEXTS.get)
        assert is_native(upgrade)
        assert work.embedded == len(TEXTS)


def test_token_vectors_serve_again_after_short_calls_alone(
    tiny_model: Path, drifted_model: Path, work: Work
) -> None:
    with trivet.open(":memory:", model=tiny_model) as index:
        index.add(list(TEXTS.values())[:40], on_error="raise")
        upgrade = taken_to(index, drifted_model, "translate")
        assert index._store.manifest.filling_modes == ("multi",)
        work.watch(index)
        small_steps(upgrade, "id")
        assert index._store.manifest.filling_modes == ()
        assert work.read < 2 * 40 * 5  # not all of them counted by every call
        assert "multi" in index.search(TEXTS["d3"], k=1)[0].scores
