"""Explanations: what legs, terms and tokens give, against the same arithmetic written out."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import numpy as np
import pytest

import trivet
from trivet import Plan
from trivet.errors import InvalidInputError, InvalidPlanError
from trivet.plan import PRESETS
from trivet.thinking import Given, Thinking

TEXTS = [
    "a kedge is a light anchor", "the anchor holds the boat in the storm",
    "sails drive the boat with the wind", "bread and milk are food",
    "the wind is strong in winter", "a heavy anchor and a light anchor and a chain",
    "the harbour is calm and the boats are old", "a horse eats grass and sugar",
]  # fmt: skip
IDS = [f"d{position}" for position in range(len(TEXTS))]
QUERY = "light anchor of the boat"


def filled(open_index: Callable[..., trivet.Index], tokens: str = "compact") -> trivet.Index:
    settings = trivet.Settings(tokens=tokens)
    index = open_index(modes=["dense", "sparse", "multi"], settings=settings)
    index.add(TEXTS, ids=IDS)
    return index


@pytest.mark.parametrize("name", PRESETS)
def test_what_the_legs_give_adds_up_to_the_score_of_the_hit(open_index, name) -> None:
    index = filled(open_index)
    hits = index.search(QUERY, k=8, plan=name)
    assert len(hits) == 8
    for hit in hits:
        why = index.explain(QUERY, hit.id, k=8, plan=name)
        assert why.score == pytest.approx(hit.score, abs=1e-4)
        # The engine's own float32 makes 1e-4 of lists of compact token vectors.
        assert sum(leg.contribution for leg in why.legs) == pytest.approx(hit.score, abs=2e-6)
        assert (why.text, why.span) == (hit.text, hit.span)
        for mode, score in hit.scores.items():
            assert why.leg(mode).score == pytest.approx(score, abs=1e-4)


def test_a_search_with_a_filter_is_explained(open_index) -> None:
    index = open_index(modes=["dense", "sparse", "multi"])
    for i, (id, text) in enumerate(zip(IDS, TEXTS, strict=True)):
        index.add([trivet.Document(text, id, metadata={"even": i % 2 == 0})])
    for name in ("hybrid3", "rrf", "dbsf", Plan({"dense": 10}, rescore=10)):
        asked = {"k": 8, "plan": name, "filter": {"even": True}}
        hits = index.search(QUERY, **asked)
        assert len(hits) == 4
        for hit in hits:
            why = index.explain(QUERY, hit.id, **asked)
            assert sum(leg.contribution for leg in why.legs) == pytest.approx(hit.score, abs=1e-4)
        left_out = index.explain(QUERY, "d1", **asked)
        assert (left_out.score, sum(leg.contribution for leg in left_out.legs)) == (0.0, 0.0)
        assert "the plan does not find it" in str(left_out)
        assert "the plan does not find it" in left_out._repr_html_()


def test_the_chunk_is_the_one_that_the_search_found(tiny_embedder) -> None:
    """With few candidates, a chunk of the document that is none may have a better sum."""
    draw, words = random.Random(5), " ".join(TEXTS).split()
    settings = trivet.Settings(chunk_tokens=16)
    with trivet.open(":memory:", model=tiny_embedder, settings=settings) as index:
        index.add([" ".join(draw.choices(words, k=400)) for _ in range(4)], ids=IDS[:4])
        plans = [
            Plan({"dense": 3, "sparse": 3}, {"dense": 0.1, "sparse": 0.1, "multi": 1.0}),
            Plan({"dense": 3}, rescore=3), Plan({"dense": 9}, relevance=0.3),
        ]  # fmt: skip
        for plan in plans:
            for query in (" ".join(draw.choices(words, k=3)) for _ in range(12)):
                for hit in index.search(query, k=1, plan=plan):
                    why = index.explain(query, hit.id, k=1, plan=plan)
                    assert (why.score, why.span) == (pytest.approx(hit.score, abs=1e-4), hit.span)


@pytest.mark.parametrize("name", ["rrf", "dbsf"])
def test_lists_are_as_long_as_the_search_needed_them(tiny_embedder, name) -> None:
    """Chunks of one document crowd the others out, so that the search asks for more."""
    settings = trivet.Settings(chunk_tokens=16)
    with trivet.open(":memory:", model=tiny_embedder, settings=settings) as index:
        index.add(["light anchor of the boat " * 3 * 130, *TEXTS[:3]], ids=["long", *IDS[:3]])
        assert index.describe().chunks > 130
        hits = index.search(QUERY, k=4, plan=name)
        assert {hit.id for hit in hits} == {"long", *IDS[:3]}
        for hit in hits:
            assert index.explain(QUERY, hit.id, k=4, plan=name).score == pytest.approx(
                hit.score, abs=1e-4
            )


@pytest.mark.parametrize(
    "plan",
    [
        Plan({"dense": 10}), Plan({"sparse": 10}), Plan({"multi": 10}),
        Plan({"dense": 10}, rescore=10), Plan({"dense": 10}, relevance=0.5),
        Plan({"dense": 10, "sparse": 10}, {"dense": 2.0, "sparse": 1.0}, fuse="rrf", rrf_k=5),
        Plan({"dense": 10}, {"dense": 1.0, "multi": 1e-6}),
        Plan({"sparse": 10}, {"sparse": 0.3, "multi": 0.7}),
        Plan({"dense": 10}, {"dense": 0.0, "multi": 1.0}),
        Plan({"dense": 10, "sparse": 10}, fuse="rrf", relevance=0.5),
        Plan({"dense": 10, "sparse": 10}, fuse="dbsf", rescore=10, relevance=0.5),
    ],
)  # fmt: skip
def test_any_plan_is_explained(open_index, plan) -> None:
    index = filled(open_index, "full")
    for hit in index.search(QUERY, k=3, plan=plan):
        why = index.explain(QUERY, hit.id, k=3, plan=plan)
        assert why.score == pytest.approx(hit.score, abs=1e-4)


def test_parts_of_the_sum_are_those_of_the_formula(open_index, tiny_embedder) -> None:
    index = filled(open_index, "full")
    cosine = float(
        tiny_embedder.embed_documents(TEXTS).dense.values[0]
        @ tiny_embedder.embed_queries([QUERY]).dense.values[0]
    )
    bm25 = {h.id: h.score for h in index.search(QUERY, k=8, modes=["sparse"])}["d0"]
    why = index.explain(QUERY, "d0")
    dense, sparse, floor = why.leg("dense"), why.leg("sparse"), index.describe().dense_floor
    assert dense.score == pytest.approx(cosine, abs=1e-5)
    assert dense.contribution == pytest.approx(0.29 * max(cosine, floor) + 0.01 * cosine, abs=1e-5)
    assert sparse.contribution == pytest.approx(0.2 * bm25 / (bm25 + 10), abs=1e-5)


def test_terms_are_weighed_as_bm25_does(open_index) -> None:
    index = filled(open_index)
    why = index.explain(QUERY, "d5")
    terms = {match.term: match.score for match in why.leg("sparse").terms}
    # Without stop words and plurals: BM25 as everybody writes it.
    kept = [[w.rstrip("s") for w in re.findall(r"\w+", t)] for t in TEXTS]
    stopped = {"a", "i", "the", "in", "with", "and", "are", "of"}
    words = [[w for w in row if w not in stopped] for row in kept]
    space = next(s for s in index.describe().spaces if s.mode == "sparse")
    average = space.facts["average_tokens"]
    assert average == pytest.approx(np.mean([len(row) for row in words]), abs=1e-4)
    for term in ("light", "anchor"):
        holding = sum(term in row for row in words)
        rarity = np.log(1 + (len(TEXTS) - holding + 0.5) / (holding + 0.5))
        count = words[5].count(term)
        norm = 1.2 * (0.25 + 0.75 * len(words[5]) / average)
        assert terms[term] == pytest.approx(rarity * count * 2.2 / (count + norm), abs=1e-4)
    assert set(terms) == {"light", "anchor"}
    assert sum(terms.values()) == pytest.approx(why.leg("sparse").score, abs=1e-4)


@pytest.mark.parametrize("tokens", ["full", "compact"])
def test_token_pairs_are_the_nearest_ones(open_index, tiny_embedder, tokens) -> None:
    index = filled(open_index, tokens)
    documents = tiny_embedder.embed_documents([TEXTS[1]]).multi.values[0]
    queries = tiny_embedder.embed_queries([QUERY]).multi.values[0]
    cosines = queries @ documents.T
    pairs = index.explain(QUERY, "d1").leg("multi")
    assert len(pairs.tokens) == len(queries)
    near = 1e-4 if tokens == "full" else 0.05
    for pair, row in zip(pairs.tokens, cosines, strict=True):
        assert pair.cosine == pytest.approx(row.max(), abs=near)
        start, end = pair.span
        assert TEXTS[1][start:end] == pair.document_token
    if tokens == "full":
        at = [TEXTS[1].index(p.document_token) for p in pairs.tokens]
        assert [p.document_token for p in pairs.tokens if p.query_token == "anchor"] == ["anchor"]
        assert min(at) >= 0
    mean = np.mean([pair.cosine for pair in pairs.tokens])
    assert mean == pytest.approx(pairs.score, abs=1e-4)


def test_tokens_of_a_title_have_no_place_in_the_text(open_index) -> None:
    index = open_index(modes=["dense", "sparse", "multi"])
    index.add([trivet.Document("it holds the boat", "a", "anchor")])
    pairs = index.explain("anchor", "a").leg("multi").tokens
    for pair in pairs:
        if pair.span is None:
            assert pair.document_token in "anchor"
        else:
            assert "it holds the boat"[slice(*pair.span)] == pair.document_token


def test_offsets_count_characters_whatever_stands_before(tiny_embedder) -> None:
    index = trivet.open(":memory:", model=tiny_embedder, modes=["dense", "sparse", "multi"])
    texts = {
        "accents": "\u00e9t\u00e9 e\u0301cole: the anchor of a boat", "emoji": "\U0001f600\u200d\U0001f4a9 an anchor",
        "cjk": "\u6771\u4eac\u306e anchor \u6c34", "rtl": "\u05e9\u05dc\u05d5\u05dd, \u202eanchor and boat", "blanks": "\n\t the  anchor\r\n holds ",
        "markup": "<script>alert('anchor')</script> & \"anchor\"",
    }  # fmt: skip
    index.add(
        [trivet.Document(text, id, "caf\u00e9 \U0001f600 boat") for id, text in texts.items()]
    )
    for id, text in texts.items():
        pairs = index.explain("anchor boat", id).leg("multi").tokens
        assert [pair.query_token for pair in pairs] == ["anchor", "boat"]
        for pair in pairs:
            if pair.span is None:
                assert pair.document_token in "caf\u00e9 \U0001f600 boat"
            else:
                assert text[slice(*pair.span)] == pair.document_token
        if pairs[0].document_token == "anchor":
            assert pairs[0].span in [(m.start(), m.end()) for m in re.finditer("anchor", text)]
    nearest = {
        id: index.explain("anchor", id).leg("multi").tokens[0].document_token for id in texts
    }
    assert set(nearest.values()) == {"anchor"}


def test_the_best_chunk_of_a_long_document_is_explained(open_index) -> None:
    index = open_index(modes=["dense", "sparse", "multi"])
    index.add([" ".join(TEXTS * 4)], ids=["long"])
    [hit] = index.search("a horse eats sugar", k=1)
    why = index.explain("a horse eats sugar", "long")
    assert (why.score, why.span) == (pytest.approx(hit.score, abs=1e-4), hit.span)


def test_a_query_without_known_words_is_explained_by_the_other_legs(open_index) -> None:
    index = filled(open_index)
    why = index.explain("zzzz qqqq", "d0")
    assert why.leg("sparse") is None or why.leg("sparse").contribution == 0
    assert index.explain("the of", "d0", modes=["sparse"]).score == 0.0


def test_what_cannot_be_explained_is_refused(open_index) -> None:
    index = open_index(modes=["dense", "sparse"])
    index.add(TEXTS[:2], ids=IDS[:2])
    with pytest.raises(InvalidInputError, match="the id of a stored document, got 'x'"):
        index.explain(QUERY, "x")
    with pytest.raises(InvalidPlanError, match="needs multi"):
        index.explain(QUERY, "d0", plan="hybrid3", modes=None)
    with pytest.raises(trivet.errors.InvalidQueryError):
        index.explain(" ", "d0")


@pytest.mark.parametrize("name", ["hybrid3", "hybrid2", "rrf", "dbsf"])
def test_a_search_with_thoughts_is_explained(open_index, name) -> None:
    index = filled(open_index)
    thought = "An anchor and its chain hold the ship in place against wind and tide."
    kept = Thinking(Given([thought]), guard=-1.0)
    hits = index.search(QUERY, k=8, plan=name, think=kept)
    assert [h.score for h in hits] != [h.score for h in index.search(QUERY, k=8, plan=name)]
    for hit in hits[:3]:
        why = index.explain(QUERY, hit.id, k=8, plan=name, think=kept)
        assert why.score == pytest.approx(hit.score, abs=1e-4)
        assert sum(leg.contribution for leg in why.legs) == pytest.approx(hit.score, abs=1e-4)
        sparse = why.leg("sparse")
        if sparse is not None and sparse.score is not None:
            assert sum(t.score for t in sparse.terms) == pytest.approx(sparse.score, abs=1e-4)
            assert all("#" not in t.term for t in sparse.terms)
    dropped = Thinking(Given([thought]), guard=1.0)
    plain = index.explain(QUERY, hits[0].id, k=8, plan=name)
    assert index.explain(QUERY, hits[0].id, k=8, plan=name, think=dropped) == plain
