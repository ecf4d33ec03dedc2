"""Optimizing, backups, snapshots, repair and tenants, at every stage of an upgrade."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from checkpoints import WORDS
from stub_server import StubServer

import trivet
from trivet import Embedder, errors
from trivet.index.upgrade import Upgrade

from .stages import bridged, found, state, stored, translated, verified


@pytest.fixture(scope="module")
def few() -> dict[str, str]:
    random = np.random.default_rng(6)
    return {f"d{i}": " ".join(random.choice(WORDS, size=12)) for i in range(160)}


def stop_translating(upgrade: Upgrade, engine: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(engine), "set_vectors", stop)
        with pytest.raises(KeyboardInterrupt):
            upgrade.cutover("translate")


def to_the_end(index: trivet.Index, documents: int) -> None:
    """Take an upgrade that serves to its end, from wherever it is."""
    upgrade = index.current_upgrade
    assert upgrade is not None
    if upgrade.status().state != "ending":
        upgrade.migrate()
    assert upgrade.status().native == documents
    upgrade.finish()
    assert index.current_upgrade is None


def steps_of(
    upgrade: Upgrade, index: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Callable[[], object]]:
    """The state after each step, and the step."""
    return {
        "planned": upgrade.plan,
        "fitted": upgrade.fit,
        "verified": upgrade.verify,
        "bridged": lambda: upgrade.cutover("query", force=True),
        "translating": lambda: stop_translating(upgrade, index._store.engine, monkeypatch),
        "translated": lambda: upgrade.cutover("translate", force=True),
        "migrating": lambda: upgrade.migrate(budget=1e-9),
        "ending": lambda: (upgrade.migrate(), upgrade.finish(grace=3600)),
    }


def test_an_index_is_optimized_and_backed_up_at_every_stage(
    tiny_model: Path, drifted_model: Path, few: dict[str, str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    query = few["d7"]
    with trivet.open(tmp_path / "index", model=tiny_model, storage="binary") as index:
        index.add(list(few.values()), ids=list(few), on_error="raise")
        upgrade = index.upgrade(drifted_model)
        for expected, step in steps_of(upgrade, index, monkeypatch).items():
            step()
            hits = found(index, query)
            if expected in ("bridged", "translating", "migrating", "ending"):
                assert index.optimize(force=True).optimized
            assert (state(index), found(index, query)) == (expected, hits)
            assert index.verify().is_clean
            copy = tmp_path / expected
            index.backup(tmp_path / "backup")
            trivet.restore(tmp_path / "backup", copy)
            shutil.rmtree(tmp_path / "backup")
            with trivet.open(copy) as again:
                assert (state(again), found(again, query)) == (expected, hits)
                assert again.doctor().level in ("note", "look")
                if expected in ("bridged", "translating", "migrating"):
                    to_the_end(again, len(few))
                    assert found(again, query, k=1) == ["d7"]
                else:
                    assert again.current_upgrade is not None
                    again.current_upgrade.rollback()
                    assert again.verify().is_clean
            shutil.rmtree(copy)
        upgrade.finish()
        assert (state(index), found(index, query)) == (None, hits)


def test_an_index_is_optimized_while_it_migrates(
    tiny_model: Path, drifted_model: Path, few: dict[str, str], tmp_path: Path
) -> None:
    with trivet.open(tmp_path / "index", model=tiny_model) as index:
        index.add(list(few.values()), ids=list(few), on_error="raise")
        upgrade = translated(index, drifted_model)
        optimizing = threading.Thread(target=lambda: index.optimize(force=True))
        optimizing.start()
        assert upgrade.migrate("id") == len(few)
        optimizing.join()
        assert upgrade.status().native == len(few)
        assert index.verify().is_clean
        name = upgrade.generation.spaces["dense"].vector_name
        made = Embedder.load(drifted_model, modes=["dense"]).embed_documents(list(few.values()))
        assert made.dense is not None
        came = stored(index, list(few), name)
        np.testing.assert_allclose([came[id] for id in few], made.dense.values, atol=1e-5)


@pytest.mark.loopback
def test_a_snapshot_of_an_upgrade_goes_on_where_it_was(
    tiny_model: Path, drifted_model: Path, few: dict[str, str]
) -> None:
    with StubServer() as server:
        with trivet.open(server.url, model=tiny_model) as index:
            index.add(list(few.values()), ids=list(few), on_error="raise")
            translated(index, drifted_model).migrate(budget=1e-9)
            hits = found(index, few["d7"])
        snapshots = trivet.Snapshots(server.url)
        snapshots.restore(snapshots.take().id, into="copy")
        with trivet.open(server.url, collection="copy") as copy:
            assert (state(copy), found(copy, few["d7"])) == ("migrating", hits)
            to_the_end(copy, len(few))
        with trivet.open(server.url) as index:
            assert state(index) == "migrating"


def test_an_upgrade_whose_maps_are_lost_is_rolled_back(
    tiny_model: Path, drifted_model: Path, few: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    with trivet.open(folder, model=tiny_model) as index:
        index.add(list(few.values()), ids=list(few), on_error="raise")
        hits = found(index, few["d7"])
        bridged(index, drifted_model)
    for file in folder.glob("journal.sqlite*"):
        file.unlink()
    assert trivet.repair(folder).journal_rebuilt
    with trivet.open(folder) as index:
        assert index.doctor().level == "broken"
        with pytest.raises(errors.IndexDamagedError, match="roll the upgrade back"):
            found(index, few["d7"])
        assert index.current_upgrade is not None
        index.current_upgrade.rollback()
        assert found(index, few["d7"]) == hits
        assert index.doctor().level == "note"


def test_tenants_are_upgraded_together_and_stay_apart(
    tiny_model: Path, drifted_model: Path, few: dict[str, str]
) -> None:
    with trivet.open(":memory:", model=tiny_model, tenants=True) as index:
        halves = {"a": list(few)[:80], "b": list(few)[80:]}
        for name, ids in halves.items():
            # The same ids for both: they are two documents each.
            index.tenant(name).add([few[id] for id in ids], ids=[f"n{i}" for i in range(80)])
        with pytest.raises(errors.TenantError, match="upgrade"):
            index.tenant("a").upgrade(drifted_model)
        upgrade = verified(index, drifted_model)
        with pytest.raises(errors.InvalidInputError, match=r"its tenant's name and U\+001F"):
            upgrade.verify({few["d7"]: {"n7": 1}})
        report = upgrade.verify({few["d7"]: {"a\x1fn7": 1}})
        assert report.judged is not None
        assert report.judged.reembedded.value == 1.0
        for step in (
            lambda: upgrade.cutover("query", force=True),
            lambda: upgrade.migrate(budget=1e-9),
            lambda: upgrade.migrate("hot"),
        ):
            step()
            for name, ids in halves.items():
                hits = index.tenant(name).search(few[ids[7]], k=80, modes=["dense"])
                assert hits[0].id == "n7"
                assert {hit.tenant for hit in hits} == {name}
        index.tenant("a").upsert(["kedge anchor rope"], ids=["n0"], on_error="raise")
        assert upgrade.status().native == upgrade.status().documents == 160
        upgrade.finish()
        assert index.tenant("a").search("kedge anchor rope", k=1)[0].id == "n0"
        assert index.tenant("b").get(["n0"])[0].text == few["d80"]
