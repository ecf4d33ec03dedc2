"""An index that is being upgraded, opened by any process with any of its models."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

import trivet
from trivet import errors
from trivet.index.vectors import CutDocument, ModelVectors

from .stages import bridged, found, translated, verified


@pytest.fixture
def location(tmp_path: Path) -> str:
    return str(tmp_path / "index")


def test_any_process_routes_queries_as_the_upgrade_says(
    index: trivet.Index, location: str, drifted_model: Path, texts: dict[str, str]
) -> None:
    plain = [hit.score for hit in index.search(texts["d7"], k=3, modes=["dense"])]
    bridged(index, drifted_model)
    mapped = [hit.score for hit in index.search(texts["d7"], k=3, modes=["dense"])]
    assert mapped != plain
    index.close()
    with trivet.open(location) as again:
        assert [h.score for h in again.search(texts["d7"], k=3, modes=["dense"])] == mapped
        assert again.current_upgrade is not None
        assert again.current_upgrade.status().state == "bridged"


@pytest.mark.parametrize("go", [bridged, translated])
def test_the_old_model_is_served_natively_while_its_vectors_are_there(
    go: object, index: trivet.Index, location: str, drifted_model: Path, tiny_model: Path,
    texts: dict[str, str],
) -> None:  # fmt: skip
    plain = [(h.id, h.score) for h in index.search(texts["d7"], k=3, modes=["dense"])]
    go(index, drifted_model)
    index.close()
    with trivet.open(location, model=tiny_model) as old:
        came = [(h.id, h.score) for h in old.search(texts["d7"], k=3, modes=["dense"])]
    assert [id for id, _ in came] == [id for id, _ in plain]
    assert [s for _, s in came] == pytest.approx([s for _, s in plain], abs=1e-5)
    with trivet.open(location, model=drifted_model) as new:
        assert found(new, texts["d7"], k=1) == ["d7"]


def test_after_finish_the_old_model_is_refused_by_the_name_of_the_new_one(
    index: trivet.Index, location: str, drifted_model: Path, tiny_model: Path
) -> None:
    upgrade = translated(index, drifted_model)
    upgrade.finish(force=True)
    index.close()
    with pytest.raises(errors.SpaceMismatchError, match=str(drifted_model)):
        trivet.open(location, model=tiny_model)


def test_the_new_model_is_refused_before_it_serves(
    index: trivet.Index, location: str, drifted_model: Path
) -> None:
    verified(index, drifted_model)
    index.close()
    with pytest.raises(errors.SpaceMismatchError):
        trivet.open(location, model=drifted_model)


def test_a_grace_leaves_the_way_back_open(
    index: trivet.Index, location: str, drifted_model: Path, texts: dict[str, str]
) -> None:
    hits = found(index, texts["d7"])
    upgrade = translated(index, drifted_model)
    upgrade.finish(grace=3600, force=True)
    index.close()
    with trivet.open(location) as again:
        assert again.current_upgrade is not None
        assert again.current_upgrade.status().state == "ending"
        again.current_upgrade.rollback()
        assert found(again, texts["d7"]) == hits


def test_a_grace_that_is_over_ends_with_the_next_opening(
    index: trivet.Index, location: str, drifted_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translated(index, drifted_model).finish(grace=3600, force=True)
    index.close()
    later = time.time() + 7200
    monkeypatch.setattr("trivet.store.upgrading.time.time", lambda: later)
    with trivet.open(location) as again:
        assert again.current_upgrade is None


def test_finish_refuses_while_documents_are_translated(
    index: trivet.Index, drifted_model: Path
) -> None:
    upgrade = bridged(index, drifted_model)
    with pytest.raises(errors.UpgradeStateError, match="translated or migrating"):
        upgrade.finish()
    upgrade.migrate(budget=1e-9)
    with pytest.raises(errors.UpgradeStateError, match="all 240 documents, got them of 0"):
        upgrade.finish()


def test_steps_out_of_turn_are_refused(index: trivet.Index, drifted_model: Path) -> None:
    upgrade = index.upgrade(drifted_model)
    for step in (upgrade.fit, upgrade.verify, upgrade.migrate, upgrade.finish, upgrade.status):
        with pytest.raises(errors.UpgradeStateError, match="got none"):
            step()
    with pytest.raises(errors.UpgradeStateError, match="got none"):
        upgrade.rollback()
    upgrade.plan()
    with pytest.raises(errors.UpgradeStateError, match="one that is planned"):
        upgrade.cutover("query", force=True)
    with pytest.raises(errors.InvalidInputError, match="query, translate"):
        upgrade.cutover("swap")
    with pytest.raises(errors.InvalidInputError, match="'hot' or 'id'"):
        upgrade.migrate("cold")
    with pytest.raises(errors.InvalidInputError, match="rate above 0"):
        upgrade.migrate(rate=0)
    with pytest.raises(errors.DriftError, match="keep"):
        upgrade.fit("more")


def test_one_migration_at_a_time(index: trivet.Index, drifted_model: Path) -> None:
    upgrade = translated(index, drifted_model)
    refused: list[Exception] = []

    def second(_: int) -> None:
        with pytest.raises(errors.UpgradeInProgressError) as caught:
            upgrade.migrate()
        refused.append(caught.value)

    upgrade.migrate(progress=second)
    assert refused


def test_an_unlike_model_is_refused_unless_forced(
    index: trivet.Index, tiny_model_other: Path, texts: dict[str, str]
) -> None:
    upgrade = index.upgrade(tiny_model_other)
    assert upgrade.plan().aim == "gain"
    upgrade.fit("keep")
    report = upgrade.verify()
    assert report.verdicts["query"].verdict == "REFUSE"
    with pytest.raises(errors.UpgradeRefusedError, match="overlap@10"):
        upgrade.cutover("query")
    with pytest.raises(errors.UpgradeRefusedError):
        upgrade.cutover("query", accept_review=True)
    upgrade.cutover("query", force=True)
    assert len(found(index, texts["d7"])) == 5


def test_a_gain_passes_by_judged_queries_alone(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    upgrade = index.upgrade(drifted_model)
    upgrade.plan()
    upgrade.fit("gain")
    assert upgrade.verify().verdicts["query"].verdict == "REVIEW"
    with pytest.raises(errors.UpgradeRefusedError, match="accept_review=True"):
        upgrade.cutover("query")
    judged = {texts[f"d{i}"]: {f"d{i}": 1} for i in range(40)}
    report = upgrade.verify(judged)
    assert report.judged is not None
    assert report.judged.compensated.n == 40
    assert report.verdicts["query"].verdict == "PASS"
    upgrade.cutover("query")


def test_judgements_without_a_relevant_document_are_refused(
    index: trivet.Index, drifted_model: Path
) -> None:
    upgrade = verified(index, drifted_model)
    with pytest.raises(errors.InvalidInputError, match="grade 1 or more"):
        upgrade.verify({"a query": {"d1": 0}})
    with pytest.raises(errors.InvalidInputError, match="whole grades"):
        upgrade.verify({"a query": ["d1"]})


def test_without_the_old_model_there_is_a_review_at_best(
    location: str, tiny_model: Path, drifted_model: Path, texts: dict[str, str], tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    shutil.copytree(tiny_model, gone)
    with trivet.open(location, model=gone) as index:
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
    shutil.rmtree(gone)
    with trivet.open(location) as index:
        upgrade = verified(index, drifted_model)
        assert upgrade.status().verdicts["query"] == "REVIEW"
        upgrade.cutover("query", accept_review=True)
        assert found(index, texts["d7"], k=1) == ["d7"]
        upgrade.migrate()
        upgrade.finish()
        assert found(index, texts["d7"], k=1) == ["d7"]


def test_an_index_without_dense_vectors_has_nothing_to_upgrade(
    location: str, drifted_model: Path
) -> None:
    with trivet.open(location, modes=["sparse"]) as index, pytest.raises(errors.UpgradeError):
        index.upgrade(drifted_model)


def test_an_index_that_is_being_translated_is_whole(
    index: trivet.Index, drifted_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every point has the newer vector yet, and none is broken for that."""
    upgrade = verified(index, drifted_model)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(index._shared.store.engine), "set_vectors", stop)
        with pytest.raises(KeyboardInterrupt):
            upgrade.cutover("translate")
    assert upgrade.status().state == "translating"
    assert index.verify().is_clean
    upgrade.cutover("translate")
    assert upgrade.status().state == "translated"


def test_a_document_that_was_embedded_before_the_cutover_is_embedded_again(
    index: trivet.Index, drifted_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = verified(index, drifted_model)
    embed, calls = ModelVectors.embed, []

    def overtaken(source: ModelVectors, documents: list[CutDocument]) -> object:
        made = embed(source, documents)
        calls.append(len(documents))
        if len(calls) == 1:
            upgrade.cutover("translate")
        return made

    monkeypatch.setattr(ModelVectors, "embed", overtaken)
    report = index.add(["kedge anchor rope"], ids=["added"])
    assert (report.added, report.failed) == (1, ())
    assert calls == [1, 1]
    assert index.verify().is_clean
    assert upgrade.status().native == 1
    assert found(index, "kedge anchor rope", k=1) == ["added"]
