"""A text's language is told by its script or its letters, or not at all."""

from __future__ import annotations

import py3langid
import pytest
import qdrant_edge
from hypothesis import given, settings
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from trivet.embedding.language import detect_language
from trivet.languages import LANGUAGES, STEMMED, STOPPED

SENTENCES = {
    "ar": "المرساة تثبت السفينة في مكانها.",
    "de": "Der Anker hält das Schiff an seinem Platz.",
    "el": "Η άγκυρα κρατά το πλοίο στη θέση του.",
    "en": "The anchor keeps the ship in its place.",
    "es": "El ancla mantiene el barco en su sitio.",
    "fr": "L'ancre retient le navire à sa place.",
    "hi": "लंगर जहाज को अपनी जगह पर रोकता है।",
    "ja": "錨は船を固定します。",
    "ko": "닻은 배를 고정한다.",
    "lo": "ພາສາລາວແມ່ນພາສາທາງການ",
    "km": "ភាសាខ្មែរ",
    "my": "မြန်မာဘာသာစကား",
    "pl": "Kotwica utrzymuje statek na swoim miejscu.",
    "ru": "Якорь удерживает корабль на месте.",
    "th": "สมอเรือยึดเรือไว้กับที่",
    "tr": "Çapa gemiyi yerinde tutar.",
    "uk": "Якір утримує корабель на місці.",
    "zh": "锚使船保持在原位。",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_tells_its_language(language):
    assert detect_language(SENTENCES[language]) == language


@pytest.mark.parametrize("text", ["", " ", "12345", "!!!", "x", "🚢⚓", "\u0301", "a1b2c3"])
def test_where_nothing_speaks_clearly_nothing_is_said(text):
    assert detect_language(text) is None


def test_a_few_words_in_another_script_do_not_decide():
    chinese = "GPU 的 memory bandwidth 很快，所以 training 也很快，推理的速度更快。"
    assert detect_language(chinese) == "zh"
    english = "The Chinese word for anchor is 锚, which you read as máo, and boats need one."
    assert detect_language(english) == "en"
    assert detect_language("「の」は日本語の助詞である") == "ja"
    assert detect_language("日本语中常用假名の，但这是一句中文，讲的是船和锚的故事。" * 2) == "zh"


def test_only_the_head_of_a_text_is_looked_at():
    assert detect_language(SENTENCES["en"] * 30 + SENTENCES["ru"] * 1000) == "en"


def test_nobody_else_can_restrict_our_languages():
    py3langid.set_languages(["en", "fr"])
    try:
        assert detect_language(SENTENCES["de"]) == "de"
    finally:
        py3langid.set_languages(None)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_in_a_known_language_or_in_none(text):
    assert detect_language(text) in (None, *LANGUAGES)


def test_the_languages_are_those_of_the_packages_below():
    assert set(STEMMED.values()) == {
        name for name in dir(qdrant_edge.SnowballLanguage) if name[0].isupper()
    }
    # Hindi in Latin letters has no code of its own.
    assert set(STOPPED.values()) == {
        name for name in dir(qdrant_edge.Language) if name[0].isupper()
    } - {"Hinglish"}
    known = LanguageIdentifier.from_model_file(MODEL_FILE).labels
    assert set(LANGUAGES) <= set(known)
