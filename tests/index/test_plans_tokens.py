"""Plans with token vectors, against the same arithmetic written out."""

from __future__ import annotations

import numpy as np
import pytest

import trivet
from trivet import Plan

from .planned import IDS, QUERIES, TEXTS, got, ranked


def three_legs(tiny_embedder: trivet.Embedder, query: str) -> np.ndarray:
    """The mean over the query's tokens of the best cosine among a document's, of every document."""
    documents = tiny_embedder.embed_documents(TEXTS).multi.values
    tokens = tiny_embedder.embed_queries([query]).multi.values[0]
    return np.array([(tokens @ document.T).max(axis=1).mean() for document in documents])


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("tokens", ["full", "compact"])
def test_token_vectors_are_a_leg_of_the_sum(open_index, tiny_embedder, query, tokens) -> None:
    index = open_index(modes=["dense", "sparse", "multi"], settings=trivet.Settings(tokens=tokens))
    index.add(TEXTS, ids=IDS)
    hits = index.search(query, k=len(TEXTS))
    floor = index.describe().dense_floor
    cosines = (
        tiny_embedder.embed_documents(TEXTS).dense.values
        @ (tiny_embedder.embed_queries([query]).dense.values[0])
    )
    found = {hit.id: hit.score for hit in index.search(query, k=10, modes=["sparse"])}
    bm25 = np.array([found.get(id, 0.0) for id in IDS])
    maxsim = three_legs(tiny_embedder, query)
    near = 1e-4 if tokens == "full" else 0.02
    for hit in hits:
        at = IDS.index(hit.id)
        assert hit.scores["multi"] == pytest.approx(maxsim[at], abs=near)
        assert hit.scores["dense"] == pytest.approx(cosines[at], abs=1e-5)
        expected = 0.29 * max(cosines[at], floor) + 0.01 * cosines[at]
        expected += 0.2 * bm25[at] / (bm25[at] + 10) + 0.5 * hit.scores["multi"]
        assert hit.score == pytest.approx(expected, abs=1e-4)
    alone = index.search(query, k=len(TEXTS), modes=["multi"])
    assert {h.id: h.score for h in alone} == pytest.approx(
        dict(zip(IDS, maxsim, strict=True)), abs=near
    )
    for name in ("token-heavy", "dense-heavy", "lexical", "dbsf", "rrf", "hybrid3"):
        assert len(index.search(query, k=5, plan=name)) == 5


def test_the_best_are_put_in_the_order_of_maxsim(open_index, tiny_embedder) -> None:
    index = open_index(modes=["dense", "multi"], settings=trivet.Settings(tokens="full"))
    index.add(TEXTS, ids=IDS)
    maxsim = three_legs(tiny_embedder, "light anchor")
    plan = Plan({"dense": 100}, rescore=10)
    hits = index.search("light anchor", k=10, plan=plan)
    assert got(hits) == pytest.approx(ranked(maxsim), abs=1e-4)
    assert [hit.id for hit in hits] == list(ranked(maxsim))


def test_how_token_vectors_are_stored_stays(tiny_model, tmp_path) -> None:
    legs = ["dense", "multi"]
    with trivet.open(tmp_path / "index", model=tiny_model, modes=legs) as index:
        index.add(TEXTS, ids=IDS)
        first = got(index.search("light anchor", k=10))
    with trivet.open(tmp_path / "index") as index:  # the axes are kept, not found again
        assert got(index.search("light anchor", k=10)) == pytest.approx(first, abs=1e-6)
        index.upsert(TEXTS, ids=IDS)
    full = trivet.Settings(tokens="full")
    with pytest.raises(trivet.errors.SettingsMismatchError, match="made with tokens='compact'"):
        trivet.open(tmp_path / "index", settings=full)


def test_a_model_without_a_leg_makes_no_index_with_it(checkpoint) -> None:
    dense = trivet.Embedder.load(checkpoint(), modes=["dense"])
    with pytest.raises(trivet.errors.MissingHeadError, match="makes multi vectors"):
        trivet.open(":memory:", model=dense, modes=["dense", "multi"])


def test_a_query_that_the_tokenizer_leaves_nothing_of_has_no_token_vectors(
    open_index, tiny_embedder
) -> None:
    index = open_index(modes=["dense", "sparse", "multi"])
    index.add(TEXTS, ids=IDS)
    invisible = "\u200b"
    assert len(tiny_embedder.embed_queries([invisible]).multi.values[0]) == 0
    hits = index.search(invisible, k=3)
    assert [set(hit.scores) for hit in hits] == [{"dense"}] * 3
    assert index.search(invisible, k=3, modes=["multi"]) == []
    plan = Plan({"sparse": 10}, rescore=10, threshold=0.1)
    assert index.search("anchor \u200b", k=3, plan=plan)
    assert index.search(invisible, k=3, plan=plan) == []


def test_fewer_to_rescore_than_wanted_cost_no_hits(open_index) -> None:
    index = open_index(modes=["dense", "multi"])
    index.add(TEXTS, ids=IDS)
    hits = index.search("light anchor", k=8, plan=Plan({"dense": 100}, rescore=3))
    assert len(hits) == 8
    index.add([" ".join(TEXTS * 3)], ids=["long"])  # many chunks, of which each takes a place
    assert len(index.search("light anchor", k=10, plan=Plan({"dense": 100}, rescore=10))) == 10


def test_a_leg_of_a_tiny_weight_has_its_own_score_all_the_same(open_index, tiny_embedder) -> None:
    index = open_index(modes=["dense", "multi"], settings=trivet.Settings(tokens="full"))
    index.add(TEXTS, ids=IDS)
    plan = Plan({"dense": 100}, weights={"dense": 1.0, "multi": 1e-6})
    hits = index.search("light anchor", k=10, plan=plan)
    maxsim = dict(zip(IDS, three_legs(tiny_embedder, "light anchor"), strict=True))
    assert {hit.id: hit.scores["multi"] for hit in hits} == pytest.approx(maxsim, abs=1e-4)


def test_a_query_of_stop_words_is_found_by_its_tokens(open_index, tiny_embedder) -> None:
    index = open_index(modes=["sparse", "multi"], settings=trivet.Settings(tokens="full"))
    index.add(TEXTS, ids=IDS)
    hits = index.search("the of", k=4)
    maxsim = three_legs(tiny_embedder, "the of")
    assert got(hits) == pytest.approx(ranked(0.7 * maxsim, 4), abs=1e-4)
    assert hits[0].scores == {"multi": pytest.approx(maxsim.max(), abs=1e-4)}


def test_a_plan_with_token_vectors_goes_as_deep_as_was_measured(open_index) -> None:
    index = open_index(modes=["dense", "sparse", "multi"])
    index.add(TEXTS, ids=IDS)
    assert set(index.planned().depths.values()) == {30}
    assert len(index.search("light anchor", k=10)) == 10
