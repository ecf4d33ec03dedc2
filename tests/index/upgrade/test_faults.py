"""Models, documents and maps that are no good: a typed error, and the old generation untouched."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import trivet
from trivet import errors
from trivet.index.upgrade import Upgrade
from trivet.index.upgrade.lease import LEASE_S

from .services import DIMS, Embed, of_words, service, taken_to, texts_of
from .stages import found


@pytest.fixture
def old_index() -> Iterator[trivet.Index]:
    texts = texts_of(120)
    with trivet.open(":memory:", model=service("old", of_words(0))) as index:
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
        yield index


def require_as_before(index: trivet.Index, hits: list[str]) -> None:
    assert found(index, "anchor ship sail") == hits
    assert len(index._store.engine.vector_names()) == 2
    assert index.verify().is_clean
    if index.current_upgrade is not None:
        index.current_upgrade.rollback()
    assert found(index, "anchor ship sail") == hits


def begin(upgrade: Upgrade) -> None:
    upgrade.plan()
    upgrade.fit()


def nothing_but(value: float) -> Embed:
    return lambda texts: np.full((len(texts), DIMS), value, dtype=np.float32)


@pytest.mark.parametrize(
    ("embed", "error", "says"),
    [
        (nothing_but(np.nan), errors.ModelError, "of length nan"),
        (nothing_but(0.0), errors.ModelError, "of length 0"),
        (nothing_but(1.0), errors.PairsError, "one and the same"),
    ],
)
def test_a_new_model_that_makes_no_usable_vectors_is_refused(
    embed: Embed, error: type[Exception], says: str, old_index: trivet.Index
) -> None:
    hits = found(old_index, "anchor ship sail")
    upgrade = old_index.upgrade(service("new", embed))
    with pytest.raises(error, match=says):
        begin(upgrade)
    require_as_before(old_index, hits)


def test_a_new_model_that_breaks_while_it_migrates_loses_nothing(old_index: trivet.Index) -> None:
    hits, calls = found(old_index, "anchor ship sail"), []
    turned = of_words(1)

    def failing(texts: list[str]) -> np.ndarray:
        calls.append(len(texts))
        return turned(texts) if not broken else np.full((len(texts), DIMS), np.nan)

    broken: list[bool] = []
    upgrade = old_index.upgrade(service("new", failing))
    upgrade.plan()
    upgrade.fit("keep")
    upgrade.verify()
    upgrade.cutover("translate", force=True)
    broken.append(True)
    with pytest.raises(errors.ModelError, match="of length nan"):
        upgrade.migrate()
    broken.clear()
    assert upgrade.migrate() == 120
    upgrade.rollback()
    require_as_before(old_index, hits)


def test_documents_that_are_all_the_same_cannot_be_fitted_to() -> None:
    with trivet.open(":memory:", model=service("old", of_words(0))) as index:
        index.add(["kedge anchor rope"] * 30, ids=[f"d{i}" for i in range(30)], on_error="raise")
        upgrade = index.upgrade(service("new", of_words(1)))
        upgrade.plan()
        with pytest.raises(errors.PairsError, match="30 times one and the same"):
            upgrade.fit()
        assert len(found(index, "kedge")) == 5


def test_with_fewer_documents_than_dims_no_rotation_is_fitted() -> None:
    texts = texts_of(20)
    with trivet.open(":memory:", model=service("old", of_words(0))) as index:
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
        upgrade = index.upgrade(service("new", of_words(1)))
        upgrade.plan()
        choice = upgrade.fit("gain")
        assert "procrustes" not in {each.drift.method for each in choice.candidates}
        # And so few texts pass no gate.
        assert upgrade.verify().verdicts["query"].verdict != "PASS"
    with trivet.open(":memory:", model=service("old", of_words(0))) as index:
        index.add(list(texts.values())[:8], ids=list(texts)[:8], on_error="raise")
        upgrade = index.upgrade(service("new", of_words(1)))
        upgrade.plan()
        with pytest.raises(errors.PairsError):
            upgrade.fit()


def test_no_document_is_both_fitted_to_and_measured_on(old_index: trivet.Index) -> None:
    # Documents of several chunks, and documents that are there twice.
    long = " ".join(texts_of(60).values())
    old_index.add([long, long], ids=["long", "twin"], on_error="raise")
    upgrade = old_index.upgrade(service("new", of_words(1)))
    upgrade.plan()
    choice = upgrade.fit("keep")
    assert choice.drift.provenance.documents + len(choice.held) <= 122
    assert not {"long", "twin"} <= choice.held  # one vector: kept once
    report = upgrade.verify()
    assert report.known_item.reembedded.n <= len(choice.held)


def test_another_model_under_the_same_name_is_refused_and_the_old_one_serves(
    tmp_path: Path, tiny_model: Path, drifted_model: Path, tiny_model_other: Path,
) -> None:  # fmt: skip
    newer, texts = shutil.copytree(drifted_model, tmp_path / "newer"), texts_of(60)
    with trivet.open(tmp_path / "index", model=tiny_model) as index:
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
        hits = found(index, texts["d7"])
        taken_to(index, newer, "query")
    shutil.copy(tiny_model_other / "model.safetensors", newer)
    with trivet.open(tmp_path / "index") as index:
        with pytest.raises(errors.SpaceMismatchError):
            found(index, texts["d7"])
        assert index.doctor().level == "broken"
        assert index.current_upgrade is not None
        index.current_upgrade.rollback()
        assert found(index, texts["d7"]) == hits


@pytest.mark.parametrize("fault", ["corrupt", "foreign"])
def test_a_map_that_is_damaged_or_of_other_spaces_answers_nothing(
    fault: str, tmp_path: Path
) -> None:
    texts, old, new = texts_of(120), service("old", of_words(0)), service("new", of_words(1))
    with trivet.open(tmp_path / "index", model=old) as index:
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
        hits = found(index, "anchor ship sail")
        upgrade = index.upgrade(new)
        upgrade.plan()
        upgrade.fit("keep")
        upgrade.verify()
        upgrade.cutover("query", force=True)
        manifest = index._store.manifest
        assert manifest.upgrade is not None
        maps = manifest.upgrade.maps
        if fault == "foreign":
            other = replace(manifest.upgrade, maps={**maps, "query": maps["translation"]})
            index._store.become(replace(manifest, upgrade=other))
    if fault == "corrupt":
        with closing(sqlite3.connect(tmp_path / "index" / "journal.sqlite")) as journal:
            [(content,)] = journal.execute(
                "SELECT content FROM kept WHERE name = ?", [maps["query"]]
            ).fetchall()
            turned = content[:-1] + bytes([content[-1] ^ 1])
            journal.execute("UPDATE kept SET content = ? WHERE name = ?", [turned, maps["query"]])
            journal.commit()
    with trivet.open(tmp_path / "index", model=new) as index:
        expected = errors.DriftMapFileError if fault == "corrupt" else errors.SpaceMismatchError
        with pytest.raises(expected):
            found(index, "anchor ship sail")
        assert index.current_upgrade is not None
        index.current_upgrade.rollback()
    with trivet.open(tmp_path / "index", model=old) as index:
        assert found(index, "anchor ship sail") == hits


def test_a_translation_between_other_spaces_gives_no_point_a_vector(
    old_index: trivet.Index,
) -> None:
    hits = found(old_index, "anchor ship sail")
    upgrade = taken_to(old_index, service("new", of_words(1)), "query")
    manifest = old_index._store.manifest
    assert manifest.upgrade is not None
    maps = manifest.upgrade.maps
    other = replace(manifest.upgrade, maps={**maps, "translation": maps["query"]})
    old_index._store.become(replace(manifest, upgrade=other))
    with pytest.raises(errors.SpaceMismatchError):
        upgrade.cutover("translate", force=True)
    upgrade.rollback()
    require_as_before(old_index, hits)


def test_an_end_that_was_forced_is_not_asked_about_again(old_index: trivet.Index) -> None:
    upgrade = taken_to(old_index, service("new", of_words(1)), "translate")
    for grace in (-1.0, float("nan"), float("inf")):
        with pytest.raises(errors.InvalidInputError, match="a grace of 0 seconds or more"):
            upgrade.finish(grace=grace, force=True)
    upgrade.finish(grace=3600, force=True)
    upgrade.finish()
    assert old_index.current_upgrade is None


@pytest.mark.parametrize("step", ["finish", "rollback"])
def test_a_step_that_died_while_vectors_were_dropped_is_completed_and_told(
    step: str, old_index: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = old_index._store.manifest.generation
    upgrade = taken_to(old_index, service("new", of_words(1)), "translate")
    newer = old_index._store.manifest.generation

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(old_index._store.engine), "drop_vectors", die)
        with pytest.raises(KeyboardInterrupt):
            upgrade.finish(force=True) if step == "finish" else upgrade.rollback()
    if step == "finish":
        with pytest.raises(errors.UpgradeStateError, match="got one whose finish was under way"):
            upgrade.rollback()
    else:
        upgrade.rollback()
    left = newer if step == "finish" else old
    assert old_index._store.manifest.generation == left
    assert old_index.current_upgrade is None
    assert old_index._store.engine.vector_names() == set(old_index._store.manifest.vector_spaces)


def test_a_slow_migration_keeps_to_its_budget_and_its_lease(
    old_index: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = taken_to(old_index, service("new", of_words(1)), "translate")
    now, naps, renewed = [0.0], [], []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("trivet.index.upgrade.migrating.time.monotonic", lambda: now[0])
    monkeypatch.setattr("trivet.index.upgrade.migrating.time.sleep", sleep)
    monkeypatch.setattr("trivet.index.upgrade.lease.Lease.renew", lambda _: renewed.append(now[0]))
    # One chunk in 40 seconds: three of them until 100 seconds are over.
    assert upgrade.migrate("id", rate=1 / 40, budget=100) == 3
    assert now[0] == 100
    assert max(naps) < LEASE_S / 2
    assert max(after - before for before, after in pairwise(renewed)) < LEASE_S / 2
    naps.clear()
    assert 20 <= upgrade.migrate("id", rate=10, budget=2) <= 30
    assert max(naps) <= 1
