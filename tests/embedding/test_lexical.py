"""The BM25 leg equals the formula, computed from words that we count ourselves."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import qdrant_edge

from trivet import Lexical
from trivet.embedding.lexical import Bm25
from trivet.errors import InvalidInputError

# No stop words, and stems that the Snowball stemmer leaves as they are.
TEXTS = ["anchor boat anchor wind", "boat", "wind " * 30 + "rope", "mast rope mast " * 7]


def by_hand(text, bm25):
    counts = Counter(text.split())
    length = sum(counts.values())
    k, b = bm25.lexical.k, bm25.lexical.b
    norm = k * (1 - b + b * length / bm25.average_tokens)
    return sorted(tf * (k + 1) / (tf + norm) for tf in counts.values())


@pytest.mark.parametrize(
    "bm25",
    [
        Bm25(average_tokens=10),
        Bm25(3.5, Lexical("en", k=2.0, b=0.3)),
        Bm25(100, Lexical("en", b=0.0)),
        Bm25(7, Lexical("en", k=0.0)),
        Bm25(10, Lexical("none", k=0.9, b=0.4)),
    ],
    ids=["usual", "other-k-and-b", "no-length", "no-saturation", "no-language"],
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


@pytest.mark.parametrize(
    ("k", "b", "average"), [(1.2, 0.75, 57.31), (0.9, 0.4, 8.0), (2.0, 1.0, 3)]
)
def test_english_is_weighed_as_qdrant_weighs_it_to_the_last_bit(k, b, average):
    texts = [*TEXTS, "The anchors of Zoë's boat; e.g. 3.5 m of rope_ladder, naïve 木船 x1 " * 3]
    reference = qdrant_edge.Bm25(qdrant_edge.Bm25Config(k=k, b=b, avg_len=average))
    made = Bm25(average, Lexical("en", k=k, b=b))
    for text, row in zip(texts, made.embed_documents(texts).values, strict=True):
        expected = reference.embed_document(text)
        pairs = sorted(zip(expected.indices, expected.values, strict=True))
        assert row.indices.tolist() == [index for index, _ in pairs]
        assert row.values.tolist() == [value for _, value in pairs]
    for text, row in zip(texts, made.embed_queries(texts).values, strict=True):
        assert row.indices.tolist() == sorted(reference.embed_query(text).indices)


def test_one_analysis_gives_vectors_and_lengths():
    bm25 = Bm25(average_tokens=3)
    weighed = bm25.weigh(TEXTS)
    assert list(weighed.lengths) == bm25.count_terms(TEXTS) == [len(text.split()) for text in TEXTS]
    part = weighed[1:3]
    assert part.lengths == weighed.lengths[1:3]
    alone = bm25.embed_documents(TEXTS[1:3])
    for ours, theirs in zip(part.vectors.values, alone.values, strict=True):
        assert ours.indices.tolist() == theirs.indices.tolist()
        assert ours.values.tolist() == theirs.values.tolist()


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
    exact, plain = Bm25(average_tokens=length), Bm25(3, Lexical("en", b=0.0))
    # At the average length the length says nothing.
    np.testing.assert_allclose(
        exact.embed_documents([text])[0].values, plain.embed_documents([text])[0].values, rtol=1e-6
    )


def test_the_language_decides_what_is_a_stop_word():
    german = Bm25(3, Lexical("de"))
    assert german.count_terms(["der Anker und das Boot"]) == [2]
    assert Bm25(average_tokens=3).count_terms(["der Anker und das Boot"]) == [5]
    assert Bm25(3, Lexical("none")).count_terms(["der Anker und das Boot", "the of"]) == [5, 2]


@pytest.mark.parametrize("language", ["en", "de", "none"])
def test_stop_words_of_ones_own(language):
    none = Bm25(3, Lexical(language, stop_words=()))
    assert none.count_terms(["the Anker und das anchor"]) == [5]
    own = Bm25(3, Lexical(language, stop_words=("Anker", "the")))
    assert own.count_terms(["the Anker und das anchor"]) == [3]
    assert len(own.embed_queries(["ANKER the"])[0].indices) == 0


def test_the_space_says_all_that_changes_weights_and_nothing_else():
    space = Bm25(average_tokens=10.0000001).space
    assert (space.mode, space.model, space.dims) == ("sparse", "bm25", None)
    assert space == Bm25(average_tokens=10).space
    assert space.facts["average_tokens"] == 10.0
    others = [
        Bm25(average_tokens=11),
        Bm25(10, Lexical("en", k=1.3)),
        Bm25(10, Lexical("en", b=0.7)),
        Bm25(10, Lexical("de")),
        Bm25(10, Lexical("none")),
        Bm25(10, Lexical("en", stop_words=())),
        Bm25(10, Lexical("en", stop_words=("a",))),
        Bm25(10, title_weight=1),
    ]
    assert len({space, *(other.space for other in others)}) == 1 + len(others)
    assert Bm25(10, Lexical("en", k=2)).space == Bm25(10, Lexical("en", k=2.0)).space
    words = (Lexical("en", stop_words=("a", "b")), Lexical("en", stop_words=["B", "a", "a"]))
    assert Bm25(10, words[0]).space == Bm25(10, words[1]).space


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
        {"average_tokens": 10, "lexical": Lexical()},
    ],
    ids=str,
)
def test_values_that_bm25_cannot_use_are_refused(values):
    with pytest.raises(InvalidInputError):
        Bm25(**values)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"language": "klingon"}, "auto, none, af, am, ar.*zh, got 'klingon'"),
        ({"language": "german"}, "got 'german'"),
        ({"language": None}, "got None"),
        ({"k": -1}, "from 0 to 1000, got -1"),
        ({"k": "much"}, "got 'much'"),
        ({"k": float("inf")}, "got inf"),
        ({"k": float("nan")}, "got nan"),
        ({"k": True}, "got True"),
        ({"b": 1.5}, "from 0 to 1, got 1.5"),
        ({"stop_words": "der die"}, "got 'der die'"),
        ({"stop_words": ["der die"]}, "got 'der die'"),
        ({"stop_words": [" "]}, "got ' '"),
        ({"stop_words": [5]}, "got 5"),
        ({"stop_words": 5}, "got 5"),
    ],
    ids=str,
)
def test_choices_that_bm25_cannot_use_are_refused(choices, words):
    with pytest.raises(InvalidInputError, match=words):
        Lexical(**choices)


@pytest.mark.parametrize("method", ["embed_documents", "embed_queries", "count_terms"])
@pytest.mark.parametrize("texts", ["text", [None], ["\ud800"], ["a\x00"]], ids=ascii)
def test_what_is_no_list_of_texts_is_refused(method, texts):
    with pytest.raises(InvalidInputError):
        getattr(Bm25(average_tokens=10), method)(texts)


def test_a_word_of_200000_letters_is_a_word():
    assert Bm25(average_tokens=10).count_terms(["x" * 200_000]) == [1]
