"""A judged collection in the layout of BEIR, read from the folder that TRIVET_DATA names."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivet import Document

DATA = Path(
    os.environ.get("TRIVET_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
)


@dataclass(frozen=True)
class Collection:
    """Documents, the queries that have judgements, and the judgements.

    Attributes:
        name: its folder.
        documents: with their own ids; those without any content are left out.
        queries: text by query id.
        judgements: relevance by query id and document id.
    """

    name: str
    documents: tuple[Document, ...]
    queries: dict[str, str]
    judgements: dict[str, dict[str, int]]

    @property
    def ids(self) -> list[str]:
        return [document.id or "" for document in self.documents]

    @property
    def texts(self) -> list[str]:
        """Title and text of each document, as one text."""
        return [f"{document.title} {document.text}".strip() for document in self.documents]


def load(name: str) -> Collection:
    """Read a collection; the run ends with a message if it is not there."""
    folder = DATA / name
    if not folder.is_dir():
        raise SystemExit(f"needs the collection {name!r}: set TRIVET_DATA to the folder it is in")
    judgements: dict[str, dict[str, int]] = {}
    with (folder / "qrels.tsv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            judgements.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    documents = [_document(row) for row in _rows(folder, "corpus.jsonl")]
    queries = {row["_id"]: row["text"] for row in _rows(folder, "queries.jsonl")}
    return Collection(
        name,
        tuple(document for document in documents if document.text.strip()),
        {id: text for id, text in queries.items() if id in judgements},
        judgements,
    )


def _document(row: dict[str, Any]) -> Document:
    """A title without a text is the text: a document has to have one."""
    if row["text"].strip():
        return Document(row["text"], row["_id"], row["title"])
    return Document(row["title"], row["_id"])


def _rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    packed = folder / f"{name}.gz"
    if packed.is_file():
        content = gzip.decompress(packed.read_bytes())
    else:
        content = (folder / name).read_bytes()
    yield from (json.loads(line) for line in content.split(b"\n") if line)
