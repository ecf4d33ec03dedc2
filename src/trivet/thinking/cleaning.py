"""Which texts of a language model are usable as thoughts, and in what form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from trivet.thinking.interface import Dropped, Thought
from trivet.thinking.parsing import RawThought

# A passage is asked for in 60 words. What is longer is cut; of what is far longer nothing is
# believed: it is a loop or another text.
MAX_WORDS = 120
ABSURD_WORDS = 2000
MIN_WORDS = 5
MIN_KEYWORDS = 2
MAX_KEYWORDS = 32
MAX_WORD_LENGTH = 100
SAME = 0.9
# Characters of scripts that put no spaces between words, that stand for one word.
CHARACTERS_A_WORD = 2

_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am)? (?:sorry|afraid|unable|not able|can(?:'|no)?t|won't|must decline)"
    r"|(?:i|we) (?:cannot|can not|can't|could not|do not have|don't have)"
    r"|as an? (?:ai|language model|assistant)|my (?:apologies|training data)"
    r"|(?:no|not enough|insufficient) (?:information|context) (?:is |was )?(?:available|provided)"
    r"|please (?:provide|clarify|specify))\b",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}"
    r"\b(?:query|question|instructions?|prompts?|rules?|above|previous|everything)\b"
    r"|\bsystem prompt\b|\byou are now\b",
    re.IGNORECASE,
)
_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"\w+")
_WIDE = re.compile(r"[぀-ヿ㐀-鿿가-힯฀-๿຀-໿ក-៿က-႟]")
_SENTENCE_END = re.compile(r"[.!?。！？](?=\s|$)")


def clean_thoughts(
    raw: Sequence[RawThought], query: str
) -> tuple[tuple[Thought, ...], tuple[Dropped, ...]]:
    """The usable ones of the texts that were found, and the others with the reason.

    Args:
        raw: in the order of the answer.
        query: that they are about.
    """
    kept: list[Thought] = []
    dropped: list[Dropped] = []
    for thought in raw:
        text = clean_text(thought.text)
        problem = _problem(text, thought, query, kept)
        if problem:
            dropped.append(Dropped(text[:200], problem))
            continue
        shortened = _short_keywords(text) if thought.kind == "keywords" else _shortened(text)
        kept.append(Thought(shortened, thought.kind))
    return tuple(kept), tuple(dropped)


def clean_text(text: str) -> str:
    """One line without control characters, lone surrogates, Markdown marks or outer quotes."""
    composed = unicodedata.normalize("NFC", text.replace("�", " "))
    spaced = (" " if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") else c for c in composed)
    visible = "".join(c for c in spaced if unicodedata.category(c) != "Cf" or c == "‍")
    plain = re.sub(r"\*\*|__|`", "", visible)
    return _SPACES.sub(" ", plain).strip(" \"'“”„«»")


def normalised_query(query: str) -> str:
    """The query as it is looked up: composed, with single spaces."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", query)).strip()


def _problem(text: str, thought: RawThought, query: str, kept: Sequence[Thought]) -> str:
    """Why a text is not used; "" if it is."""
    words = count_words(text)
    if thought.kind == "keywords":
        if len([k for k in text.split(",") if k.strip()]) < MIN_KEYWORDS and words < MIN_WORDS:
            return "too short"
    elif words < MIN_WORDS:
        return "too short"
    if words > ABSURD_WORDS or any(len(w) > MAX_WORD_LENGTH for w in text.split()
                                   if not _WIDE.search(w)):  # fmt: skip
        return "too long"
    if thought.kind == "passage" and _REFUSAL.search(text[:160]):
        return "a refusal"
    if _ORDER.search(text) and not _ORDER.search(query):
        return "an order to whoever reads it"
    if _echoes(text, query):
        return "an echo of the query"
    same_kind = (other for other in kept if other.kind == thought.kind)
    if any(_likeness(text, other.text) >= SAME for other in same_kind):
        return "like another thought"
    return ""


def count_words(text: str) -> int:
    """Words; in scripts without spaces between them, pairs of characters."""
    wide = len(_WIDE.findall(text))
    return len(_WORD.findall(_WIDE.sub(" ", text))) + wide // CHARACTERS_A_WORD


def _echoes(text: str, query: str) -> bool:
    """Whether the text holds hardly a word that is not in the query."""
    words, asked = _words(text), _words(query)
    return bool(words) and len(words - asked) <= max(1, len(words) // 10) and bool(words & asked)


def _likeness(text: str, other: str) -> float:
    """Shared words over all words, from 0 to 1."""
    words, others = _words(text), _words(other)
    return len(words & others) / max(1, len(words | others))


def _words(text: str) -> set[str]:
    lowered = text.casefold()
    return {*_WORD.findall(_WIDE.sub(" ", lowered)), *_WIDE.findall(lowered)}


def _shortened(text: str) -> str:
    """At most `MAX_WORDS` words, cut at the end of a sentence where one is near."""
    if count_words(text) <= MAX_WORDS:
        return text
    ends = [match.end() for match in re.finditer(r"\S+", text)]
    cut = text[: ends[min(MAX_WORDS, len(ends)) - 1]]
    if count_words(cut) > MAX_WORDS:  # without spaces
        cut = cut[: MAX_WORDS * CHARACTERS_A_WORD]
    sentences = [match.end() for match in _SENTENCE_END.finditer(cut)]
    return cut[: sentences[-1]] if sentences and sentences[-1] > len(cut) // 2 else cut


def _short_keywords(text: str) -> str:
    terms = dict.fromkeys(term.strip(" .;") for term in re.split(r"[,;、，]", text))
    listed = [_shortened(term) for term in terms if term][:MAX_KEYWORDS]
    return ", ".join(listed)
