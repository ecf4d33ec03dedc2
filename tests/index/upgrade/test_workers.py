"""Migrations that die at random moments, that meet another, or that documents overtake."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from checkpoints import WORDS, Recipe, build_checkpoint
from indexes import copy_index
from stub_server import StubServer

import trivet
from trivet import Embedder, errors
from trivet.index.upgrade import migrating, translating

from .killer import Killer
from .services import Embed, of_words, service, texts_of
from .stages import found, stored, translated

KILLS = 20


@pytest.fixture(scope="module")
def few() -> dict[str, str]:
    random = np.random.default_rng(5)
    return {f"d{i}": " ".join(random.choice(WORDS, size=12)) for i in range(160)}


@pytest.fixture(scope="module")
def ready(
    tiny_model: Path, drifted_model: Path, few: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:  # fmt: skip
    """A folder with an index whose documents all have translated vectors."""
    folder = tmp_path_factory.mktemp("ready") / "index"
    with trivet.open(folder, model=tiny_model) as index:
        index.add(list(few.values()), ids=list(few), on_error="raise")
        translated(index, drifted_model)
    yield folder
    shutil.rmtree(folder)


def native(model: Path, texts: list[str]) -> np.ndarray:
    dense = Embedder.load(model, modes=["dense"]).embed_documents(texts).dense
    assert dense is not None
    return dense.values


@pytest.mark.slow
def test_twenty_deaths_at_random_moments_lose_nothing(
    ready: Path, killer: Killer, few: dict[str, str], drifted_model: Path, tmp_path: Path
) -> None:
    newer = Embedder.load(drifted_model)
    right = native(drifted_model, list(few.values()))
    with trivet.open(ready) as index:
        names = [space.vector_name for space in index.describe().spaces][:1]
        assert index._store.manifest.upgrade is not None
        names.append(index._store.manifest.upgrade.other.spaces["dense"].vector_name)
        old = stored(index, list(few), names[1])
    random, folder, longest, states = np.random.default_rng(0), tmp_path / "copy", 0.0, []
    for number in range(KILLS + 1):
        copy_index(ready, folder)
        # The first one lives; of a time of 0 there would be no end.
        life_s = longest * (0.01 + 0.98 * float(random.random()))
        took = killer.migrate_for(folder, life_s, drifted_model)
        if took is not None:  # the first is the slowest: what it reads is not at hand
            longest = took if number == 0 else min(longest, took)
        with trivet.open(folder, model=newer) as index:
            assert found(index, few["d7"], k=1) == ["d7"]
            assert index.verify().is_clean
            upgrade = index.current_upgrade
            assert upgrade is not None
            states.append((took is None, upgrade.status().native))
            upgrade.migrate()
            assert upgrade.status().native == len(few)
            made = stored(index, list(few), names[0])
            np.testing.assert_allclose([made[id] for id in few], right, atol=1e-5)
            after = stored(index, list(few), names[1])
            assert all(np.array_equal(old[id], after[id]) for id in old)
        shutil.rmtree(folder)
    assert states[0] == (False, len(few))
    # Of the moments that were drawn, most came before the end, and they were not all one.
    assert sum(was_killed for was_killed, _ in states) >= KILLS // 2
    assert len({count for was_killed, count in states if was_killed}) >= 4


@pytest.mark.loopback
def test_of_two_machines_one_migrates_and_the_other_is_refused(
    killer: Killer, tiny_model: Path, drifted_model: Path, few: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(migrating, "BATCH", 16)
    with StubServer() as server, trivet.open(server.url, model=tiny_model) as index:
        index.add(list(few.values()), ids=list(few), on_error="raise")
        upgrade = translated(index, drifted_model)
        answers: list[list[str]] = []

        def meanwhile(_: int) -> None:
            if not answers:
                answers.append(killer.ask(f"{server.url} trivet"))

        assert upgrade.migrate("id", progress=meanwhile) == len(few)
        assert answers == [["refused"]]
        # Done, the first has given its lease back.
        assert killer.ask(f"{server.url} trivet") == ["done", "0"]


@pytest.mark.loopback
def test_the_lease_of_a_dead_machine_ends(
    tiny_model: Path, drifted_model: Path, few: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "BATCH", 16)
    with StubServer() as server, trivet.open(server.url, model=tiny_model) as index:
        index.add(list(few.values()), ids=list(few), on_error="raise")
        upgrade = translated(index, drifted_model)

        def die(_: int) -> None:
            monkeypatch.setattr("trivet.index.upgrade.lease.Lease._give_back", lambda _: None)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            upgrade.migrate("id", progress=die)
        with trivet.open(server.url) as other:
            theirs = other.current_upgrade
            assert theirs is not None
            with pytest.raises(errors.UpgradeInProgressError, match="another machine"):
                theirs.migrate()
            later = time.time() + 200
            monkeypatch.setattr("trivet.index.upgrade.lease.time.time", lambda: later)
            assert theirs.migrate() == len(few) - 16
            assert theirs.status().native == len(few)


class Changes:
    """Documents added, changed and deleted at random, and what is there in the end."""

    def __init__(self, index: trivet.Index, texts: dict[str, str], seed: int) -> None:
        self._index = index
        self._random = np.random.default_rng(seed)
        self.texts = dict(texts)

    def __call__(self, *_: object) -> None:
        for _step in range(int(self._random.integers(0, 4))):
            kind = self._random.choice(["add", "change", "delete"])
            if kind == "add":
                self._put(f"new{len(self.texts)}-{self._random.integers(1 << 30)}")
            elif kind == "change":
                self._put(str(self._random.choice(sorted(self.texts))))
            else:
                id = str(self._random.choice(sorted(self.texts)))
                assert self._index.delete([id]) == 1
                del self.texts[id]

    def _put(self, id: str) -> None:
        self.texts[id] = " ".join(self._random.choice(WORDS, size=12))
        assert self._index.upsert([self.texts[id]], ids=[id]).failed == ()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_documents_that_change_while_they_are_migrated_are_right_in_the_end(
    seed: int, tiny_model: Path, drifted_model: Path, few: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(migrating, "BATCH", 8)
    embed = migrating.embed_legs
    with trivet.open(":memory:", model=tiny_model) as index:
        index.add(list(few.values()), ids=list(few), on_error="raise")
        upgrade = translated(index, drifted_model)
        changes = Changes(index, few, seed)

        def overtaken(embedder: Embedder, chunks: list) -> object:
            made = embed(embedder, chunks)
            changes()  # after a batch was embedded, before it is written
            return made

        monkeypatch.setattr(migrating, "embed_legs", overtaken)
        while upgrade.migrate("id", progress=changes):
            if upgrade.status().native == upgrade.status().documents:
                break
        assert changes.texts != few
        assert upgrade.status().native == upgrade.status().documents == len(changes.texts)
        ids = list(changes.texts)
        for model, generation in (
            (drifted_model, index._store.manifest.generation),
            (tiny_model, index._store.manifest.upgrade.other),
        ):
            made = stored(index, ids, generation.spaces["dense"].vector_name)
            right = native(model, list(changes.texts.values()))
            np.testing.assert_allclose([made[id] for id in ids], right, atol=1e-5)
        assert index.verify().is_clean
        upgrade.finish()
        assert {d.id: d.text for d in index.documents()} == changes.texts
        require_as_fresh(index, drifted_model, changes.texts)


def require_as_fresh(index: trivet.Index, model: Path, texts: dict[str, str]) -> None:
    """Every leg of the model answers as in an index that was made of these documents at once."""
    modes = [space.mode for space in index.spaces]
    assert modes == ["dense", "sparse", "multi"]
    with trivet.open(":memory:", model=model) as fresh:
        fresh.add(list(texts.values()), ids=list(texts), on_error="raise")
        for mode in ("dense", "multi"):
            for query in list(texts.values())[:3]:
                hits, right = (each.search(query, k=5, modes=[mode]) for each in (index, fresh))
                scores = [hit.score for hit in right]
                assert [hit.score for hit in hits] == pytest.approx(scores, abs=2e-3)
                assert hits[0].id == right[0].id


@pytest.mark.parametrize("seed", range(6))
def test_documents_that_change_at_every_step_are_right_whichever_way_it_ends(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, texts = of_words(0), of_words(1), texts_of(100)
    monkeypatch.setattr(migrating, "BATCH", 8)
    opened = translating.open_beside
    with trivet.open(":memory:", model=service("old", old)) as index:
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
        changes = Changes(index, texts, seed)

        def overtaken(store: object) -> None:
            opened(store)
            changes()  # which have both models' vectors, while all others lack the newer one's

        monkeypatch.setattr(translating, "open_beside", overtaken)
        upgrade = index.upgrade(service("new", new))
        steps: list[Callable[[], object]] = [
            upgrade.plan,
            lambda: upgrade.fit("keep"),
            upgrade.verify,
            *([lambda: upgrade.cutover("query", force=True)] if seed % 2 else []),
            lambda: upgrade.cutover("translate", force=True),
            lambda: upgrade.migrate("id", budget=1e-9),
            lambda: upgrade.migrate("hot", progress=changes),
        ]
        for step in steps:
            step()
            changes()
            require_right(index, changes.texts, old, new)
        status = upgrade.status()
        assert status.documents == len(changes.texts)
        if seed % 3:
            upgrade.finish(force=True)
            index.make_native()
        else:
            upgrade.rollback()
        changes()
        assert index.describe().translated == 0
        require_right(index, changes.texts, old, new)
        assert {d.id: d.text for d in index.documents()} == changes.texts


def require_right(index: trivet.Index, texts: dict[str, str], old: Embed, new: Embed) -> None:
    """What the older model has of every document is its own, and so is what is not translated."""
    assert index.verify().is_clean
    manifest = index._store.manifest
    record, is_old = manifest.upgrade, manifest.model == "wrapped:old"
    serving = stored(index, list(texts), manifest.spaces["dense"].vector_name)
    rows = np.stack([serving[id] for id in texts])
    if is_old or record is None:
        right = (old if is_old else new)(list(texts.values()))
        np.testing.assert_allclose(rows, right, atol=1e-5)
        return
    older = stored(index, list(texts), record.other.spaces["dense"].vector_name)
    right = old(list(texts.values()))
    np.testing.assert_allclose(np.stack([older[id] for id in texts]), right, atol=1e-5)
    native = np.abs(rows - new(list(texts.values()))).max(axis=1) < 1e-5
    assert index.current_upgrade is not None
    assert index.current_upgrade.status().native == native.sum()


def test_a_model_that_makes_the_very_same_vectors_is_migrated_to_the_end(
    tiny_model: Path, few: dict[str, str], tmp_path: Path
) -> None:
    """Its map is the identity: native vectors are told from translated ones all the same."""
    shorter = build_checkpoint(tmp_path / "shorter", Recipe(max_tokens=48))
    with trivet.open(":memory:", model=tiny_model) as index:
        index.add(list(few.values()), ids=list(few), on_error="raise")
        upgrade = translated(index, shorter)
        assert upgrade.status().native == 0
        assert upgrade.migrate() == len(few)
        assert upgrade.status().native == len(few)
        upgrade.finish()
