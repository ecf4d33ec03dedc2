"""Which language a text is in: by its script where that says it, else by its letter sequences."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import regex

from trivet.languages import LANGUAGES

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# Characters of a text that are looked at. In all XQuAD languages, 1,000 gave every paragraph the
# right one; single questions, of 60 characters, got it in 98 of 100.
LOOKED_AT = 1000
# Below it a text has no vote: titles and code are often taken for rare languages. With it, of
# 300 titles and abstracts of CACM 196 vote, all for English.
LEAST_PROBABILITY = 0.5
# A word takes two characters or so in these scripts and five or six letters in others.
LEAST_SHARE_OF_SCRIPT = 0.3
# Japanese is a third to a half kana; Chinese quotes some.
LEAST_SHARE_OF_KANA = 0.05
# What py3langid calls text in no language.
_NO_TEXT = "zxx"

_LETTER = regex.compile(r"\p{L}")
_HAN = regex.compile(r"\p{Han}")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_ONE_LANGUAGE = {
    "km": regex.compile(r"\p{Khmer}"),
    "ko": regex.compile(r"\p{Hangul}"),
    "lo": regex.compile(r"\p{Lao}"),
    "my": regex.compile(r"\p{Myanmar}"),
    "th": regex.compile(r"\p{Thai}"),
}


def detect_language(text: str) -> str | None:
    """The ISO 639-1 code of the language that a text is in, out of those that BM25 knows.

    Args:
        text: only its head is looked at.

    Returns:
        None where nothing speaks clearly for one.
    """
    head = text[:LOOKED_AT]
    by_script = None if head.isascii() else _by_script(head)
    if by_script is not None:
        return by_script
    language, probability = _identifier().classify(head)
    return language if probability >= LEAST_PROBABILITY and language != _NO_TEXT else None


def _by_script(text: str) -> str | None:
    letters = len(_LETTER.findall(text))
    han, kana = len(_HAN.findall(text)), len(_KANA.findall(text))
    counts = {code: len(script.findall(text)) for code, script in _ONE_LANGUAGE.items()}
    counts["ja" if kana > LEAST_SHARE_OF_KANA * (kana + han) else "zh"] = kana + han
    most = max(counts, key=lambda code: counts[code])
    return most if counts[most] > LEAST_SHARE_OF_SCRIPT * letters else None


@cache
def _identifier() -> LanguageIdentifier:
    # Half a second, and only where no script decides. An identifier of our own: the one that the
    # package shares can be restricted by anybody.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([*LANGUAGES, _NO_TEXT])
    return identifier
