"""An index upgraded to another model, step by step, on every engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import trivet
from trivet import Embedder, errors

from .stages import bridged, exact, found, require_untouched, state, stored, translated, verified


def _queries(model: Path, texts: list[str]) -> np.ndarray:
    dense = Embedder.load(model, modes=["dense"]).embed_queries(texts).dense
    assert dense is not None
    return dense.values


def _names(index: trivet.Index) -> set[str]:
    """The vector names of the engine, in a folder; elsewhere those of the manifest."""
    store = index._shared.store
    if store.folder is None:
        return set(store.manifest.vector_spaces)
    config = json.loads((store.folder / store.manifest.shard / "edge_config.json").read_text())
    return {*config["vectors"], *config["sparse_vectors"]}


def test_the_steps_are_told_by_the_state(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    assert index.current_upgrade is None
    upgrade = index.upgrade(drifted_model)
    assert index.current_upgrade is None  # nothing is noted before the plan
    plan = upgrade.plan()
    assert (plan.documents, plan.chunks, plan.size_bytes) == (240, 240, 240 * 32 * 4)
    assert plan.tokens == 240 * 14  # twelve words, [CLS] and [SEP]
    assert plan.overlap is not None
    assert plan.overlap > 0.5
    assert (plan.aim, plan.mode) == ("keep", "query")
    assert state(index) == "planned"
    choice = upgrade.fit()
    assert choice.drift.source == upgrade.generation.spaces["dense"]
    assert state(index) == "fitted"
    report = upgrade.verify()
    assert {mode: v.verdict for mode, v in report.verdicts.items()} == {
        "query": "PASS", "translate": "PASS"
    }  # fmt: skip
    assert report.known_item.old is not None
    assert report.known_item.reembedded.n == 48  # a fifth of the documents was held out
    assert state(index) == "verified"
    assert upgrade.status().native == 0


def test_query_mode_maps_queries_and_writes_nothing(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    ids = list(texts)
    name = index.describe().spaces[0].vector_name
    before = stored(index, ids, name)
    upgrade = verified(index, drifted_model)
    drift = upgrade.fit().drift
    upgrade.verify()
    upgrade.cutover("query")
    query = texts["d7"]
    mapped = drift.apply_rows(_queries(drifted_model, [query]))[0]
    assert found(index, query) == exact(mapped, before)
    [hit] = index.search(query, k=1, modes=["dense"])
    assert hit.score == pytest.approx(float(before["d7"] @ mapped), abs=1e-4)
    after = stored(index, ids, name)
    require_untouched(index, before, after)
    assert index.describe().spaces[0].vector_name == name


def test_translated_vectors_serve_the_new_model_directly(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    ids = list(texts)
    old_name = index.describe().spaces[0].vector_name
    before = stored(index, ids, old_name)
    upgrade = translated(index, drifted_model)
    new_name = upgrade.generation.spaces["dense"].vector_name
    now = stored(index, ids, new_name)
    assert now.keys() == before.keys()
    assert index.describe().spaces[0].vector_name == new_name
    query = _queries(drifted_model, [texts["d7"]])[0]
    assert found(index, texts["d7"]) == exact(query, now)
    assert upgrade.status().native == 0
    after = stored(index, ids, old_name)
    require_untouched(index, before, after)


def test_migration_ends_with_the_vectors_that_a_new_index_would_have(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    upgrade = bridged(index, drifted_model)
    assert upgrade.migrate(budget=1e-9) == 0
    assert (state(index), upgrade.status().native) == ("migrating", 0)
    assert upgrade.migrate("id") == 240
    assert upgrade.status().native == 240
    assert upgrade.migrate() == 0
    name = upgrade.generation.spaces["dense"].vector_name
    dense = (
        Embedder.load(drifted_model, modes=["dense"]).embed_documents(list(texts.values())).dense
    )
    assert dense is not None
    for row, vector in zip(dense.values, stored(index, list(texts), name).values(), strict=True):
        np.testing.assert_allclose(vector, row, atol=1e-5)
    upgrade.finish()
    assert index.current_upgrade is None
    assert len(found(index, texts["d3"])) == 5
    assert index.verify().is_clean


def test_rollback_leaves_the_old_vectors_to_the_last_bit(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    ids = list(texts)
    space = index.describe().spaces[0]
    before, hits = stored(index, ids, space.vector_name), found(index, texts["d9"])
    for go in (verified, bridged, translated):
        upgrade = go(index, drifted_model)
        upgrade.rollback()
        assert index.current_upgrade is None
        assert index.describe().spaces[0] == space
        after = stored(index, ids, space.vector_name)
        require_untouched(index, before, after)
        assert upgrade.generation.spaces["dense"].vector_name not in _names(index)
        assert found(index, texts["d9"]) == hits
    half = translated(index, drifted_model)
    half.migrate(budget=0.05)
    half.rollback()
    assert found(index, texts["d9"]) == hits


@pytest.mark.parametrize("go", [bridged, translated])
def test_documents_are_added_changed_and_deleted_in_every_state(
    go: Callable[..., object], index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    go(index, drifted_model)
    for step in range(2):
        index.add([f"kedge anchor rope {step}"], ids=[f"added {step}"], on_error="raise")
        index.upsert([f"sail wind storm {step}"], ids=["d0"], on_error="raise")
        assert index.delete([f"d{step + 1}"]) == 1
        upgrade = index.current_upgrade
        assert upgrade is not None
        upgrade.migrate(budget=1e-9 if step == 0 else None)
    assert upgrade.status().native == upgrade.status().documents == 240
    assert found(index, "kedge anchor rope 1", k=1) == ["added 1"]
    assert found(index, "sail wind storm 1", k=1) == ["d0"]
    assert index.verify().is_clean
    upgrade.finish()
    assert index.verify().is_clean
    assert found(index, "kedge anchor rope 0", k=1) == ["added 0"]


def test_what_is_written_while_migrating_is_native_from_the_start(
    index: trivet.Index, drifted_model: Path
) -> None:
    upgrade = translated(index, drifted_model)
    index.add(["kedge anchor rope"], ids=["added"], on_error="raise")
    assert upgrade.status().native == 1
    # And has a vector of the old model, for a rollback.
    upgrade.rollback()
    assert found(index, "kedge anchor rope", k=1) == ["added"]


def test_hot_documents_are_migrated_first(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    upgrade = translated(index, drifted_model)
    hot = found(index, texts["d200"], k=3)
    done: list[int] = []

    def stop(count: int) -> None:
        done.append(count)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upgrade.migrate("hot", progress=stop)
    assert done == [3]
    name = upgrade.generation.spaces["dense"].vector_name
    dense = Embedder.load(drifted_model, modes=["dense"]).embed_documents([texts[h] for h in hot])
    assert dense.dense is not None
    for id, row in zip(hot, dense.dense.values, strict=True):
        np.testing.assert_allclose(stored(index, [id], name)[id], row, atol=1e-5)
    assert upgrade.status().native == 3


def test_bm25_is_left_alone(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    sparse = index.describe().spaces[1]
    [before] = index.search(texts["d5"], k=1, modes=["sparse"])
    upgrade = translated(index, drifted_model)
    [hit] = index.search(texts["d5"], k=1)
    assert hit.scores["sparse"] == pytest.approx(before.scores["sparse"])
    upgrade.migrate()
    upgrade.finish()
    assert index.describe().spaces[1] == sparse
    [after] = index.search(texts["d5"], k=1, modes=["sparse"])
    assert after.score == pytest.approx(before.score)


def test_one_upgrade_at_a_time(
    index: trivet.Index, drifted_model: Path, tiny_model_other: Path, tiny_model: Path
) -> None:
    upgrade = index.upgrade(drifted_model)
    upgrade.plan()
    with pytest.raises(errors.UpgradeInProgressError, match="got one to"):
        index.upgrade(tiny_model_other)
    again = index.upgrade(drifted_model)
    assert again.generation == upgrade.generation
    upgrade.rollback()
    index.upgrade(tiny_model_other).plan()
    with pytest.raises(errors.UpgradeInProgressError, match="current_upgrade"):
        upgrade.fit()
    index.upgrade(tiny_model_other).rollback()
    with pytest.raises(errors.InvalidInputError, match="nothing to upgrade"):
        index.upgrade(tiny_model)
