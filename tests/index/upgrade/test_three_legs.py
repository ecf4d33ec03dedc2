"""An index as `trivet.open` makes it, three legs of it, through the whole of an upgrade."""

from __future__ import annotations

import io
import shutil
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

THREE = {"dense", "sparse", "multi"}


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


def model_names(index: trivet.Index) -> list[str]:
    return [space.vector_name for space in index.describe().spaces if not space.is_lexical]


def every_vector(index: trivet.Index, ids: list[str], names: list[str]) -> dict:
    return {
        (name, id): vectors for name in names for id, vectors in stored(index, ids, name).items()
    }


def answers(index: trivet.Index, queries: list[str]) -> list:
    return [
        [(hit.id, hit.score, dict(hit.scores)) for hit in hits]
        for hits in index.search_many(queries, k=5)
    ]


def axes(index: trivet.Index, name: str) -> np.ndarray:
    """Principal axes of token vectors, as the index keeps them."""
    return np.load(io.BytesIO(index._store.journal.kept(name)), allow_pickle=False)


def bridge(upgrade: Upgrade) -> None:
    upgrade.cutover("query", force=True)


def translate(upgrade: Upgrade) -> None:
    upgrade.cutover("translate", force=True)


def half(upgrade: Upgrade) -> None:
    translate(upgrade)
    upgrade.migrate("id", progress=stop)


def whole(upgrade: Upgrade) -> None:
    translate(upgrade)
    upgrade.migrate()


def end(upgrade: Upgrade) -> None:
    whole(upgrade)
    upgrade.finish(grace=3600)


class StoppedError(Exception):
    """Ends a migration."""


def stop(done: int) -> None:
    raise StoppedError


def take(step: Callable[[Upgrade], None], upgrade: Upgrade) -> None:
    try:
        step(upgrade)
    except StoppedError:
        return


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
        assert answers(index, queries) == hits


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
