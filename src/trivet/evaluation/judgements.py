"""Reads queries and relevance judgements: TREC qrels, and the files of BEIR."""

from __future__ import annotations

import math
import os
from numbers import Real
from pathlib import Path
from typing import TypeAlias

from trivet.errors import JudgementsError
from trivet.evaluation.lines import (
    SHOWN,
    checked_id,
    is_jsonl,
    json_object,
    lines,
    named,
    row_id,
)
from trivet.query import text_problem

Qrels: TypeAlias = dict[str, dict[str, int]]

# trec_eval, by which most measures are computed, makes a table as long as the highest grade.
MAX_GRADE = 10_000
QREL_KEYS = ("query-id", "corpus-id", "score")
# What stands first in a line of names.
HEADERS = ("query-id", "query_id", "query", "qid")


def read_queries(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read queries, each with an id.

    Args:
        path: a file, also packed (.gz). JSONL (.jsonl): objects with "_id" or "id", and "text";
            other keys are passed over. Anything else: lines of id, a tab and the text.

    Returns:
        The text of each query by its id, in the file's order.

    Raises:
        JudgementsError: a file that cannot be read or holds no query, a line that is none, or an
            id that comes twice; the message names the line.
    """
    file = Path(path)
    queries: dict[str, str] = {}
    for number, line in lines(file):
        with named(file, number):
            id, text = _json_query(line) if is_jsonl(file) else _tab_query(line)
            _require_texts(("an id of the query", id), ("a text of the query", text))
            if id in queries:
                raise JudgementsError(f"expected an id of its own, got {id!r} for the second time")
        queries[id] = text
    if not queries:
        raise JudgementsError(f"expected one query or more in {file}, got none")
    return queries


def read_qrels(path: str | os.PathLike[str]) -> Qrels:
    """Read which documents are relevant to which query.

    Args:
        path: a file, also packed (.gz). JSONL (.jsonl): objects with "query-id", "corpus-id" and
            "score". Otherwise lines of TREC (query, a field without meaning, document, grade, set
            apart by blanks), or of BEIR (query, document, grade, set apart by tabs, under a line
            of names or not).

    Returns:
        Grades by query id and document id, from -10,000 to 10,000; 0 and below mean not relevant.

    Raises:
        JudgementsError: a file that cannot be read or holds no judgement, a line that is none, or
            a document that is judged twice for one query; the message names the line.
    """
    file = Path(path)
    qrels: Qrels = {}
    for position, (number, line) in enumerate(lines(file)):
        if position == 0 and not is_jsonl(file) and line.split("\t")[0].lower() in HEADERS:
            continue
        with named(file, number):
            query, document, grade = _json_qrel(line) if is_jsonl(file) else _text_qrel(line)
            _require_texts(("an id of the query", query), ("an id of the document", document))
            judged = qrels.setdefault(query, {})
            if document in judged:
                raise JudgementsError(
                    f"expected one judgement of a document, got {document!r} for the second time "
                    f"for the query {query!r}"
                )
        judged[document] = grade
    if not qrels:
        raise JudgementsError(f"expected one judgement or more in {file}, got none")
    return qrels


def _require_texts(*named_values: tuple[str, object]) -> None:
    for name, value in named_values:
        if problem := text_problem(value):
            raise JudgementsError(f"expected {name}, {problem}")


def _json_query(line: str) -> tuple[str, str]:
    fields = json_object(line)
    if "text" not in fields:
        raise JudgementsError(f'expected the keys "_id" and "text", got {line[:SHOWN]!r}')
    return row_id(fields), fields["text"]


def _tab_query(line: str) -> tuple[str, str]:
    id, tab, text = line.partition("\t")
    if not tab:
        raise JudgementsError(f"expected an id, a tab and the query's text, got {line[:SHOWN]!r}")
    return id, text


def _json_qrel(line: str) -> tuple[str, str, int]:
    fields = json_object(line)
    missing = [key for key in QREL_KEYS if key not in fields]
    if missing:
        raise JudgementsError(
            f"expected the keys {', '.join(QREL_KEYS)}, got none {missing[0]!r} in {line[:SHOWN]!r}"
        )
    query, document, grade = (fields[key] for key in QREL_KEYS)
    return checked_id(query), checked_id(document), checked_grade(grade)


def _text_qrel(line: str) -> tuple[str, str, int]:
    tabbed = line.split("\t")
    if len(tabbed) == 3:
        query, document, grade = tabbed
    elif len(tabbed) == 4:  # ids may hold blanks
        query, _, document, grade = tabbed
    elif len(fields := line.split()) == 4:
        query, _, document, grade = fields
    else:
        raise JudgementsError(
            "expected query, a field without meaning, document and grade (TREC), or query, "
            f"document and grade with tabs between them (BEIR), got {line[:SHOWN]!r}"
        )
    if not query.strip() or not document.strip():
        raise JudgementsError(f"expected ids of query and document, got {line[:SHOWN]!r}")
    return query, document, checked_grade(grade)


def checked_grade(value: object) -> int:
    """A grade; numbers that were written as texts are read.

    Raises:
        JudgementsError: no whole number, or one beyond `MAX_GRADE`.
    """
    try:
        # numpy's and pandas' numbers too.
        number = float(value) if isinstance(value, str | Real) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not number.is_integer():
        raise JudgementsError(f"expected a whole number as grade, got {value!r}")
    if abs(number) > MAX_GRADE:
        raise JudgementsError(
            f"expected a grade from {-MAX_GRADE:,} to {MAX_GRADE:,}, got {number:g}: number the "
            "levels of relevance from 1"
        )
    return int(number)
