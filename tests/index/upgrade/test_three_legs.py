"""An index as `trivet.open` makes it, three legs of it, through the whole of an upgrade."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import trivet
from trivet import Embedder, errors
from trivet.embedding import compact
from trivet.embedding.compact import TokenCodec
from trivet.index import tokens
from trivet.index.upgrade import Upgrade
from trivet.index.upgrade.migrating import Remaining

from .stages import state, stored, verified
from .three_legs import (
    THREE,
    answers,
    assert_answers,
    axes,
    bridge,
    end,
    every_vector,
    half,
    model_names,
    take,
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


@pytest.mark.usefixtures("small_batches")
def test_rollback_from_every_state_leaves_all_legs_as_they_were(
    index: trivet.Index, drifted_model: Path, small: dict[str, str]
) -> None:
    queries, names = [small["d7"], "sail wind"], model_names(index)
    before, hits = every_vector(index, list(small), names), answers(index, queries)
    assert len(before) == 2 * len(small)
    assert {mode for found in hits for _, _, scores in found for mode in scores} == THREE
    for step, named in (
        (bridge, "bridged"), (translate, "translated"), (half, "migrating"), (whole, "migrating"),
        (end, "ending"),
    ):  # fmt: skip
        upgrade = verified(index, drifted_model)
        take(step, upgrade)
        assert state(index) == named
        assert index.verify().is_clean
        upgrade.rollback()
        after = every_vector(index, list(small), names)
        assert before.keys() == after.keys()
        for key, vectors in before.items():
            np.testing.assert_array_equal(after[key], vectors)
        assert_answers(index, queries, hits)


def test_the_newer_models_token_vectors_have_axes_of_their_own(
    index: trivet.Index, tiny_model_other: Path, small: dict[str, str]
) -> None:
    older = axes(index, "token-codec")
    upgrade = verified(index, tiny_model_other)
    translate(upgrade)
    upgrade.migrate()
    multi = upgrade.generation.spaces["multi"]
    newer = axes(index, f"token-codec-{multi.fingerprint[:16]}")
    assert older.shape == newer.shape
    assert float(np.abs(older - newer).max()) > 0.01
    made = Embedder.load(tiny_model_other).embed_documents([small["d7"]]).multi.values[0]
    # What is stored are bytes around 128 whose products go with the cosines on the new axes.
    rows = stored(index, ["d7"], multi.vector_name)["d7"] - 128.0
    kept = made @ newer
    right = kept @ kept.T / np.outer(np.linalg.norm(kept, axis=1), np.linalg.norm(kept, axis=1))
    came = rows @ rows.T / np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(rows, axis=1))
    np.testing.assert_allclose(came, right, atol=0.02)


def test_a_leg_that_the_newer_model_does_not_make_is_told_by_the_plan_and_dropped_by_finish(
    index: trivet.Index, drifted_model: Path, small: dict[str, str]
) -> None:
    dense_alone = Embedder.load(drifted_model, modes=["dense"])
    upgrade = index.upgrade(dense_alone)
    assert "dropped by finish" in upgrade.plan().unmapped["multi"]
    upgrade = verified(index, dense_alone)
    whole(upgrade)
    upgrade.finish()
    assert [space.mode for space in index.describe().spaces] == ["dense", "sparse"]
    assert not any(name.startswith("multi") for name in index._store.engine.vector_names())
    assert set(index.search(small["d7"], k=1)[0].scores) == {"dense", "sparse"}
    assert index.verify().is_clean


def test_the_plan_counts_the_bytes_of_token_vectors(
    index: trivet.Index, drifted_model: Path, small: dict[str, str]
) -> None:
    plan = index.upgrade(drifted_model).plan()
    # Twelve words make twelve token vectors, of 33 bytes each at 32 dims.
    assert plan.size_bytes == len(small) * (32 * 4 + 12 * 33)


@pytest.mark.parametrize("step", [translate, half, whole, end])
@pytest.mark.usefixtures("small_batches")
def test_the_older_model_is_served_by_all_its_legs_while_they_are_there(
    step: Callable[[Upgrade], None], index: trivet.Index, location: str, tiny_model: Path,
    drifted_model: Path, small: dict[str, str],
) -> None:  # fmt: skip
    queries = [small["d7"], "sail wind"]
    plain, why = answers(index, queries), index.explain(small["d7"], "d7")
    take(step, verified(index, drifted_model))
    index.close()
    with trivet.open(location, model=tiny_model) as old:
        came = answers(old, queries)
        again = old.explain(small["d7"], "d7")
    for hits, before in zip(came, plain, strict=True):
        assert [id for id, _, _ in hits] == [id for id, _, _ in before]
        for (_, score, scores), (_, then, wanted) in zip(hits, before, strict=True):
            assert score == pytest.approx(then, abs=1e-5)
            assert scores == pytest.approx(wanted, abs=1e-4)
    assert [leg.mode for leg in again.legs] == [leg.mode for leg in why.legs]
    assert again.score == pytest.approx(why.score, abs=1e-5)
    tokens = [next(leg.tokens for leg in each.legs if leg.mode == "multi") for each in (why, again)]
    assert tokens[0]
    assert [t.cosine for t in tokens[1]] == pytest.approx([t.cosine for t in tokens[0]], abs=1e-4)


def test_token_vectors_that_both_models_make_alike_keep_their_axes(
    open_old: Callable[..., trivet.Index], tiny_model: Path, drifted_model: Path,
    small: dict[str, str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Found again on another machine, principal axes can be turned: what is stored has the first."""
    index = open_old(model=Embedder.compose(dense=tiny_model, multi=tiny_model))
    index.add(list(small.values()), ids=list(small), on_error="raise")
    before = [(hit.id, hit.score) for hit in index.search(small["d7"], k=5, modes=["multi"])]
    fit = tokens.fit_codec
    monkeypatch.setattr(tokens, "fit_codec", lambda made: turned(fit(made)))
    upgrade = verified(index, Embedder.compose(dense=drifted_model, multi=tiny_model))
    upgrade.cutover("translate", force=True)
    upgrade.migrate()
    upgrade.finish()
    after = [(hit.id, hit.score) for hit in index.search(small["d7"], k=5, modes=["multi"])]
    assert [id for id, _ in after] == [id for id, _ in before]
    assert [s for _, s in after] == pytest.approx([s for _, s in before], abs=1e-6)


def turned(codec: TokenCodec) -> TokenCodec:
    return TokenCodec(-codec.projection[:, ::-1])


def test_legs_are_called_whole_of_no_other_upgrade(
    index: trivet.Index, drifted_model: Path, tiny_model_other: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Another worker rolls an upgrade back, and begins one, when the first has looked at its end."""
    upgrade = verified(index, drifted_model)
    translate(upgrade)

    def overtaken(*_: object) -> Remaining:
        upgrade.rollback()
        index.upgrade(tiny_model_other).plan()
        return Remaining(0, 0)

    monkeypatch.setattr("trivet.index.upgrade.upgrade.count_remaining", overtaken)
    with pytest.raises(errors.UpgradeError):
        upgrade.migrate()
    monkeypatch.undo()
    theirs = index.current_upgrade
    assert theirs is not None
    theirs.fit()
    theirs.verify()
    translate(theirs)
    assert set(index.search("sail wind", k=1)[0].scores) <= {"dense", "sparse"}


def test_a_model_and_its_first_dims_have_token_vectors_of_their_own(
    open_old: Callable[..., trivet.Index], tiny_model: Path, small: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As many axes are kept of both."""
    monkeypatch.setattr(compact.compact_space, "__defaults__", (16,))
    monkeypatch.setattr(compact.fit_codec, "__defaults__", (16,))
    index = open_old(model=tiny_model)
    index.add(list(small.values()), ids=list(small), on_error="raise")
    names = model_names(index)
    before = every_vector(index, list(small), names)
    upgrade = verified(index, Embedder.load(tiny_model, dims=24))
    whole(upgrade)
    assert index.search(small["d7"], k=1)[0].id == "d7"
    assert not set(model_names(index)) & set(names)
    upgrade.rollback()
    after = every_vector(index, list(small), names)
    assert before.keys() == after.keys()
    for key, vectors in before.items():
        np.testing.assert_array_equal(after[key], vectors)
