"""Reads text, Markdown, reStructuredText, Python and JSONL files as documents, one at a time."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trivet.cli.files import Failure, SourceFile
from trivet.types import Document

# The keys of a JSONL row, and what each must hold.
ROW_KEYS: dict[str, tuple[type, str]] = {
    "text": (str, "a string"),
    "id": (str, "a string"),
    "title": (str, "a string"),
    "metadata": (dict, "an object"),
}

# A title goes before every chunk of its document: a heading longer than this is none.
MAX_TITLE_CHARACTERS = 200
UNDERLINES = frozenset("=-~^\"'`*+#:.<>_")


@dataclass(frozen=True)
class Reading:
    """What was read in one go.

    Attributes:
        source: the id of the file, for a row of JSONL followed by ":" and its line.
        outcome: a document, the reason why there is none, or None for an empty file.
        size_bytes: how much of the file was read for it.
    """

    source: str
    outcome: Document | Failure | None
    size_bytes: int


def read_files(files: Iterable[SourceFile]) -> Iterator[Reading]:
    """Read files as documents.

    A file of text is one document: its id is the file's, its title the first heading of Markdown
    and reStructuredText and else empty, its metadata `{"path": id}`. In JSONL every line is an
    object with `text` and, where wanted, `id` (else the file's id, ":" and the line), `title` and
    `metadata`, to which `path` is added unless it is there. Everything is UTF-8.

    Args:
        files: files with different ids.

    Yields:
        One reading for each file of text and for each line of JSONL that is not blank. A document
        whose id came before is a failure: it would replace the other.
    """
    seen: set[str | None] = set()
    for file in files:
        rows = file.id.lower().endswith((".jsonl", ".jsonl.gz"))
        for reading in _rows(file) if rows else _text(file):
            document = reading.outcome
            if isinstance(document, Document):
                if document.id in seen:
                    reason = f"got the id {document.id!r} for the second time: give it another"
                    reading = _failed(reading.source, reason, reading.size_bytes)
                seen.add(document.id)
            yield reading


def _text(file: SourceFile) -> Iterator[Reading]:
    """The one document of a file of text."""
    try:
        text = file.path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield _failed(file.id, _not_utf8(error), file.size_bytes)
    except OSError as error:
        yield _failed(file.id, f"expected a file to read, got {error}", file.size_bytes)
    else:
        marked_up = file.id.lower().endswith((".md", ".markdown", ".rst"))
        title = _heading(text) if marked_up else ""
        document = Document(text, id=file.id, title=title, metadata={"path": file.id})
        yield Reading(file.id, document if text.strip() else None, file.size_bytes)


def _rows(file: SourceFile) -> Iterator[Reading]:
    """The documents of a JSONL file, line by line."""
    line, done_bytes = 0, 0
    try:
        with file.path.open("rb") as raw:
            rows = gzip.GzipFile(fileobj=raw) if file.id.lower().endswith(".gz") else raw
            for line, row in enumerate(rows, start=1):
                if row.strip():
                    source = f"{file.id}:{line}"
                    yield Reading(source, _row(row, file.id, line), raw.tell() - done_bytes)
                    done_bytes = raw.tell()
    except (OSError, EOFError, zlib.error) as error:
        reason = f"expected more lines of JSONL, got {error}: mend the file"
        yield _failed(f"{file.id}:{line + 1}", reason, file.size_bytes - done_bytes)


def _row(row: bytes, file_id: str, line: int) -> Document | Failure:
    """The document of one line."""
    source = f"{file_id}:{line}"
    try:
        fields = json.loads(row.decode("utf-8-sig" if line == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        return Failure(source, _not_utf8(error))
    except (ValueError, RecursionError) as error:
        return Failure(source, f"expected one JSON object a line, got no JSON: {error}")
    problem = _row_problem(fields)
    if problem:
        return Failure(source, problem)
    return Document(
        fields["text"],
        id=fields.get("id", source),
        title=fields.get("title", ""),
        metadata={"path": file_id, **fields.get("metadata", {})},
    )


def _row_problem(fields: object) -> str | None:
    """Why a JSON value is no document; None if it is one."""
    if not isinstance(fields, dict):
        return f"expected a JSON object, got {json.dumps(fields)[:40]}"
    unknown = sorted(set(fields) - set(ROW_KEYS))
    if unknown:
        return (
            f"expected the keys {', '.join(ROW_KEYS)}, got {', '.join(map(repr, unknown))}: "
            'move them into "metadata"'
        )
    if "text" not in fields:
        return 'expected the key "text", got an object without it'
    for key, field in fields.items():
        kind, description = ROW_KEYS[key]
        if not isinstance(field, kind):
            return f'expected "{key}" to be {description}, got {json.dumps(field)[:40]}'
    return None


def _heading(text: str) -> str:
    """The first heading of Markdown or reStructuredText; "" if there is none.

    Either `# Heading`, or a line underlined from end to end.
    """
    lines = text.splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        title, underline = line.strip(), below.strip()
        if title.startswith("```"):
            return ""  # "#" starts a comment in there; what follows code is no title of the file
        if title.startswith("#") and title.lstrip("#").startswith(" "):
            return _short(title.strip("# "))
        underlined = len(set(underline)) == 1 and len(underline) >= max(3, len(title))
        if underlined and underline[0] in UNDERLINES and any(map(str.isalnum, title)):
            return _short(title)
    return ""


def _short(title: str) -> str:
    """The title, or "" if it is too long to be one."""
    return title if len(title) <= MAX_TITLE_CHARACTERS else ""


def _not_utf8(error: UnicodeDecodeError) -> str:
    """The reason why bytes are no text."""
    byte = error.object[error.start]
    return f"expected UTF-8, got the byte 0x{byte:02x} at offset {error.start}: convert it to UTF-8"


def _failed(source: str, reason: str, size_bytes: int) -> Reading:
    """A reading that brought no document."""
    return Reading(source, Failure(source, reason), size_bytes)
