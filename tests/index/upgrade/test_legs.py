"""The legs beside the dense one: token vectors that are mapped, and legs that drop out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checkpoints import Recipe, build_checkpoint

import trivet
from trivet import Embedder, Settings, errors
from trivet.drift import DriftMap
from trivet.index.upgrade.token_leg import max_sim, unmappable_legs
from trivet.store.generations import Generation
from trivet.types import MultiVectors, Space

from .stages import verified


@pytest.fixture
def location() -> str:
    return ":memory:"


@pytest.fixture
def three_legs(tiny_model: Path, texts: dict[str, str]) -> trivet.Index:
    settings = Settings(tokens="full")
    index = trivet.open(":memory:", model=tiny_model, modes=["dense", "sparse", "multi"],
                        settings=settings)  # fmt: skip
    index.add(list(texts.values()), ids=list(texts), on_error="raise")
    return index


def test_token_vectors_are_mapped_one_by_one(
    three_legs: trivet.Index, drifted_model: Path, tiny_model: Path, texts: dict[str, str]
) -> None:
    with three_legs as index:
        upgrade = index.upgrade(drifted_model)
        assert upgrade.plan().unmapped == {}
        upgrade.fit()
        report = upgrade.verify()
        assert report.legs["multi"].verdict == "PASS"
        assert "token vectors, compensated" in report.to_html()
        upgrade.cutover("query")
        query = texts["d7"]
        hits = index.search(query, k=5, modes=["multi"])
        record = index._store.manifest.upgrade
        drift: DriftMap = index._model.map_of(record, "tokens")
        asked = Embedder.load(drifted_model, modes=["multi"]).embed_queries([query]).multi
        made = Embedder.load(tiny_model, modes=["multi"]).embed_documents(list(texts.values()))
        assert asked is not None
        assert made.multi is not None
        assert drift.provenance.sources == {"token": drift.provenance.pairs}
        mapped = drift.apply(asked).values[0]
        scores = {
            id: float(np.mean([max(token @ row for row in rows) for token in mapped]))
            for id, rows in zip(texts, made.multi.values, strict=True)
        }
        best = sorted(scores, key=lambda id: -scores[id])[:5]
        assert [hit.id for hit in hits] == best
        assert hits[0].score == pytest.approx(scores[best[0]], abs=1e-4)
        [hit] = index.search(query, k=1)
        assert set(hit.scores) == {"dense", "sparse", "multi"}
        upgrade.rollback()
        assert set(index.search(query, k=1)[0].scores) == {"dense", "sparse", "multi"}


def test_compact_token_vectors_are_compensated_too(
    tiny_model: Path, drifted_model: Path, texts: dict[str, str]
) -> None:
    with trivet.open(":memory:", model=tiny_model, modes=["dense", "multi"]) as index:
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
        verified(index, drifted_model).cutover("query")
        [hit] = index.search(texts["d7"], k=1)
        assert hit.id == "d7"
        assert set(hit.scores) == {"dense", "multi"}


@pytest.mark.parametrize("tokens", ["full", "compact"])
@pytest.mark.parametrize("recipe", [Recipe(seed=3), Recipe(seed=3, cased=True)])
def test_token_vectors_serve_again_when_all_documents_are_migrated(
    tokens: str, recipe: Recipe, tiny_model: Path, tmp_path: Path, texts: dict[str, str]
) -> None:
    """Whatever tokenizer the newer model has: its own token vectors are what serves in the end."""
    newer = build_checkpoint(tmp_path / "newer", recipe)
    query, modes = texts["d7"], ["dense", "sparse", "multi"]
    settings = Settings(tokens=tokens)
    with trivet.open(tmp_path / "index", model=tiny_model, modes=modes, settings=settings) as index:
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
        before = [(h.id, h.score) for h in index.search(query, k=5)]
        upgrade = verified(index, newer)
        upgrade.cutover("translate", force=True)
        assert set(index.search(query, k=1)[0].scores) == {"dense", "sparse"}
        upgrade.migrate(budget=1e-9)
        index.upsert(["sail wind storm"], ids=["d0"], on_error="raise")
        index.add(["kedge anchor rope"], ids=["added"], on_error="raise")
        assert index.verify().is_clean
        assert set(index.search(query, k=1)[0].scores) == {"dense", "sparse"}
        report = index.doctor()
        assert report.level == "note"
        assert {leg.mode for leg in report.legs if leg.serves} == {"dense", "sparse"}
        with pytest.raises(errors.UpgradeStateError, match="the others, or finish"):
            upgrade.finish()
        upgrade.migrate()
        assert index.verify().is_clean
    with trivet.open(tmp_path / "index") as index:
        assert set(index.search(query, k=1)[0].scores) == set(modes)
        multi = index.search(query, k=1, modes=["multi"])[0].score
        upgrade = index.current_upgrade
        assert upgrade is not None
        upgrade.finish()
        hits = [(h.id, h.score) for h in index.search(query, k=5)]
        assert index.doctor().level == "note"
    with trivet.open(":memory:", model=newer, modes=modes, settings=settings) as fresh:
        now = {**texts, "d0": "sail wind storm", "added": "kedge anchor rope"}
        fresh.add(list(now.values()), ids=list(now), on_error="raise")
        expected = [(h.id, h.score) for h in fresh.search(query, k=5)]
        assert fresh.search(query, k=1, modes=["multi"])[0].score == pytest.approx(multi, abs=1e-3)
    assert [id for id, _ in hits] == [id for id, _ in expected]
    assert [s for _, s in hits] == pytest.approx([s for _, s in expected], abs=1e-3)
    assert before != hits


def test_a_leg_that_the_newer_model_does_not_make_is_gone_and_comes_back_by_rollback(
    three_legs: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    with three_legs as index:
        before = [(h.id, h.score) for h in index.search(texts["d7"], k=5)]
        upgrade = verified(index, Embedder.load(drifted_model, modes=["dense"]))
        upgrade.cutover("translate")
        assert [space.mode for space in index.spaces] == ["dense", "sparse"]
        upgrade.migrate()
        assert set(index.search(texts["d7"], k=1)[0].scores) == {"dense", "sparse"}
        assert index.verify().is_clean
        upgrade.rollback()
        assert [(h.id, h.score) for h in index.search(texts["d7"], k=5)] == before


def test_tokens_of_another_tokenizer_drop_out_and_scores_show_it(
    three_legs: trivet.Index, tmp_path: Path, texts: dict[str, str]
) -> None:
    cased = build_checkpoint(tmp_path / "cased", Recipe(cased=True))
    with three_legs as index:
        upgrade = index.upgrade(cased)
        assert "other tokens than" in upgrade.plan().unmapped["multi"]
        upgrade.fit("keep")
        report = upgrade.verify()
        assert report.legs["multi"].verdict == "REFUSE"
        upgrade.cutover("query", force=True)
        [hit] = index.search(texts["d7"], k=1)
        assert set(hit.scores) == {"dense", "sparse"}
        assert {leg.mode for leg in index.doctor().legs if leg.serves} == {"dense", "sparse"}
        assert index.search(texts["d7"], k=1, modes=["multi"]) == []


def test_token_vectors_drop_out_where_the_newer_model_puts_a_prompt_before_documents(
    three_legs: trivet.Index, tmp_path: Path, texts: dict[str, str]
) -> None:
    """No text is as many tokens for both: none can be paired with its own."""
    recipe = Recipe(seed=2, prompts={"query": "search for: ", "document": "passage: "})
    prompted = build_checkpoint(tmp_path / "prompted", recipe)
    with three_legs as index:
        upgrade = index.upgrade(prompted)
        upgrade.plan()
        upgrade.fit("gain")
        assert "no map could be fitted" in upgrade.verify().legs["multi"].reasons[0]
        upgrade.cutover("query", force=True)
        [hit] = index.search(texts["d7"], k=1)
        assert set(hit.scores) == {"dense", "sparse"}


def test_a_leg_whose_map_is_measurably_worse_drops_out(
    three_legs: trivet.Index, tiny_model_other: Path, texts: dict[str, str]
) -> None:
    with three_legs as index:
        upgrade = index.upgrade(tiny_model_other)
        upgrade.plan()
        upgrade.fit("keep")
        assert upgrade.verify().legs["multi"].verdict == "REFUSE"
        upgrade.cutover("query", force=True)
        assert set(index.search(texts["d7"], k=1)[0].scores) == {"dense", "sparse"}


def test_a_learned_sparse_leg_of_another_vocabulary_is_refused_with_the_ways_out() -> None:
    dense = Space("dense", "old", 8, {"weights": "a"})
    old = {"dense": dense, "sparse": Space("sparse", "old", None, {"tokenizer": "a"})}
    new = {"dense": dense, "sparse": Space("sparse", "new", None, {"tokenizer": "b"})}
    reasons = unmappable_legs(Generation("old", {}, old), Generation("new", {}, new))
    assert list(reasons) == ["sparse"]
    assert "one word here and for another there" in reasons["sparse"]
    assert "or use BM25" in reasons["sparse"]
    reasons = unmappable_legs(Generation("old", {}, old), Generation("new", {}, {"dense": dense}))
    assert list(reasons) == ["sparse"]
    assert "'new' makes no sparse vectors" in reasons["sparse"]
    assert "dropped by finish" in reasons["sparse"]


def test_the_score_of_tokens_is_the_mean_best_cosine() -> None:
    random = np.random.default_rng(0)
    space = Space("multi", "m", 4, {})
    queries = MultiVectors(space, tuple(random.standard_normal((n, 4)) for n in (2, 3)))
    documents = MultiVectors(space, tuple(random.standard_normal((n, 4)) for n in (1, 4, 2)))
    expected = [
        [np.mean([max(t @ d for d in rows) for t in tokens]) for rows in documents.values]
        for tokens in queries.values
    ]
    np.testing.assert_allclose(max_sim(queries, documents), expected, atol=1e-5)
