"""Whatever is wrong is refused with a typed error, and nothing that is stored suffers."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest

import trivet
from trivet import Document, errors

BAD_TEXTS = {
    "empty": ("", "blank"),
    "blank": (" \n\t\u3000", "blank"),
    "none": (None, "NoneType"),
    "number": (5, "int"),
    "bytes": (b"text", "bytes"),
    "surrogate": ("a\ud800b", "surrogate at offset 1"),
    "nul": ("a\x00b", "NUL character at offset 1"),
}
DEEP: dict = {}
for _ in range(2000):
    DEEP = {"d": DEEP}
BAD_METADATA = {
    "date": ({"d": datetime.date(2020, 1, 1)}, "metadata.d, got date"),
    "set": ({"s": {1}}, "set"),
    "tuple": ({"t": (1, 2)}, "tuple"),
    "nan": ({"n": [float("nan")]}, r"metadata.n\[0\] to be finite"),
    "key": ({1: "x"}, "str keys"),
    "huge": ({"h": 2**63}, "64 bits"),
    "surrogate": ({"s": "\udfff"}, "lone surrogate"),
    "deep": (DEEP, "64 levels"),
    "list": (["x"], "mapping, got list"),
    "text": ("x", "mapping, got str"),
}


@pytest.fixture
def filled(index: trivet.Index) -> trivet.Index:
    index.add(["an anchor", "a sail"], ids=["a", "b"], metadatas=[{"n": 1}, {"n": 2}])
    return index


def unchanged(index: trivet.Index) -> bool:
    stored = [(d.id, d.text, d.metadata) for d in index.get(["a", "b"])]
    return index.count() == 2 and stored == [
        ("a", "an anchor", {"n": 1}),
        ("b", "a sail", {"n": 2}),
    ]


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_a_bad_text_is_reported_and_a_bad_query_raised(filled: trivet.Index, name: str) -> None:
    text, words = BAD_TEXTS[name]
    report = filled.upsert([text], ids=["a"])
    assert isinstance(report.failed[0].error, errors.InvalidDocumentError)
    assert words in str(report.failed[0].error)
    with pytest.raises(errors.InvalidQueryError, match=words):
        filled.search(text)
    assert unchanged(filled)


@pytest.mark.parametrize("name", BAD_METADATA)
def test_bad_metadata_is_reported(filled: trivet.Index, name: str) -> None:
    metadata, words = BAD_METADATA[name]
    report = filled.upsert(["new"], ids=["a"], metadatas=[metadata])
    assert isinstance(report.failed[0].error, errors.InvalidDocumentError)
    with pytest.raises(errors.InvalidDocumentError, match=words):
        raise report.failed[0].error
    assert unchanged(filled)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"texts_or_documents": "one text"}, "put it in a list"),
        ({"texts_or_documents": Document("x")}, "put it in a list"),
        ({"texts_or_documents": 5}, "iterable"),
        ({"texts_or_documents": None}, "iterable"),
        ({"texts_or_documents": ["x", "y"], "ids": ["1"]}, r"as many ids as texts \(2\), got 1"),
        ({"texts_or_documents": ["x"], "ids": ["1", "2"]}, r"ids as texts \(1\), got 2"),
        ({"texts_or_documents": {"x": 0}.keys(), "ids": ["1", "2"]}, r"texts \(1\), got 2"),
        ({"texts_or_documents": ["x"], "metadatas": []}, "as many metadatas"),
        ({"texts_or_documents": ["x"], "ids": "1"}, "ids to be a list"),
        ({"texts_or_documents": ["x", "y"], "ids": ["1", "1"]}, "'1' at positions 0 and 1"),
        (
            {"texts_or_documents": [Document("x", "1"), Document("y", "1")]},
            "'1' at positions 0 and 1",
        ),
        ({"texts_or_documents": ["x"], "on_error": "ignore"}, "on_error"),
        ({"texts_or_documents": ["x"], "progress": 5}, "callable"),
    ],
)
def test_a_wrong_call_raises_before_anything_is_written(
    filled: trivet.Index, arguments: dict, words: str
) -> None:
    for call in (filled.add, filled.upsert):
        with pytest.raises(errors.InvalidInputError, match=words):
            call(**arguments)
    assert unchanged(filled)


@pytest.mark.parametrize("id", [5, "", " ", "\ud800", "x\x00"])
def test_a_bad_id_is_reported(filled: trivet.Index, id: object) -> None:
    report = filled.add(["text"], ids=[id])
    assert isinstance(report.failed[0].error, errors.InvalidDocumentError)
    assert "id" in str(report.failed[0].error)
    assert unchanged(filled)


def test_an_unknown_keyword_names_the_right_one(filled: trivet.Index, tmp_path: Path) -> None:
    with pytest.raises(errors.UnknownKeywordError, match="did you mean 'metadatas'"):
        filled.add(["x"], metadata=[{}])
    with pytest.raises(
        TypeError, match=r"Index\.search takes query, k, plan, filter, modes, chunks"
    ):
        filled.search("x", top=3)
    with pytest.raises(errors.UnknownKeywordError, match="did you mean 'model'"):
        trivet.open(tmp_path / "new", modell="x")
    assert not (tmp_path / "new").exists()
    assert unchanged(filled)


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "3", None, 10_001, np.int64(0)])
def test_k_must_be_a_whole_number_above_zero(filled: trivet.Index, k: object) -> None:
    with pytest.raises(errors.InvalidInputError, match="k to be a whole number"):
        filled.search("x", k=k)


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        (["dens"], "dense, sparse, multi, got 'dens'"),
        (["multi"], r"holds \(dense, sparse\), got 'multi'"),
        ([], "list with one or more"),
        ("dense", "list with one or more"),
        (5, "list with one or more"),
        ({"loud": 1}.keys(), "got 'loud'"),
    ],
)
def test_unknown_modes_are_refused(filled: trivet.Index, modes: object, words: str) -> None:
    with pytest.raises(errors.UnknownModeError, match=words):
        filled.search("x", modes=modes)


def test_queries_come_in_a_list(filled: trivet.Index) -> None:
    with pytest.raises(errors.InvalidQueryError, match="use search"):
        filled.search_many("x")
    with pytest.raises(errors.TextTooLongError, match=r"at most 64 tokens.*shorten the query"):
        filled.search("anchor " * 100)


def test_a_bad_filter_is_refused(filled: trivet.Index) -> None:
    with pytest.raises(errors.InvalidFilterError, match="between"):
        filled.search("x", filter={"n": {"between": [1, 2]}})


@pytest.mark.parametrize("ids", ["a", 5, ["a", 5], [None], ["\ud800"]])
def test_ids_come_in_a_list_of_texts(filled: trivet.Index, ids: object) -> None:
    for call in (filled.get, filled.delete):
        with pytest.raises(errors.InvalidInputError, match="ids"):
            call(ids)
    assert unchanged(filled)


def test_a_closed_index_says_so(filled: trivet.Index) -> None:
    filled.close()
    filled.close()
    for call in (filled.count, lambda: filled.search("x"), lambda: filled.add(["x"])):
        with pytest.raises(errors.IndexClosedError, match="open it again"):
            call()
