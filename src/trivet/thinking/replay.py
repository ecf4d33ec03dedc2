"""Thoughts in a file: recorded as they come, and replayed without a model."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from trivet.errors import InvalidInputError
from trivet.thinking.cleaning import clean_text
from trivet.thinking.interface import (
    Thinker,
    ThinkRequest,
    ThinkResult,
    Thought,
    nothing,
    of_kinds,
)

PASSAGE = "passage"
BOTH = "passage+keywords"


def query_sha256(query: str) -> str:
    """The checksum that a query's thoughts are filed under: of its exact text in UTF-8."""
    return hashlib.sha256(query.encode("utf-8", "surrogatepass")).hexdigest()


class Replay:
    """Thoughts out of a JSONL file.

    A line is an object with `query_sha256`, `thought`, `kind` ("passage" or "passage+keywords")
    and, with the second, `keywords`; other fields are passed over. Several lines of one query are
    several thoughts.

    Args:
        path: of the file.
        on_miss: what a query without a line is: "skip" or "error".

    Raises:
        InvalidInputError: no such file, a line that is not as described, or another `on_miss`.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, on_miss: Literal["skip", "error"] = "skip"
    ) -> None:
        if on_miss not in ("skip", "error"):
            raise InvalidInputError(f'expected on_miss to be "skip" or "error", got {on_miss!r}')
        self._on_miss = on_miss
        content, self._thoughts = _read(Path(path))
        self.fingerprint = f"replay|{hashlib.sha256(content).hexdigest()[:16]}"

    def think(self, request: ThinkRequest) -> ThinkResult:
        """The thoughts that are filed under the query; as `Thinker.think`."""
        found = self._thoughts.get(query_sha256(request.query))
        if found is None:
            status: Literal["skipped", "error"] = (
                "skipped" if self._on_miss == "skip" else "error"
            )  # fmt: skip
            return nothing(status, "the file holds no thought of this query", self.fingerprint)
        wanted = of_kinds(found, request.kinds)
        if not wanted:
            return nothing("skipped", "the file holds no thought of these kinds", self.fingerprint)
        return ThinkResult(wanted, "ok", thinker=self.fingerprint)

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        """As `think`."""
        return self.think(request)


class Recording:
    """Another thinker, whose thoughts are written to a file that `Replay` reads.

    The file holds people's queries only as checksums, and is readable by its owner alone.

    Args:
        thinker: thinks.
        path: of the file; what is in it stays.

    Raises:
        InvalidInputError: the file cannot be written.
    """

    def __init__(self, thinker: Thinker, path: str | os.PathLike[str]) -> None:
        self._thinker = thinker
        self._path = Path(path)
        self._writing = threading.Lock()
        self.fingerprint = thinker.fingerprint
        try:
            self._append("")
        except OSError as error:
            raise InvalidInputError(f"expected a file that can be written, got: {error}") from error

    def think(self, request: ThinkRequest) -> ThinkResult:
        """Think and record; as `Thinker.think`."""
        return self._recorded(request, self._thinker.think(request))

    async def athink(self, request: ThinkRequest) -> ThinkResult:
        """As `think`, without blocking the event loop."""
        return self._recorded(request, await self._thinker.athink(request))

    def _recorded(self, request: ThinkRequest, result: ThinkResult) -> ThinkResult:
        if result.thoughts and result.status in ("ok", "partial"):
            rows = _rows(request.query, result)
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            try:
                self._append(lines)
            except OSError as error:
                return replace(result, reason=f"not recorded: {error}")
        return result

    def _append(self, lines: str) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with self._writing, os.fdopen(descriptor, "a", encoding="utf-8") as file:
            self._path.chmod(0o600)  # a file that was there may have been open to others
            file.write(lines)


def _rows(query: str, result: ThinkResult) -> Iterator[dict[str, Any]]:
    passages = [thought.text for thought in result.thoughts if thought.kind == "passage"]
    keywords = [thought.text for thought in result.thoughts if thought.kind == "keywords"]
    shared = {
        "writer": result.thinker,
        "date": datetime.now(timezone.utc).date().isoformat(),
    }
    checksum = query_sha256(query)
    for n, passage in enumerate(passages or [""]):
        with_keywords = n == 0 and bool(keywords)
        yield {
            "query_sha256": checksum,
            "thought": passage,
            **({"keywords": ", ".join(keywords)} if with_keywords else {}),
            "kind": BOTH if with_keywords else PASSAGE,
            **shared,
        }


def _read(path: Path) -> tuple[bytes, dict[str, tuple[Thought, ...]]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"expected a file of thoughts in {path}, got: {error}") from error
    thoughts: dict[str, tuple[Thought, ...]] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            checksum, found = _of_line(line, f"{path}, line {number}")
            thoughts[checksum] = thoughts.get(checksum, ()) + found
    return content, thoughts


def _of_line(line: bytes, place: str) -> tuple[str, tuple[Thought, ...]]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"expected a JSON object in {place}, got: {error}") from error
    fields = row if isinstance(row, dict) else {}
    checksum, kind = fields.get("query_sha256"), fields.get("kind")
    if not isinstance(checksum, str) or kind not in (PASSAGE, BOTH):
        raise InvalidInputError(
            f'expected "query_sha256" and a "kind" of "{PASSAGE}" or "{BOTH}" in {place}, got '
            f"{str(row)[:80]}"
        )
    texts = {"passage": fields.get("thought"), "keywords": fields.get("keywords", "")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise InvalidInputError(f"expected texts as thought and keywords in {place}")
    cleaned = {name: clean_text(str(text)) for name, text in texts.items()}
    found = [Thought(cleaned["passage"], "passage")] if cleaned["passage"] else []
    if kind == BOTH and cleaned["keywords"]:
        found.append(Thought(cleaned["keywords"], "keywords"))
    return checksum, tuple(found)
