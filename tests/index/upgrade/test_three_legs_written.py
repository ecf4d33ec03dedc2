"""What is written while an index of three legs is upgraded reaches all of them, of both models."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import trivet

from .stages import verified
from .three_legs import (
    THREE,
    StoppedError,
    stop,
    translate,
    whole,
)


@pytest.fixture
def location(tmp_path: Path) -> str:
    return str(tmp_path / "index")


@pytest.fixture
def small(texts: dict[str, str]) -> dict[str, str]:
    return {id: texts[id] for id in list(texts)[:60]}


@pytest.fixture
def index(
    open_old: Callable[..., trivet.Index], tiny_model: Path, small: dict[str, str]
) -> trivet.Index:
    index = open_old(model=tiny_model)
    index.add(list(small.values()), ids=list(small), on_error="raise")
    return index


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trivet.index.upgrade.migrating.BATCH", 16)


WRITES = {"d0": "kedge anchor rope", "new": "sail wind storm"}


def write(index: trivet.Index, name: str) -> None:
    """Change, add and delete a document."""
    index.upsert([f"{WRITES['d0']} {name}"], ids=["d0"], on_error="raise")
    index.add([f"{WRITES['new']} {name}"], ids=[f"new {name}"], on_error="raise")
    index.delete([f"d{len(name)}"])


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("is_finished", [True, False])
def test_writes_in_every_state_reach_all_legs_of_both_models(
    is_finished: bool,
    index: trivet.Index,
    tiny_model: Path,
    drifted_model: Path,
    small: dict[str, str],
) -> None:
    """Whichever model is left in the end, the index is as a new one of that model."""
    now, query = dict(small), "sail wind storm rope"

    def writing(name: str) -> None:
        write(index, name)
        now["d0"] = f"{WRITES['d0']} {name}"
        now[f"new {name}"] = f"{WRITES['new']} {name}"
        del now[f"d{len(name)}"]
        assert index.verify().is_clean
        assert f"new {name}" in {hit.id for hit in index.search(f"{WRITES['new']} {name}", k=9)}

    upgrade = verified(index, drifted_model)
    upgrade.cutover("query", force=True)
    writing("bridged")
    upgrade.cutover("translate", force=True)
    writing("translated")
    with pytest.raises(StoppedError):
        upgrade.migrate("id", progress=stop)
    writing("in the midst")
    upgrade.migrate()
    writing("migrated everything")
    assert upgrade.status().native == len(now)
    if is_finished:
        upgrade.finish()
    else:
        upgrade.rollback()
    assert index.current_upgrade is None
    require_as_new(index, drifted_model if is_finished else tiny_model, now, query)


def require_as_new(index: trivet.Index, model: Path, texts: dict[str, str], query: str) -> None:
    """Fail unless every leg answers as that of a new index of these texts."""
    with trivet.open(":memory:", model=model) as fresh:
        fresh.add(list(texts.values()), ids=list(texts), on_error="raise")
        for mode in ("dense", "multi"):
            expected = {h.id: h.score for h in fresh.search(query, k=100, modes=[mode])}
            came = {h.id: h.score for h in index.search(query, k=100, modes=[mode])}
            assert came.keys() == expected.keys() == texts.keys()
            assert came == pytest.approx(expected, abs=2e-3)
    assert {mode for hit in index.search(query) for mode in hit.scores} == THREE


@pytest.mark.parametrize("is_whole", [False, True])
def test_documents_are_added_while_the_older_model_is_gone(
    is_whole: bool, tiny_model: Path, drifted_model: Path, small: dict[str, str], tmp_path: Path
) -> None:
    """Its vectors are mapped, those of tokens too, until it is there again."""
    model = shutil.copytree(tiny_model, tmp_path / "old")
    with trivet.open(tmp_path / "index", model=model) as index:
        index.add(list(small.values()), ids=list(small), on_error="raise")
        (whole if is_whole else translate)(verified(index, drifted_model))
    hidden = model.rename(tmp_path / "hidden")
    written = {"d0": "kedge anchor rope", "new": "sail wind storm"}
    with trivet.open(tmp_path / "index") as index:
        index.upsert(list(written.values()), ids=list(written), on_error="raise")
        upgrade = index.current_upgrade
        assert upgrade is not None
        assert upgrade.status().native == (61 if is_whole else 2)
        assert index.verify().is_clean
        assert index.doctor().level == "look"  # the older model is gone
        assert index.search("sail wind storm", k=1)[0].id == "new"
        upgrade.rollback()
        assert index.describe().translated == 2
        assert index.verify().is_clean
    hidden.rename(model)
    with trivet.open(tmp_path / "index") as index:
        assert index.search("sail wind storm", k=1)[0].id == "new"
        assert index.make_native() == 2
        assert index.describe().translated == 0
        require_as_new(index, tiny_model, {**small, **written}, "sail wind rope")
