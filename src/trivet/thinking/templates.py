"""The wordings that ask a language model for thoughts, one for each task, read from a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from trivet.errors import InvalidInputError
from trivet.thinking.interface import Kind, ThinkRequest

FILE = Path(__file__).parent / "templates.json"
DEFAULT_TASK = "search"
# What a line of an answer begins with, and the kind of thought that it holds.
LABELS: Mapping[str, Kind] = {"PASSAGE": "passage", "AGAINST": "passage", "KEYWORDS": "keywords"}


@dataclass(frozen=True)
class Template:
    """How thoughts about a query are asked for.

    Attributes:
        task: that it is for.
        version: changes whenever a word of it does.
        frame: the whole text, with `{fence}`, `{query}`, `{aim}`, `{language}` and `{lines}`.
        aim: what to imagine.
        lines: what to write behind each label.
    """

    task: str
    version: str
    frame: str
    aim: str
    lines: Mapping[str, str]

    def __post_init__(self) -> None:
        missing = [f"{{{name}}}" for name in ("fence", "query", "aim", "language", "lines")
                   if f"{{{name}}}" not in self.frame]  # fmt: skip
        strange = [label for label in self.lines if label not in LABELS]
        if missing or strange or not self.lines:
            raise InvalidInputError(
                f"expected a frame with every place and lines out of {', '.join(LABELS)}, got "
                f"{', '.join([*missing, *strange]) or 'no lines'}: see {FILE.name}"
            )

    def render(self, request: ThinkRequest) -> str:
        """The prompt for a query, which is fenced off as data."""
        wanted = [f"{label}: <{line}>" for label, line in self.lines.items()
                  if LABELS[label] in request.kinds]  # fmt: skip
        language = f"in {request.language}" if request.language else "in the query's language"
        filled = {
            "fence": _fence(request.query),
            "aim": self.aim,
            "language": language,
            "lines": "\n".join(wanted),
        }
        text = self.frame
        for name, value in filled.items():
            text = text.replace(f"{{{name}}}", value)
        return text.replace("{query}", request.query)  # last: nothing in it is a place to fill


def template_for(task: str) -> Template:
    """The template of a task; that of "search" where a task has none of its own."""
    stored = _stored()
    known = task if task in stored["tasks"] else DEFAULT_TASK
    wording = stored["tasks"][known]
    lines = {label.upper(): wording[label] for label in ("passage", "against") if label in wording}
    return Template(
        known,
        stored["version"],
        stored["frame"],
        wording["aim"],
        {**lines, "KEYWORDS": stored["keywords"]},
    )


def template_tasks() -> tuple[str, ...]:
    """The tasks that have a template of their own."""
    return tuple(_stored()["tasks"])


def _fence(query: str) -> str:
    """A line that no query can hold: it is made of the query's own checksum."""
    return f"=== {hashlib.sha256(query.encode('utf-8', 'replace')).hexdigest()[:16]} ==="


@lru_cache(maxsize=1)
def _stored() -> dict[str, Any]:
    content = FILE.read_bytes()
    stored: dict[str, Any] = json.loads(content)
    # A wording that was changed without a new version is another version all the same.
    checksum = hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()[:8]
    return {**stored, "version": f"{stored['version']}-{checksum}"}
