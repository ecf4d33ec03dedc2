"""Words survive whole in every script, and are found where no spaces part them."""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivet import Lexical
from trivet.embedding.lexical import Bm25
from trivet.embedding.words import cut_words
from trivet.languages import LANGUAGES

# Any text that an index takes: no NUL, no lone surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)
CODES = st.sampled_from(("none", *LANGUAGES))


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("de", "Die Häuser, über-groß; Straßenbahnhaltestelle.",
         "die häuser über groß straßenbahnhaltestelle"),
        ("es", "¿Qué año? El niño pingüino.", "qué año el niño pingüino"),
        ("fr", "L’œuvre d'été: ça va", "l œuvre d été ça va"),
        ("vi", "Tiếng Việt", "tiếng việt"),
        ("hi", "लंगर जहाज को रोकता है।", "लंगर जहाज को रोकता है"),
        ("bn", "বাংলা ভাষা", "বাংলা ভাষা"),
        ("ta", "தமிழ் மொழி", "தமிழ் மொழி"),
        ("ar", "المُدَرِّسَة تثبت، السفينة", "المُدَرِّسَة تثبت السفينة"),
        ("he", "שָׁלוֹם עולם", "שָׁלוֹם עולם"),
        ("ru", "Ёлка и чай", "ёлка и чай"),
        ("el", "ΟΔΥΣΣΕΑΣ", "οδυσσεας"),
        ("none", "snake_case x-1 3.14 C++ a@b.de", "snake case x 1 3 14 c a b de"),
        ("none", " \n—…!? 🚢⚓ \u0301", ""),
    ],
    ids=ascii,
)  # fmt: skip
def test_words_keep_their_letters_and_marks(language, text, words):
    assert unicodedata.normalize("NFKC", words) == cut_words(text, language)


@pytest.mark.parametrize("text", ["Café über naïve", "Ångström Việt", "が ぎ"])
def test_composed_and_decomposed_letters_are_one(text):
    decomposed = unicodedata.normalize("NFD", text)
    assert decomposed != text
    assert cut_words(decomposed, "none") == cut_words(text, "none")


def by_pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]


@pytest.mark.parametrize(
    "run", ["锚使船保持在原位", "錨は船を固定します", "テスト", "닻은", "木", "人々"]
)
def test_chinese_japanese_and_korean_give_characters_and_pairs(run):
    assert Counter(cut_words(run, "none").split()) == Counter([*run, *by_pairs(run)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ภาษาไทย", "ภา าษ ษา าไ ไท ทย"),
        ("น้ำ", "น้ำ"),
        ("ພາສາ", "ພາ າສ ສາ"),
        ("ភាសាខ្មែរ", "ភាសា សាខ្មែ ខ្មែរ"),
        ("မြန်မာ", "မြန် န်မ မာ"),
    ],
)
def test_thai_lao_khmer_and_burmese_give_pairs_of_letters_with_their_marks(text, words):
    assert cut_words(text, "none") == unicodedata.normalize("NFKC", words)


def test_latin_and_digits_stay_words_beside_characters():
    words = cut_words("GPU很快 2019年ｶﾞｽ、ＡＢＣ ①", "zh").split()
    assert words == [
        "gpu",
        "很",
        "快",
        "很快",
        "2019",
        "年",
        "ガ",
        "ス",
        "年ガ",
        "ガス",
        "abc",
        "1",
    ]


def test_what_is_not_seen_parts_no_word():
    assert cut_words("so\u00adft me\u200dan می\u200cخواهم \u2067عر\u2069 葛\U000e0100", "none").split() == [
        "soft", "mean", "میخواهم", "عر", "葛",
    ]  # fmt: skip
    assert cut_words("كـــتاب", "ar") == "كتاب"
    assert cut_words("ab\u200bcd", "none") == "ab cd"


def test_turkish_lower_case():
    assert cut_words("IĞDIR İZMİR", "tr") == "ığdır izmir"
    assert cut_words("IRON", "none") == "iron"


@given(TEXTS, CODES)
def test_any_text_gives_words_without_spaces_and_loses_no_letter(text, language):
    words = cut_words(text, language)
    assert words.split() == ([] if not words else words.split(" "))
    kept = set(words)
    for letter in unicodedata.normalize("NFKC", text).lower():
        if letter.isalnum() and letter not in "ıiİIـ":
            assert letter in kept


def weigh_by_hand(text: str, bm25: Bm25) -> list[float]:
    """From the words as Unicode and Python part them; for a language without stems."""
    counts = Counter(cut_words(text, "none").split())
    length = sum(counts.values())
    k, b = bm25.lexical.k, bm25.lexical.b
    norm = k * (1 - b + b * length / bm25.average_tokens)
    return sorted(count * (k + 1) / (count + norm) for count in counts.values())


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS.filter(str.strip), max_size=4), CODES)
def test_any_text_gives_vectors_that_can_be_stored(texts, language):
    bm25 = Bm25(7.5, Lexical(language, k=1.5, b=0.6))
    weighed = bm25.weigh(texts)
    queries = bm25.embed_queries(texts)
    assert len(weighed.vectors) == len(weighed.lengths) == len(queries) == len(texts)
    for row, length, query in zip(
        weighed.vectors.values, weighed.lengths, queries.values, strict=True
    ):
        assert (row.indices.dtype, row.values.dtype) == (np.uint32, np.float32)
        assert (np.diff(row.indices.astype(np.int64)) > 0).all()
        assert np.isfinite(row.values).all()
        assert (row.values > 0).all()
        assert len(row.indices) == len(row.values) <= length
        assert query.indices.tolist() == row.indices.tolist()
        assert set(query.values.tolist()) <= {1.0}


@settings(max_examples=60, deadline=None)
@given(TEXTS.filter(str.strip))
def test_any_text_is_weighed_by_the_formula(text):
    bm25 = Bm25(7.5, Lexical("none", k=1.5, b=0.6))
    (row,) = bm25.embed_documents([text]).values
    np.testing.assert_allclose(sorted(row.values), weigh_by_hand(text, bm25), rtol=1e-6)


@pytest.mark.parametrize(
    ("language", "document", "query"),
    [
        ("de", "Die alten Häuser am Fluss", "Haus"),
        ("es", "Los niños cantaban canciones", "canción niño"),
        ("fr", "Les chevaux couraient", "courir cheval"),
        ("ru", "Якоря кораблей", "якорь корабль"),
        ("ar", "المدرسة الكبيرة", "مدرسة"),
        ("tr", "evlerimizde", "ev"),
    ],
)
def test_inflected_words_meet(language, document, query):
    bm25 = Bm25(5, Lexical(language))
    (found,), (asked,) = bm25.embed_documents([document]), bm25.embed_queries([query])
    assert set(asked.indices.tolist()) & set(found.indices.tolist())


def test_qdrants_english_analyser_is_no_way_to_read_other_scripts():
    """What `Lexical` is for: this is how texts were cut when English was all there was."""
    english, chinese = Bm25(5), Bm25(5, Lexical("zh"))
    asked, text = "原位", "锚使船保持在原位。"
    for bm25, shared in ((english, False), (chinese, True)):
        (found,), (query,) = bm25.embed_documents([text]), bm25.embed_queries([asked])
        assert (set(query.indices) <= set(found.indices)) is shared
