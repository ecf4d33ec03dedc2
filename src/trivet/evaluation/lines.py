"""Reads files of lines, packed or not, and says which line is wrong."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from trivet.errors import JudgementsError
from trivet.query import text_problem

ID_KEYS = ("_id", "id")
# What a packed file begins with; no text in UTF-8 does.
GZIP = b"\x1f\x8b"
SHOWN = 60


def lines(file: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, each with its number.

    Raises:
        JudgementsError: a file that cannot be read, or whose bytes are no UTF-8.
    """
    number = 0
    try:
        with _opened(file) as rows:
            for number, row in enumerate(rows, start=1):
                line = row.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        raise JudgementsError(
            f"{file}:{number}: expected UTF-8, got byte 0x{error.object[error.start]:02x} at "
            f"{error.start}: save the file as UTF-8"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise JudgementsError(f"expected a file to read in {file}, got {error}") from error


def _opened(file: Path) -> gzip.GzipFile | BufferedReader:
    """A file's bytes, unpacked where it is packed, whatever its name."""
    with file.open("rb") as raw:
        is_packed = raw.read(len(GZIP)) == GZIP
    is_packed |= file.name.lower().endswith(".gz")
    return gzip.open(file) if is_packed else file.open("rb")


@contextmanager
def named(file: Path, number: int) -> Iterator[None]:
    """Errors of a line say which it is."""
    try:
        yield
    except JudgementsError as error:
        raise JudgementsError(f"{file}:{number}: {error}") from error.__cause__


def is_jsonl(file: Path) -> bool:
    """Whether each line is a JSON object."""
    return file.name.lower().endswith((".jsonl", ".jsonl.gz"))


def json_object(line: str) -> dict[str, Any]:
    """The object that a line holds.

    Raises:
        JudgementsError: it holds none.
    """
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise JudgementsError(f"expected one JSON object a line, got no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise JudgementsError(f"expected a JSON object, got {line[:SHOWN]!r}")
    return fields


def row_id(fields: dict[str, Any]) -> str:
    """The id of a JSON object, under either of its names.

    Raises:
        JudgementsError: there is none.
    """
    id = next((fields[key] for key in ID_KEYS if key in fields), None)
    if id is None:
        raise JudgementsError(f'expected the key "_id", got {", ".join(fields)[:SHOWN]!r}')
    return checked_id(id)


def checked_id(value: object) -> str:
    """Ids that were numbers before they were written to JSON are the texts of them."""
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise JudgementsError(f"expected an id that is a text, got {value!r}")
    if problem := text_problem(str(value)):
        raise JudgementsError(f"expected an id that is a text, {problem}")
    return str(value)
