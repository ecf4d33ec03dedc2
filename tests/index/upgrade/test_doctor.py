"""What an examination finds: nothing in a sound index, and each fault with what to do about it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import trivet
from trivet.reports import Finding, HealthReport
from trivet.store.points import point_id
from trivet.store.upgrading import note
from trivet.types import Space

from .stages import bridged, translated, verified


@pytest.fixture
def location(tmp_path: Path) -> str:
    """A folder; of a server, tests/cli/test_doctoring.py."""
    return str(tmp_path / "index")


def found(report: HealthReport) -> set[tuple[str, str]]:
    return {(each.level, each.subject) for each in report.findings}


def of(report: HealthReport, subject: str) -> Finding:
    [finding] = [each for each in report.findings if each.subject == subject]
    return finding


def test_a_sound_index_is_healthy_in_every_state(index: trivet.Index, drifted_model: Path) -> None:
    report = index.doctor()
    assert (report.level, report.state, report.findings) == ("note", "stable", ())
    counts = [(leg.mode, leg.serves, leg.points, leg.native) for leg in report.legs]
    assert counts == [("dense", True, 240, 240), ("sparse", True, 240, 240)]
    bridged(index, drifted_model)
    report = index.doctor()
    assert (report.level, report.state, found(report)) == ("note", "bridged", {("note", "upgrade")})
    assert len(report.legs) == 2
    upgrade = index.current_upgrade
    assert upgrade is not None
    upgrade.migrate(budget=1e-9)
    index.add(["kedge anchor rope"], ids=["added"], on_error="raise")
    report = index.doctor()
    assert (report.level, report.state) == ("note", "migrating")
    legs = {leg.vector_name: leg for leg in report.legs if leg.mode == "dense"}
    new, old = (legs[g.spaces["dense"].vector_name] for g in generations(index))
    assert (new.serves, new.native, new.translated) == (True, 1, 240)
    assert (old.serves, old.native, old.translated) == (False, 241, 0)
    upgrade.migrate()
    upgrade.finish()
    assert index.doctor().findings == ()


def generations(index: trivet.Index) -> tuple:
    manifest = index._store.manifest
    return manifest.generation, manifest.upgrade.other


def test_an_examination_writes_nothing(
    index: trivet.Index, drifted_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translated(index, drifted_model)
    store = index._store

    def refuse(*_: object) -> None:
        raise AssertionError("an examination only reads")

    verbs = {
        store.engine: ("upsert", "delete", "add_space", "set_vectors", "drop_vectors", "flush"),
        store.journal: ("begin", "commit", "abandon", "keep", "recount", "exclusive"),
        store: ("become",),
    }
    for owner, names in verbs.items():
        for name in names:
            monkeypatch.setattr(owner, name, refuse)
    assert index.doctor().level == "note"


def test_lost_points_and_vectors_are_broken(index: trivet.Index) -> None:
    store = index._store
    store.engine.delete([point_id(store.manifest.namespace, "d3", 0)])
    report = index.doctor()
    assert (report.level, found(report)) == ("broken", {("broken", "documents")})
    assert "expected 240 points" in of(report, "documents").problem
    assert "trivet verify" in of(report, "documents").action
    space = store.manifest.spaces["dense"]
    store.engine.drop_vectors(space.vector_name)
    assert "got none" in of(index.doctor(), "vectors").problem
    store.engine.add_space(space)
    report = index.doctor()
    assert "239 of 239 points have no" in of(report, "vectors").problem
    assert {leg.mode: leg.points for leg in report.legs} == {"dense": 0, "sparse": 239}


def test_vectors_of_nobody_are_told_and_repaired(
    index: trivet.Index, location: str, tiny_model: Path
) -> None:
    stranger = Space("dense", "stranger", 4, {"weights": "unknown"})
    index._store.engine.add_space(stranger)
    report = index.doctor()
    assert (report.level, found(report)) == ("look", {("look", "vectors")})
    assert stranger.vector_name in of(report, "vectors").problem
    index.close()
    trivet.repair(location)
    with trivet.open(location, model=tiny_model) as again:
        assert again.doctor().findings == ()
        assert again.verify().is_clean


def test_a_dead_migration_and_lost_maps_are_told(index: trivet.Index, drifted_model: Path) -> None:
    translated(index, drifted_model)
    note(index._store, lease={"owner": "gone", "until": time.time() - 60})
    report = index.doctor()
    assert (report.level, found(report)) == ("look", {("look", "lease"), ("note", "upgrade")})
    note(index._store, lease={"owner": "busy", "until": time.time() + 60})
    assert index.doctor().level == "note"
    manifest = index._store.manifest
    assert manifest.upgrade is not None
    lost = replace(manifest.upgrade, maps={**manifest.upgrade.maps, "query": "lost"})
    index._store.become(replace(manifest, upgrade=lost))
    report = index.doctor()
    assert ("broken", "maps") in found(report)
    assert "rollback" in of(report, "maps").action


def test_a_translation_that_was_stopped_is_to_be_looked_at(
    index: trivet.Index, drifted_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = verified(index, drifted_model)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(index._store.engine), "set_vectors", stop)
        with pytest.raises(KeyboardInterrupt):
            upgrade.cutover("translate")
    report = index.doctor()
    assert (report.level, report.state) == ("look", "translating")
    assert [leg.points for leg in report.legs] == [240, 240, 0]


@pytest.fixture
def at_hand(tmp_path: Path, tiny_model: Path) -> Path:
    return shutil.copytree(tiny_model, tmp_path / "model")


@pytest.mark.parametrize("what", ["gone", "changed"])
def test_a_model_that_is_gone_or_another_one_is_told(
    what: str, tmp_path: Path, at_hand: Path, drifted_model: Path
) -> None:
    folder = tmp_path / "an index"
    with trivet.open(folder, model=at_hand) as index:
        index.add(["kedge anchor"], ids=["a"], on_error="raise")
    if what == "gone":
        shutil.rmtree(at_hand)
    else:
        shutil.copy(drifted_model / "model.safetensors", at_hand)
    with trivet.open(folder) as index:
        report = index.doctor()
    assert (report.level, found(report)) == ("broken", {("broken", "model")})
    expected = "cannot be had" if what == "gone" else "is not the model"
    assert expected in of(report, "model").problem


def test_an_older_model_that_no_search_needs_is_to_be_looked_at(
    tmp_path: Path, at_hand: Path, drifted_model: Path, texts: dict[str, str]
) -> None:
    with trivet.open(tmp_path / "an index", model=at_hand) as index:
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
        bridged(index, drifted_model)
    shutil.rmtree(at_hand)
    with trivet.open(tmp_path / "an index") as index:
        assert index.search(texts["d7"], k=1)[0].id == "d7"
        report = index.doctor()
    assert (report.level, ("look", "model") in found(report)) == ("look", True)
    assert "to add documents" in of(report, "model").action


def wrapped(seed: int) -> trivet.Embedder:
    def embed(texts: list[str]) -> np.ndarray:
        rows = np.random.default_rng(seed).standard_normal((len(texts), 8))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    return trivet.Embedder.wrap(name="service", dims=8, documents=embed, queries=embed)


def test_a_service_that_changed_under_its_name_is_known_by_its_canaries(tmp_path: Path) -> None:
    with trivet.open(tmp_path / "an index", model=wrapped(0)) as index:
        index.add(["kedge anchor"], ids=["a"], on_error="raise")
        assert index.doctor().findings == ()
    with trivet.open(tmp_path / "an index", model=wrapped(1)) as index:
        report = index.doctor()
    assert (report.level, found(report)) == ("broken", {("broken", "canaries")})
    assert "cosine" in of(report, "canaries").problem


def test_a_tenant_examines_nothing(open_old: Callable[..., trivet.Index], tiny_model: Path) -> None:
    index = open_old(model=tiny_model, tenants=True)
    with pytest.raises(trivet.errors.TenantError, match="examination"):
        index.tenant("a").doctor()
    assert index.doctor().level == "note"
