"""Texts that are kept outside an index, found in a JSONL file by the ids of their documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from trivet.errors import InvalidInputError
from trivet.store.keys import document_key


@contextmanager
def opened_texts(file: Path | None) -> Iterator[TextsFile | None]:
    """What finds the texts of a file; None without one."""
    if file is None:
        yield None
        return
    with TextsFile(file) as found:
        yield found


class TextsFile:
    """The texts of documents, read from the file one at a time when they are asked for.

    A line is an object with "id", "text" and, in an index with tenants, "tenant"; other keys are
    passed over. Of lines with the same id the last one counts.

    Args:
        file: JSONL, UTF-8.

    Raises:
        InvalidInputError: a line that is something else, or none at all.
        OSError: the file cannot be read.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._starts: dict[str, int] = {}
        self._opened = file.open("rb")
        try:
            start = 0
            for number, line in enumerate(self._opened, start=1):
                if line.strip():
                    key, _ = self._read(line, number)
                    self._starts[key] = start
                start += len(line)
            if not self._starts:
                raise InvalidInputError(f'expected lines with "id" and "text" in {file}, got none')
        except BaseException:
            self._opened.close()
            raise

    def __enter__(self) -> TextsFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._opened.close()

    def __call__(self, key: str) -> str | None:
        """The text of a document; None if it has no line."""
        if key not in self._starts:
            return None
        self._opened.seek(self._starts[key])
        return self._read(self._opened.readline(), 0 if self._starts[key] else 1)[1]

    def _read(self, line: bytes, number: int) -> tuple[str, str]:
        """A line's key and text."""
        try:
            row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except (ValueError, RecursionError) as error:
            raise self._wrong(number, f"no JSON: {error}") from error
        fields = row if isinstance(row, dict) else {}
        tenant, id, text = fields.get("tenant"), fields.get("id"), fields.get("text")
        if not (isinstance(id, str) and isinstance(text, str) and isinstance(tenant, str | None)):
            raise self._wrong(number, json.dumps(row)[:60])
        return document_key(tenant, id), text

    def _wrong(self, number: int, came: str) -> InvalidInputError:
        return InvalidInputError(
            f'expected a JSON object with strings "id" and "text" in {self._file}:{number}, got '
            f"{came}"
        )
