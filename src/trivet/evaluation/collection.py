"""A judged collection in a folder, as BEIR lays it out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from trivet.errors import JudgementsError
from trivet.evaluation.judgements import Qrels, read_qrels, read_queries
from trivet.evaluation.lines import SHOWN, json_object, lines, named, row_id

QRELS = ("qrels.tsv", "qrels/{split}.tsv", "qrels.jsonl", "qrels.txt")


@dataclass(frozen=True, eq=False)
class Collection:
    """Documents, the queries that are judged, and the judgements.

    Attributes:
        name: of its folder.
        titles: title of each document by its id, "" for none.
        texts: text of each document by its id; it may be blank.
        queries: text by id.
        qrels: grades by query id and document id.
    """

    name: str
    titles: dict[str, str]
    texts: dict[str, str]
    queries: dict[str, str]
    qrels: Qrels


def read_collection(folder: str | os.PathLike[str], *, split: str = "test") -> Collection:
    """Read a collection.

    Args:
        folder: holds `corpus.jsonl` (objects with "_id", "text" and perhaps "title"),
            `queries.jsonl`, and `qrels.tsv` or `qrels/<split>.tsv`, each packed (.gz) or not.
        split: which judgements, where there are several.

    Raises:
        JudgementsError: a file that is not there or cannot be read; the message names the line.
    """
    place = Path(folder)
    titles: dict[str, str] = {}
    texts: dict[str, str] = {}
    corpus = _file(place, "corpus.jsonl")
    for number, line in lines(corpus):
        with named(corpus, number):
            id, title, text = _document(line)
            if id in texts:
                raise JudgementsError(f"expected an id of its own, got {id!r} for the second time")
        titles[id], texts[id] = title, text
    queries = read_queries(_file(place, "queries.jsonl", "queries.tsv"))
    qrels = read_qrels(_file(place, *(name.format(split=split) for name in QRELS)))
    judged = {id: text for id, text in queries.items() if id in qrels}
    return Collection(place.resolve().name, titles, texts, judged, qrels)


def _document(line: str) -> tuple[str, str, str]:
    fields = json_object(line)
    title, text = fields.get("title") or "", fields.get("text")
    if not isinstance(text, str) or not isinstance(title, str):
        raise JudgementsError(f'expected a text under "text", got {line[:SHOWN]!r}')
    return row_id(fields), title, text


def _file(folder: Path, *names: str) -> Path:
    for name in names:
        for file in (folder / name, folder / f"{name}.gz"):
            if file.is_file():
                return file
    raise JudgementsError(f"expected {names[0]} (or .gz) in {folder}, got no such file")
