"""Files of queries and judgements: every format, and what is wrong with which line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from trivet.errors import JudgementsError
from trivet.evaluation import read_qrels, read_queries
from trivet.evaluation.collection import read_collection

QRELS = {"q1": {"d1": 2, "d 2": 0}, "q2": {"d1": 1}}


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.jsonl", '{"_id": "q1", "text": "a b", "answer": 3}\n\n{"_id": 2, "text": "c"}\n'),
        ("q.jsonl.gz", '{"id": "q1", "text": "a b"}\n{"id": "2", "text": "c"}'),
        ("q.tsv", "q1\ta b\n2\tc\n"),
        ("q.txt.gz", "\ufeffq1\ta b\r\n2\tc\r\n"),
    ],
)
def test_queries_are_read_from_jsonl_and_from_lines_with_tabs(tmp_path, name, text):
    assert read_queries(written(tmp_path, name, text)) == {"q1": "a b", "2": "c"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td 2\t0\nq2\td1\t1\n"),
        ("qrels.tsv.gz", "q1\td1\t2\nq1\td 2\t0\r\nq2\td1\t1.0"),
        (
            "qrels.jsonl",
            '{"query-id": "q1", "corpus-id": "d1", "score": 2}\n'
            '{"query-id": "q1", "corpus-id": "d 2", "score": 0}\n'
            '{"query-id": "q2", "corpus-id": "d1", "score": 1.0, "more": 1}\n',
        ),
    ],
)
def test_judgements_are_read_from_beir_files(tmp_path, name, text):
    assert read_qrels(written(tmp_path, name, text)) == QRELS


def test_judgements_are_read_from_trec_files(tmp_path):
    path = written(tmp_path, "qrels.txt", "q1 0 d1 2\nq1\tQ0\td2\t-1\n\n 7  0  d1  1\n")
    assert read_qrels(path) == {"q1": {"d1": 2, "d2": -1}, "7": {"d1": 1}}
    blanks = written(tmp_path, "tabs.txt", "q 1\t0\ta name\t1\n")
    assert read_qrels(blanks) == {"q 1": {"a name": 1}}


@pytest.mark.data
@pytest.mark.parametrize("name", ["cranfield", "limit-small"])
def test_the_collections_are_read(data_dir, name):
    queries = next((data_dir / name).glob("queries.jsonl*"))
    read = read_queries(queries), read_qrels(data_dir / name / "qrels.tsv")
    assert set(read[1]) <= set(read[0])
    assert len(read[1]) == {"cranfield": 225, "limit-small": 1000}[name]


@pytest.mark.parametrize(
    ("name", "text", "line", "said"),
    [
        ("q.jsonl", '{"_id": "a", "text": "x"}\n{oops\n', 2, "no JSON"),
        ("q.jsonl", '["a"]\n', 1, "expected a JSON object"),
        ("q.jsonl", '{"_id": "a"}\n', 1, 'the keys "_id" and "text"'),
        ("q.jsonl", '{"_id": true, "text": "x"}\n', 1, "an id that is a text"),
        ("q.jsonl", '{"_id": "a", "text": 3}\n', 1, "expected a text of the query, got int"),
        ("q.tsv", "a\tx\nb\t \n", 2, "expected a text of the query, got an empty or blank"),
        ("q.tsv", "a\tx\n\nnothing\n", 3, "expected an id, a tab"),
        ("q.tsv", "a\tx\nb\ty\na\tz\n", 3, "got 'a' for the second time"),
        ("q.tsv", "\tx\n", 1, "expected an id of the query"),
    ],
)
def test_a_line_that_is_no_query_is_named(tmp_path, name, text, line, said):
    path = written(tmp_path, name, text)
    with pytest.raises(JudgementsError) as error:
        read_queries(path)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "line", "said"),
    [
        ("r.tsv", "q\td\t1\nq d 1\n", 2, "(TREC)"),
        ("r.tsv", "q\td\thigh\n", 1, "a whole number as grade, got 'high'"),
        ("r.txt", "q 0 d 1.5\n", 1, "a whole number as grade, got '1.5'"),
        ("r.txt", "q 0 d inf\n", 1, "a whole number as grade"),
        # trec_eval would take the memory for a table of as many levels.
        ("r.txt", "q 0 d 2147483647\n", 1, "a grade from -10,000 to 10,000, got 2.14748e+09"),
        ("r.tsv", "q\t\t1\n", 1, "expected ids"),
        ("r.tsv", "query-id\tcorpus-id\tscore\nq\td\t1\nq\td\t1\n", 3, "'d' for the second time"),
        ("r.txt", "q 0 a\x00b 1\n", 1, "an id of the document, got a NUL character"),
        (
            "r.jsonl",
            '{"query-id": "\\ud800", "corpus-id": "d", "score": 1}\n',
            1,
            "an id that is a text, got a lone surrogate",
        ),
        ("r.jsonl", '{"query-id": "q", "score": 1}\n', 1, "got none 'corpus-id'"),
        ("r.jsonl", '{"query-id": "q", "corpus-id": "d", "score": true}\n', 1, "whole number"),
    ],
)
def test_a_line_that_is_no_judgement_is_named(tmp_path, name, text, line, said):
    path = written(tmp_path, name, text)
    with pytest.raises(JudgementsError) as error:
        read_qrels(path)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert said in str(error.value)


@pytest.mark.parametrize("read", [read_queries, read_qrels])
def test_files_without_content_are_refused(tmp_path, read):
    with pytest.raises(JudgementsError, match="got none"):
        read(written(tmp_path, "empty.tsv", "\n \n"))
    with pytest.raises(JudgementsError, match="expected a file to read"):
        read(tmp_path / "absent.tsv")
    (tmp_path / "torn.gz").write_bytes(gzip.compress(b"a\tb\n" * 1000)[:-20])
    with pytest.raises(JudgementsError):
        read(tmp_path / "torn.gz")
    (tmp_path / "latin.tsv").write_bytes(b"a\tb\t1\nc\tcaf\xe9\t1\n")
    with pytest.raises(JudgementsError, match=r"latin.tsv:2: expected UTF-8"):
        read(tmp_path / "latin.tsv")


def test_a_packed_file_is_read_whatever_its_name(tmp_path):
    for name in ("q.tsv", "q.TSV.GZ"):
        (tmp_path / name).write_bytes(gzip.compress(b"q1\ta b\n"))
        assert read_queries(tmp_path / name) == {"q1": "a b"}


def test_a_collection_is_of_documents_whose_ids_are_texts(tmp_path):
    written(tmp_path, "corpus.jsonl", '{"_id": "a", "text": "x"}\n{"_id": "\\ud800", "text": "y"}')
    with pytest.raises(JudgementsError, match=r"corpus.jsonl:2: .* got a lone surrogate"):
        read_collection(tmp_path)


def test_a_file_of_names_alone_holds_no_judgement(tmp_path):
    with pytest.raises(JudgementsError, match="expected one judgement or more"):
        read_qrels(written(tmp_path, "r.tsv", "query-id\tcorpus-id\tscore\n"))
