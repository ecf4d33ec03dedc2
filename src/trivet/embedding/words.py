"""Text cut into words, in any script: marks stay with their letters, scripts without spaces too."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import pairwise

import regex

# A word is letters and digits with the marks on them.
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{N}\p{M}]*+")
# What is not seen and parts no word: soft hyphens, joiners, directions, variation selectors. The
# zero-width space is not among them, it is there to part words. The tatweel only stretches a word.
_INVISIBLE = regex.compile(r"[[\p{Cf}\p{Variation_Selector}\u0640]--\u200b]", regex.V1)
# Scripts that put no spaces between words. Of the first kind a character means something by
# itself; in the others it is a sound. Korean does space its words, but glues particles to them.
_MEANING = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}ー"
_SOUND = r"\p{Line_Break=Complex_Context}"
_UNSPACED = regex.compile(rf"((?:[{_MEANING}]\p{{M}}*+)++|(?:[{_SOUND}]\p{{M}}*+)++)")
_MEANS = regex.compile(rf"[{_MEANING}]")
_CHARACTER = regex.compile(r"\X")

# Letters that are lower-cased in their own way.
_OWN_CASES = {"tr": {"I": "ı", "İ": "i"}, "az": {"I": "ı", "İ": "i"}}


def cut_words(text: str, language: str) -> str:
    """The words of a text in lower case, apart by spaces.

    A stretch of Chinese, Japanese or Korean gives each of its characters and each pair of
    neighbours; one of Thai, Lao, Khmer or Burmese gives the pairs alone. On xquad-zh and
    jsquad-valid both together are worth .003 and .005 nDCG@10 over pairs alone.

    Args:
        text: any text.
        language: ISO 639-1 code; it decides how letters are lower-cased.
    """
    words = _WORD.findall(normalise(text, language))
    return " ".join(word for stretch in words for word in _parts(stretch))


def normalise(text: str, language: str) -> str:
    """One spelling of what looks the same: NFKC, lower case, nothing invisible."""
    composed = unicodedata.normalize("NFKC", text)
    for letter, small in _OWN_CASES.get(language, {}).items():
        composed = composed.replace(letter, small)
    composed = composed.lower()
    return composed if composed.isascii() else _INVISIBLE.sub("", composed)


def _parts(word: str) -> Iterator[str]:
    """The word itself, or what it is made of where its script has no spaces."""
    if word.isascii() or not _UNSPACED.search(word):
        yield word
        return
    for number, part in enumerate(_UNSPACED.split(word)):
        if number % 2 == 0:  # between two stretches
            if part:
                yield part
            continue
        characters = _CHARACTER.findall(part)
        if len(characters) == 1 or _MEANS.match(part):
            yield from characters
        yield from map("".join, pairwise(characters))
