"""What `trivet index` reads out of the files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from trivet.cli.files import Failure, find_files
from trivet.cli.sources import Reading, read_files
from trivet.types import Document


def read(folder: Path) -> list[Reading]:
    return list(read_files(find_files([folder], outside=folder / "none").files))


def outcome(folder: Path, name: str, content: str | bytes) -> Document | Failure | None:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (reading,) = read(folder)
    return reading.outcome


def rows(folder: Path, *lines: object, name: str = "rows.jsonl") -> list[Document | Failure]:
    written = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / name).write_text(written)
    return [reading.outcome for reading in read(folder)]


def test_a_file_is_one_document(tmp_path):
    assert outcome(tmp_path, "a.txt", "# a text\r\nof two lines\n") == Document(
        "# a text\r\nof two lines\n", id="a.txt", title="", metadata={"path": "a.txt"}
    )


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    assert outcome(tmp_path, "a.txt", b"\xef\xbb\xbfkedge").text == "kedge"


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("a.md", "intro\n\n## Kedge *anchors* ##\n\ntext", "Kedge *anchors*"),
        ("a.markdown", "Kedge\n=====\n# Later", "Kedge"),
        ("a.rst", "=====\nKedge\n=====\n\ntext", "Kedge"),
        ("a.rst", "Kedge\n-----\n\ntext", "Kedge"),
        ("a.md", "---\nname: kedge\n---\n# Kedge", "Kedge"),
        ("a.md", "```\n# a comment\n```\n# Later", ""),
        ("a.md", "#hashtag\n" + "# " + "long " * 80, ""),
        ("a.md", "no heading", ""),
        ("a.py", "# a comment\nanchor = 1", ""),
    ],
)
def test_the_title_is_the_first_heading(tmp_path, name, text, title):
    assert outcome(tmp_path, name, text).title == title


def test_a_file_that_is_not_utf8_is_a_failure_and_the_rest_is_read(tmp_path):
    (tmp_path / "b.txt").write_text("good")
    (tmp_path / "a.txt").write_bytes("anchor caf\xe9".encode("latin-1"))
    failure, document = (reading.outcome for reading in read(tmp_path))
    assert failure == Failure(
        "a.txt", "expected UTF-8, got the byte 0xe9 at offset 10: convert it to UTF-8"
    )
    assert document.id == "b.txt"


def test_an_empty_file_is_neither_document_nor_failure(tmp_path):
    assert outcome(tmp_path, "__init__.py", " \n") is None


def test_rows_are_documents(tmp_path):
    full = {"text": "kedge", "id": "k", "title": "Anchors", "metadata": {"year": 1990}}
    assert rows(tmp_path, full, "", {"text": "leeway"}) == [
        Document("kedge", "k", "Anchors", {"path": "rows.jsonl", "year": 1990}),
        Document("leeway", "rows.jsonl:3", "", {"path": "rows.jsonl"}),
    ]


def test_a_row_may_bring_its_own_path(tmp_path):
    (document,) = rows(tmp_path, {"text": "kedge", "metadata": {"path": "/elsewhere"}})
    assert document.metadata == {"path": "/elsewhere"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "expected one JSON object a line, got no JSON"),
        ("[" * 100_000, "expected one JSON object a line, got no JSON"),
        ("[1]", "expected a JSON object, got [1]"),
        ('{"id": "a"}', 'expected the key "text"'),
        ('{"text": 1}', 'expected "text" to be a string, got 1'),
        ('{"text": "a", "id": 7}', 'expected "id" to be a string, got 7'),
        ('{"text": "a", "title": null}', 'expected "title" to be a string, got null'),
        ('{"text": "a", "metadata": []}', 'expected "metadata" to be an object, got []'),
        ('{"text": "a", "year": 1}', "got 'year': move them into \"metadata\""),
    ],
)
def test_a_bad_row_is_a_failure_and_the_rest_is_read(tmp_path, line, reason):
    failure, document = rows(tmp_path, line, {"text": "leeway"})
    assert failure.id == "rows.jsonl:1"
    assert reason in failure.reason
    assert document.id == "rows.jsonl:2"


def test_a_row_that_is_not_utf8_is_a_failure_and_the_rest_is_read(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b'{"text": "caf\xe9"}\n{"text": "leeway"}\n')
    failure, document = (reading.outcome for reading in read(tmp_path))
    assert "0xe9" in failure.reason
    assert document.text == "leeway"


def test_an_id_that_came_before_is_a_failure(tmp_path):
    (tmp_path / "a.txt").write_text("kedge")
    first, second, third = rows(tmp_path, {"text": "x", "id": "a.txt"}, {"text": "y"})
    assert (first.id, third.id) == ("a.txt", "rows.jsonl:2")
    assert second.id == "rows.jsonl:1"
    assert "the id 'a.txt' for the second time" in second.reason


def test_compressed_rows_are_read_like_others(tmp_path):
    with gzip.open(tmp_path / "rows.jsonl.gz", "wt") as file:
        file.write('{"text": "kedge"}\n{"text": "leeway"}\n')
    readings = read(tmp_path)
    assert [reading.outcome.id for reading in readings] == ["rows.jsonl.gz:1", "rows.jsonl.gz:2"]
    size_bytes = (tmp_path / "rows.jsonl.gz").stat().st_size
    assert sum(reading.size_bytes for reading in readings) == size_bytes


def test_a_damaged_archive_is_a_failure(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(b"no archive")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"text": "kedge"}\n' * 9999)[:-20])
    readings = read(tmp_path)
    assert readings[0].outcome.id == "a.jsonl.gz:1"
    assert isinstance(readings[-1].outcome, Failure)
    assert "mend the file" in readings[-1].outcome.reason


def test_files_are_read_one_at_a_time(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("before")
    readings = read_files(find_files([tmp_path], outside=tmp_path / "none").files)
    next(readings)
    (tmp_path / "b.txt").write_text("after")
    assert next(readings).outcome.text == "after"
