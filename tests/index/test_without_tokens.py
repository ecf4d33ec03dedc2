"""Documents without token vectors, as a forced end leaves them, stand where their other legs say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

import trivet
from trivet import Plan
from trivet.index.lexicon import bm25_for
from trivet.plan import PRESETS
from trivet.store.carried import forget_carried, mark_carried, note_carried
from trivet.store.points import Point

TEXTS = [
    "a kedge is a light anchor", "the anchor holds the boat in the storm",
    "sails drive the boat with the wind", "bread and milk are food",
    "the wind is strong in winter", "a heavy anchor and a light anchor and a chain",
    "the harbour is calm and the boats are old", "a horse eats grass and sugar",
]  # fmt: skip
IDS = [f"d{position}" for position in range(len(TEXTS))]
QUERY = "light anchor of the boat"
FLOOR = 0.35
WEIGHTS = {"dense": 0.3, "sparse": 0.2, "multi": 0.5}
PLAN = Plan({"dense": 30, "sparse": 30}, WEIGHTS, dense_floor=FLOOR)


def without_tokens(index: trivet.Index, ids: Sequence[str]) -> None:
    """Leave documents as a forced end does: no token vectors, and the marks that say so."""
    store = index._shared.store
    manifest = store.manifest
    dense, multi = (manifest.spaces[mode].vector_name for mode in ("dense", "multi"))
    bm25 = bm25_for(manifest.lexical)
    points = [store.point_id(id, 0) for id in ids]
    payloads, vectors = store.engine.retrieve(points), store.engine.vectors(points, dense)
    for name in (dense, multi):
        note_carried(store, name)
    store.engine.delete(points)
    for point in points:
        terms = bm25.embed_documents([payloads[point]["page_content"]])
        named = {dense: vectors[point], terms.space.vector_name: terms.values[0]}
        store.engine.upsert([Point(point, named, payloads[point])])
    mark_carried(store, points, [dense, multi])


def opened(open_index: Callable[..., trivet.Index], tokens: str = "full") -> trivet.Index:
    index = open_index(modes=["dense", "sparse", "multi"], settings=trivet.Settings(tokens=tokens))
    index.add(TEXTS, ids=IDS)
    return index


def test_such_a_document_has_the_score_of_its_other_legs_by_weights_that_add_up_to_the_same(
    open_index, tiny_embedder: trivet.Embedder
) -> None:
    bare = {"d0", "d3", "d6"}
    index = opened(open_index)
    without_tokens(index, sorted(bare))
    query, stored = tiny_embedder.embed_queries([QUERY]), tiny_embedder.embed_documents(TEXTS)
    cosines = stored.dense.values @ query.dense.values[0]
    lexical = {hit.id: hit.score for hit in index.search(QUERY, k=8, modes=["sparse"])}
    expected = {}
    for id, cosine, rows in zip(IDS, cosines, stored.multi.values, strict=True):
        bm25 = lexical.get(id, 0.0)
        dense = 0.29 * max(cosine, FLOOR) + 0.01 * cosine
        others = dense + 0.2 * bm25 / (bm25 + 10)
        maxsim = float((query.multi.values[0] @ rows.T).max(axis=1).mean())
        expected[id] = others * 1.0 / 0.5 if id in bare else others + 0.5 * maxsim
    hits = index.search(QUERY, k=8, plan=PLAN)
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-5)
    assert [hit.id for hit in hits] == sorted(expected, key=lambda id: -expected[id])
    for hit in hits:
        assert ("multi" in hit.scores) == (hit.id not in bare)
        assert hit.scores["dense"] == pytest.approx(cosines[IDS.index(hit.id)], abs=1e-5)


def test_an_explanation_agrees_and_says_what_is_missing(open_index) -> None:
    index = opened(open_index, "compact")
    without_tokens(index, ["d0", "d3"])
    for name in (name for name, plan in PRESETS.items() if "multi" in plan.weights):
        hits = index.search(QUERY, k=8, plan=name)
        assert len(hits) == 8
        for hit in (hit for hit in hits if hit.id in {"d0", "d2", "d3"}):
            why = index.explain(QUERY, hit.id, k=8, plan=name)
            assert why.score == pytest.approx(hit.score, abs=1e-4)
            assert sum(leg.contribution for leg in why.legs) == pytest.approx(hit.score, abs=1e-4)
            assert {leg.mode for leg in why.legs if leg.score is not None} == set(hit.scores)
            assert ("for want of token vectors" in str(why)) == (hit.id in {"d0", "d3"})


def test_the_best_document_stays_the_best_when_it_loses_its_token_vectors(open_index) -> None:
    index = opened(open_index, "compact")
    [best] = index.search("a kedge is a light anchor", k=1)
    assert best.id == "d0"
    without_tokens(index, ["d0"])
    [still] = index.search("a kedge is a light anchor", k=1)
    assert (still.id, set(still.scores)) == ("d0", {"dense", "sparse"})


def test_other_plans_and_thoughts_take_such_documents_too(open_index) -> None:
    index = opened(open_index, "compact")
    without_tokens(index, ["d0", "d3"])
    every = set(IDS)
    single = Plan({"dense": 30}, {"dense": 0.5, "multi": 0.5})
    spread = Plan({"dense": 30, "sparse": 30}, WEIGHTS, relevance=0.5)
    for plan in ("dbsf", "rrf", single, spread):
        assert {hit.id for hit in index.search(QUERY, k=8, plan=plan)} == every
    # MaxSim alone finds nothing that has no token vectors.
    rescored = Plan({"dense": 30, "sparse": 30}, WEIGHTS, rescore=20)
    assert {hit.id for hit in index.search(QUERY, k=8, plan=rescored)} == every - {"d0", "d3"}
    only = Plan({"dense": 30}, {"dense": 0.0, "multi": 1.0})
    scores = {hit.id: hit.score for hit in index.search(QUERY, k=8, plan=only)}
    assert (scores["d0"], scores["d3"]) == pytest.approx((0.0, 0.0), abs=1e-5)


def test_the_engine_is_asked_as_before_where_no_document_lacks_them(
    open_index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = opened(open_index, "compact")
    engine = index._shared.store.engine
    sent: list[str] = []
    ask = engine.query

    def noting(requests):
        sent.append(repr(requests))
        return ask(requests)

    monkeypatch.setattr(engine, "query", noting)
    before = index.search(QUERY, k=8)
    without_tokens(index, ["d3"])
    index.search(QUERY, k=8)
    store = index._shared.store
    for space in store.manifest.spaces.values():
        forget_carried(store, space.vector_name)
    index.search(QUERY, k=8)
    assert ["has_vector" in each for each in sent] == [False, True, False]
    assert [len(each_request(each)) for each in sent] == [3, 4, 3]
    assert np.isfinite([hit.score for hit in before]).all()


def each_request(requests: str) -> list[str]:
    """The requests of a batch, by how they are written."""
    return requests.split("QueryRequest(")[1:]
