"""Vectors that were carried over and stay: counted, told, and made native when that can be."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import trivet
from trivet import errors
from trivet.index.upgrade import migrating

from .services import Embed, of_words, service, taken_to, texts_of
from .stages import found, stored, verified

TEXTS = texts_of(60)
OLD, NEW = of_words(0), of_words(1)


def filled(open_it: Callable[..., trivet.Index]) -> trivet.Index:
    index = open_it(model=service("old", OLD), modes=["dense", "sparse"])
    index.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
    return index


def require_native(index: trivet.Index, texts: dict[str, str], embed: Embed) -> None:
    name = index._store.manifest.spaces["dense"].vector_name
    made = stored(index, list(texts), name)
    expected = embed(list(texts.values()))
    np.testing.assert_allclose([made[id] for id in texts], expected, atol=1e-5)


def test_what_a_forced_end_leaves_translated_is_counted_and_made_native_later(
    open_old: Callable[..., trivet.Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "BATCH", 16)
    index = filled(open_old)
    assert index.make_native() == 0
    upgrade = taken_to(index, service("new", NEW), "translate")
    upgrade.migrate("id", budget=1e-9)
    with pytest.raises(errors.UpgradeInProgressError, match="go on with it"):
        index.make_native()
    index.upsert(["kedge anchor rope"], ids=["d0"], on_error="raise")  # native, as every write
    upgrade.finish(force=True)
    assert index.describe().translated == 59
    index.close()
    # The mark is in the index, and outlives the upgrade, the process and the older vectors.
    with open_old(model=service("new", NEW)) as again:
        assert again.describe().translated == 59
        [leg] = [leg for leg in again.doctor().legs if leg.mode == "dense"]
        assert (leg.native, leg.translated) == (1, 59)
        assert again.verify().is_clean
        again.upsert(["sail wind storm"], ids=["d1"], on_error="raise")  # an edit is native
        again.delete(["d2"])
        assert again.describe().translated == 57

        def stop(_: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            again.make_native(progress=stop)
        assert again.describe().translated == 41  # a batch of 16 was done
        assert again.make_native() == 41
        assert (again.describe().translated, again.make_native()) == (0, 0)
        assert again._store.journal.kept(f"carried:{again.spaces[0].vector_name}") is None
        now = {**TEXTS, "d0": "kedge anchor rope", "d1": "sail wind storm"}
        del now["d2"]
        require_native(again, now, NEW)
        assert again.verify().is_clean


def test_texts_that_nobody_has_stay_translated_and_counted() -> None:
    index = filled(lambda **given: trivet.open(":memory:", **given))
    with index:
        taken_to(index, service("new", NEW), "translate").finish(force=True)
        points = [index._store.point_id(id, 0) for id in ("d0", "d1")]
        with index._store.engine._using() as client:
            client.delete_payload("trivet", ["page_content"], points)
        assert index.make_native() == 58
        assert index.describe().translated == 2
        assert index.make_native(text_resolver={"d0": TEXTS["d0"]}.get) == 1
        assert index.describe().translated == 1


def failing(texts: list[str]) -> np.ndarray:
    raise ConnectionError("the service was closed")


@pytest.mark.parametrize("fault", ["gone", "fails", "other vectors"])
def test_documents_are_added_while_the_older_model_is_not_to_be_had(
    fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with filled(lambda **given: trivet.open(tmp_path / "index", **given)) as index:
        taken_to(index, service("new", NEW), "translate")
    kept = shutil.copytree(tmp_path / "index", tmp_path / "kept")
    old = {"fails": service("old", failing), "other vectors": service("old", of_words(7))}
    added = {"added": "kedge anchor rope", "d0": "sail wind storm"}
    with trivet.open(kept, model=service("new", NEW)) as index:
        if fault != "gone":
            index._model.bring(old[fault])
        with caplog.at_level(logging.WARNING):
            index.upsert(list(added.values()), ids=list(added), on_error="raise")
        assert "'wrapped:old', the older model, is not to be had" in caplog.text
        assert found(index, "kedge anchor rope", k=1) == ["added"]
        upgrade = index.current_upgrade
        assert upgrade is not None
        assert upgrade.status().native == 2
        [leg] = [leg for leg in index.doctor().legs if not leg.serves and leg.mode == "dense"]
        assert leg.translated == 2
        upgrade.rollback()
        assert index.current_upgrade is None
        assert index.describe().translated == 2
    # Asked for by name, a model that makes other vectors is refused.
    if fault == "other vectors":
        with (
            trivet.open(kept, model=old[fault]) as index,
            pytest.raises(errors.SpaceMismatchError, match="makes others"),
        ):
            index.search("kedge anchor rope")
    with trivet.open(kept, model=service("old", OLD)) as index:
        assert found(index, "kedge anchor rope", k=1) == ["added"]  # mapped well enough
        assert index.make_native() == 2
        require_native(index, {**TEXTS, **added}, OLD)


def test_documents_are_added_while_queries_are_mapped_and_the_older_model_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with filled(lambda **given: trivet.open(tmp_path / "index", **given)) as index:
        taken_to(index, service("new", NEW), "query")
    added = {"added": "kedge anchor rope", "d0": "sail wind storm"}
    with trivet.open(tmp_path / "index", model=service("new", NEW)) as index:
        with caplog.at_level(logging.WARNING):
            index.upsert(list(added.values()), ids=list(added), on_error="raise")
        assert "'wrapped:old', the older model, is not to be had" in caplog.text
        assert found(index, "kedge anchor rope", k=1) == ["added"]
        assert index.describe().translated == 2
        assert index.verify().is_clean
    shutil.copytree(tmp_path / "index", tmp_path / "kept")
    with trivet.open(tmp_path / "index", model=service("new", NEW)) as index:
        upgrade = index.current_upgrade
        assert upgrade is not None
        upgrade.migrate()
        assert upgrade.status().native == 61
        upgrade.finish()
        assert index.describe().translated == 0
        require_native(index, {**TEXTS, **added}, NEW)
    with trivet.open(tmp_path / "kept", model=service("old", OLD)) as index:
        upgrade = index.current_upgrade
        assert upgrade is not None
        upgrade.rollback()
        assert index.make_native() == 2
        require_native(index, {**TEXTS, **added}, OLD)


def test_token_vectors_of_an_older_model_that_is_gone_are_mapped_too(
    tiny_model: Path, drifted_model: Path, texts: dict[str, str], tmp_path: Path
) -> None:
    older = shutil.copytree(tiny_model, tmp_path / "older")
    some, modes = dict(list(texts.items())[:80]), ["dense", "sparse", "multi"]
    with trivet.open(tmp_path / "index", model=older, modes=modes) as index:
        index.add(list(some.values()), ids=list(some), on_error="raise")
        verified(index, drifted_model).cutover("query", force=True)
    older.rename(tmp_path / "away")
    with trivet.open(tmp_path / "index") as index:
        index.add(["kedge anchor rope"], ids=["bridged"], on_error="raise")
        upgrade = index.current_upgrade
        assert upgrade is not None
        upgrade.migrate(budget=1e-9)
        index.add(["sail wind storm"], ids=["migrating"], on_error="raise")
        assert index.verify().is_clean
        upgrade.rollback()
        assert index.describe().translated == 2
    (tmp_path / "away").rename(older)
    with trivet.open(tmp_path / "index") as index:
        assert index.make_native() == 2
        hits = [(hit.id, hit.score) for hit in index.search("kedge anchor", k=5, modes=["multi"])]
    now = {**some, "bridged": "kedge anchor rope", "migrating": "sail wind storm"}
    with trivet.open(":memory:", model=older, modes=modes) as fresh:
        fresh.add(list(now.values()), ids=list(now), on_error="raise")
        right = [(hit.id, hit.score) for hit in fresh.search("kedge anchor", k=5, modes=["multi"])]
    assert [id for id, _ in hits] == [id for id, _ in right]
    assert [score for _, score in hits] == pytest.approx([score for _, score in right], abs=1e-3)


def test_a_checkpoint_that_changed_or_cannot_be_read_stops_no_write(
    tiny_model: Path, tiny_model_other: Path, drifted_model: Path, texts: dict[str, str],
    tmp_path: Path,
) -> None:  # fmt: skip
    older = shutil.copytree(tiny_model, tmp_path / "older")
    some = dict(list(texts.items())[:60])
    with trivet.open(tmp_path / "index", model=older, modes=["dense", "sparse"]) as index:
        index.add(list(some.values()), ids=list(some), on_error="raise")
        upgrade = verified(index, drifted_model)
        upgrade.cutover("translate", force=True)
    shutil.copy(tiny_model_other / "model.safetensors", older)
    with trivet.open(tmp_path / "index") as index:
        index.add(["kedge anchor rope"], ids=["changed"], on_error="raise")
    (older / "config.json").write_text("no JSON")
    with trivet.open(tmp_path / "index") as index:
        index.add(["sail wind storm"], ids=["unreadable"], on_error="raise")
        assert index.count() == 62
        assert index.verify().is_clean
        upgrade = index.current_upgrade
        assert upgrade is not None
        upgrade.migrate()
        assert upgrade.status().native == 62
        upgrade.finish()
    with pytest.raises(errors.TrivetError):
        trivet.open(tmp_path / "index", model=older)


def test_vectors_that_are_given_are_stored_beside_the_other_models_own() -> None:
    with filled(lambda **given: trivet.open(":memory:", **given)) as index:
        upgrade = taken_to(index, service("new", NEW), "translate")
        upgrade.migrate()
        text = "kedge anchor rope"
        dense = service("new", NEW).embed_documents([text])
        index.upsert([text], ids=["given"], representations=dense, on_error="raise")
        assert (upgrade.status().native, upgrade.status().documents) == (61, 61)
        upgrade.rollback()
        require_native(index, {**TEXTS, "given": text}, OLD)


def test_a_fit_does_without_an_older_model_that_changed(
    tiny_model: Path, tiny_model_other: Path, drifted_model: Path, texts: dict[str, str],
    tmp_path: Path,
) -> None:  # fmt: skip
    older = shutil.copytree(tiny_model, tmp_path / "older")
    some = dict(list(texts.items())[:120])
    with trivet.open(tmp_path / "index", model=older, modes=["dense", "sparse"]) as index:
        index.add(list(some.values()), ids=list(some), on_error="raise")
    shutil.copy(tiny_model_other / "model.safetensors", older)
    with trivet.open(tmp_path / "index") as index:
        assert verified(index, drifted_model).status().verdicts["query"] != "PASS"
