"""What a language model wrote → the thoughts in it, whatever form it chose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from trivet.thinking.interface import Kind
from trivet.thinking.templates import LABELS

_REASONING = ("think", "thinking", "thought", "reasoning", "reflection", "scratchpad")
_OPENED = re.compile(rf"<({'|'.join(_REASONING)})\b[^>]*>", re.IGNORECASE)
_BLOCK = re.compile(
    rf"<({'|'.join(_REASONING)})\b[^>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL
)  # fmt: skip
_CLOSED = re.compile(rf"</({'|'.join(_REASONING)})\s*>", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(```|~~~)[^\n`]*$", re.MULTILINE)
# "PASSAGE:", "**Keywords:**", "2. Passage -", "### Passage"
_LABEL = re.compile(
    rf"^[\s>#*_\-\d.)]*({'|'.join(LABELS)})[*_\s]*(?:\([^)\n]*\))?[*_\s]*(?:[:：–—-]|$)[*_ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_BULLET = re.compile(r"^[ \t]*(?:[-*•]|\d+[.)])[ \t]+", re.MULTILINE)
_PREAMBLE = re.compile(
    r"^\s*(?:sure|certainly|of course|okay|ok|here (?:is|are)|here's)\b[^\n]{0,120}?[:!.]\s*\n",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class RawThought:
    """A text as it was found, not cleaned yet."""

    text: str
    kind: Kind


def parse_thoughts(answer: str) -> list[RawThought]:
    """The thoughts in an answer: of labelled lines, of a JSON object, or all of it as a passage.

    Reasoning before them and fences around them are taken away. A reasoning block that was never
    closed leaves nothing: the answer was cut off before it began.
    """
    text = _without_reasoning(answer)
    text = _FENCE.sub("", text).strip()
    if not text:
        return []
    found = _of_json(text) or _of_labels(text)
    if found:
        return found
    return [RawThought(_PREAMBLE.sub("", text, count=1).strip(), "passage")]


def _without_reasoning(text: str) -> str:
    text = _BLOCK.sub("", text)
    closed = list(_CLOSED.finditer(text))
    if closed:  # opened in the prompt, and so not in the answer
        text = text[closed[-1].end() :]
    opened = _OPENED.search(text)
    return text[: opened.start()] if opened else text


def _of_labels(text: str) -> list[RawThought]:
    marks = list(_LABEL.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)][: len(marks)]
    found = []
    for mark, end in zip(marks, ends, strict=True):
        kind = LABELS[mark.group(1).upper()]
        content = text[mark.end() : end].strip()
        if kind == "keywords":
            content = _joined(_BULLET.sub("", line) for line in content.splitlines())
        found.append(RawThought(content.strip("<> \t\n"), kind))
    return [thought for thought in found if thought.text]


def _of_json(text: str) -> list[RawThought]:
    start, end = text.find("{"), text.rfind("}")
    if not 0 <= start < end:
        return []
    try:
        stored = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return []
    if not isinstance(stored, dict):
        return []
    named = {str(name).upper(): value for name, value in stored.items()}
    found = [RawThought(_text(named[label]), kind) for label, kind in LABELS.items()
             if label in named]  # fmt: skip
    return [thought for thought in found if thought.text]


def _text(value: object) -> str:
    if isinstance(value, list):
        return _joined(each for each in value if isinstance(each, str))
    return value.strip() if isinstance(value, str) else ""


def _joined(parts: Iterable[str]) -> str:
    stripped = (part.strip(" \t,;*") for part in parts)
    return ", ".join(part for part in stripped if part)
