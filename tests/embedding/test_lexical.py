"""The BM25 leg equals the formula, computed from words that we count ourselves."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import qdrant_edge

from trivet.embedding.lexical import Bm25, _row
from trivet.errors import InvalidInputError

# No stop words, and stems that the Snowball stemmer leaves as they are.
TEXTS = ["anchor boat anchor wind", "boat", "wind " * 30 + "rope", "mast rope mast " * 7]


def by_hand(text, bm25):
    counts = Counter(text.split())
    length = sum(counts.values())
    norm = bm25.k * (1 - bm25.b + bm25.b * length / bm25.average_tokens)
    return sorted(tf * (bm25.k + 1) / (tf + norm) for tf in counts.values())


@pytest.mark.parametrize(
    "bm25",
    [
        Bm25(average_tokens=10),
        Bm25(average_tokens=3.5, k=2.0, b=0.3),
        Bm25(average_tokens=100, b=0.0),
        Bm25(average_tokens=7, k=0.0),
    ],
    ids=["usual", "other-k-and-b", "no-length", "no-saturation"],
)
def test_weights_equal_an_independent_bm25(bm25):
    made = bm25.embed_documents(TEXTS)
    for text, row in zip(TEXTS, made.values, strict=True):
        np.testing.assert_allclose(sorted(row.values), by_hand(text, bm25), rtol=1e-6)


def test_rows_are_sorted_unique_and_positive():
    bm25 = Bm25(average_tokens=20)
    texts = [" ".join(f"word{n * m}" for n in range(200)) for m in (1, 7)] + ["naïve 木 x1"]
    for rows in (bm25.embed_documents(texts), bm25.embed_queries(texts)):
        assert rows.space == bm25.space
        for row in rows.values:
            assert row.indices.dtype == np.uint32
            assert row.values.dtype == np.float32
            assert (np.diff(row.indices.astype(np.int64)) > 0).all()
            assert (row.values > 0).all()
            assert np.isfinite(row.values).all()
            assert len(row.indices) == len(row.values) > 0


def test_rows_are_sorted_whatever_the_order_of_the_engine():
    row = _row(qdrant_edge.SparseVector(indices=[5, 1, 3], values=[0.5, 0.1, 0.3]))
    assert row.indices.tolist() == [1, 3, 5]
    np.testing.assert_allclose(row.values, [0.1, 0.3, 0.5], rtol=1e-6)


def test_a_query_weighs_every_different_word_once():
    made = Bm25(average_tokens=10).embed_queries(["anchors, anchor and boats"])[0]
    assert made.values.tolist() == [1.0, 1.0]


def test_queries_and_documents_share_their_words():
    bm25 = Bm25(average_tokens=10)
    query = bm25.embed_queries(["sailing anchor"])[0].indices
    document = bm25.embed_documents(["the anchors sailed away"])[0].indices
    assert set(query) < set(document)


def test_stop_words_alone_give_an_empty_row():
    bm25 = Bm25(average_tokens=10)
    assert len(bm25.embed_queries(["what is the"])[0].indices) == 0
    assert len(bm25.embed_documents(["it was"])[0].values) == 0


def test_no_text_gives_no_row():
    assert len(Bm25(average_tokens=10).embed_documents([])) == 0


@pytest.mark.parametrize("times", [1, 2, 40, 1_000, 300_001])
def test_terms_are_counted_exactly(times):
    bm25 = Bm25(average_tokens=3)
    assert bm25.count_terms(["the anchor " * times + "boat"]) == [times + 1]


def test_stop_words_and_blank_texts_count_nothing():
    assert Bm25(average_tokens=3).count_terms(["the anchor and the boat", "the", "", " "]) == [
        2, 0, 0, 0,
    ]  # fmt: skip


def test_the_length_that_is_counted_is_the_length_that_weighs():
    text = "The anchors of a boat were anchored, and anchoring boats sank in the sea-storm."
    (length,) = Bm25(average_tokens=3).count_terms([text])
    exact, plain = Bm25(average_tokens=length), Bm25(average_tokens=3, b=0.0)
    # At the average length the length says nothing.
    np.testing.assert_allclose(
        exact.embed_documents([text])[0].values, plain.embed_documents([text])[0].values, rtol=1e-6
    )


def test_the_language_decides_what_is_a_stop_word():
    german = Bm25(average_tokens=3, language="german")
    assert german.count_terms(["der Anker und das Boot"]) == [2]
    assert Bm25(average_tokens=3).count_terms(["der Anker und das Boot"]) == [5]


def test_the_space_says_all_that_changes_weights_and_nothing_else():
    space = Bm25(average_tokens=10.0000001).space
    assert (space.mode, space.model, space.dims) == ("sparse", "bm25", None)
    assert space == Bm25(average_tokens=10).space
    assert space.facts["average_tokens"] == 10.0
    others = [
        Bm25(average_tokens=11),
        Bm25(average_tokens=10, k=1.3),
        Bm25(average_tokens=10, b=0.7),
        Bm25(average_tokens=10, language="german"),
    ]
    assert all(other.space != space for other in others)
    assert Bm25(average_tokens=10, k=2).space == Bm25(average_tokens=10, k=2.0).space


def test_equal_spaces_give_equal_weights():
    near, exact = Bm25(average_tokens=123.4561), Bm25(average_tokens=123.45612)
    assert near.space == exact.space
    text = ["anchor boat anchor wind"]
    assert near.embed_documents(text)[0].values.tolist() == (
        exact.embed_documents(text)[0].values.tolist()
    )


@pytest.mark.parametrize(
    "values",
    [
        {"average_tokens": 0},
        {"average_tokens": -3},
        {"average_tokens": float("nan")},
        {"average_tokens": float("inf")},
        {"average_tokens": "ten"},
        {"average_tokens": 10, "k": -1},
        {"average_tokens": 10, "k": "much"},
        {"average_tokens": 10, "b": 1.5},
        {"average_tokens": 10, "language": "klingon"},
    ],
    ids=str,
)
def test_values_that_bm25_cannot_use_are_refused(values):
    with pytest.raises(InvalidInputError):
        Bm25(**values)


@pytest.mark.parametrize("method", ["embed_documents", "embed_queries", "count_terms"])
@pytest.mark.parametrize("texts", ["text", [None], ["\ud800"], ["a\x00"]], ids=ascii)
def test_what_is_no_list_of_texts_is_refused(method, texts):
    with pytest.raises(InvalidInputError):
        getattr(Bm25(average_tokens=10), method)(texts)


def test_a_word_of_200000_letters_is_a_word():
    assert Bm25(average_tokens=10).count_terms(["x" * 200_000]) == [1]
