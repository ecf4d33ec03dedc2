"""What goes in comes back: add, upsert, delete, get and count, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from types import MappingProxyType

import numpy as np
import pytest

import trivet
from trivet import Document
from trivet.errors import DocumentExistsError, SpaceMismatchError, TextTooLongError
from trivet.types import DenseVectors

METADATA = {
    "year": 1994,
    "big": 2**63 - 1,
    "ratio": 0.5,
    "flag": True,
    "none": None,
    "tags": ["a", ["b", 1]],
    "nested": {"é": "ü", "": {}},
}


def test_documents_come_back_equal_and_in_asked_order(index: trivet.Index) -> None:
    documents = [
        Document("A kedge is a light anchor.", "kedge", "Kedge", METADATA),
        Document("Leeway is sideways drift.", "00000000-0000-0000-0000-000000000001"),
        Document("Wind and wave.", "id with spaces/ünïcode#1"),
    ]
    report = index.add(documents)
    assert (report.added, report.failed, report.chunks) == (3, (), 3)
    asked = [documents[2].id, "missing", documents[0].id, documents[1].id]
    assert index.get(asked) == [documents[2], documents[0], documents[1]]
    assert index.count() == 3


def test_whole_numbers_of_a_subclass_are_numbers(index: trivet.Index) -> None:
    levels = IntEnum("levels", "LOW HIGH")
    assert index.add(["an anchor"], ids=["a"], metadatas=[{"level": levels.HIGH}]).added == 1
    assert index.get(["a"])[0].metadata == {"level": 2}


def test_a_rerun_adds_nothing(index: trivet.Index) -> None:
    texts = ["one anchor", "two sails", "one anchor"]
    first, second = index.add(texts), index.add(texts)
    assert (first.added, first.skipped) == (2, 1)
    assert (second.added, second.skipped, second.failed) == (0, 3, ())
    assert index.count() == 2


def test_add_refuses_other_content_or_metadata_under_a_stored_id(index: trivet.Index) -> None:
    index.add(["old text"], ids=["a"], metadatas=[{"v": 1}])
    for text, metadata in (("new text", {"v": 1}), ("old text", {"v": 2})):
        report = index.add([text], ids=["a"], metadatas=[metadata])
        (failed,) = report.failed
        assert (failed.id, failed.position, report.added) == ("a", 0, 0)
        assert isinstance(failed.error, DocumentExistsError)
        assert "upsert" in str(failed.error)
    assert index.get(["a"]) == [Document("old text", "a", "", {"v": 1})]


def test_upsert_replaces_and_leaves_no_chunk_of_the_old_text(index: trivet.Index) -> None:
    index.add([" ".join(["anchor"] * 500)], ids=["a"])
    assert len(index.search("anchor", k=50, chunks=True)) > 5
    report = index.upsert(["a short sail", "a new sail"], ids=["a", "b"])
    assert (report.replaced, report.added) == (1, 1)
    assert [d.text for d in index.get(["a", "b"])] == ["a short sail", "a new sail"]
    assert {hit.id for hit in index.search("anchor", k=50, chunks=True)} == {"a#0", "b#0"}
    assert index.upsert(["a short sail"], ids=["a"]).skipped == 1
    assert index.describe().chunks == 2


def test_delete_takes_every_chunk(index: trivet.Index) -> None:
    index.add([" ".join(["anchor"] * 300), "a sail"], ids=["a", "b"])
    assert index.delete(["a", "missing", "a"]) == 1
    assert (index.count(), index.get(["a"]), index.describe().chunks) == (1, [], 1)
    assert [hit.id for hit in index.search("anchor", k=10, chunks=True)] == ["b#0"]
    assert index.add(["other text"], ids=["a"]).added == 1


def test_one_bad_document_does_not_stop_the_rest(index: trivet.Index) -> None:
    report = index.add(["good", "  ", "fine", Document("x\x00y", "nul"), "well"])
    assert report.added == 3
    assert [failed.position for failed in report.failed] == [1, 3]
    assert report.failed[1].id == "nul"


def test_on_error_raise_stops_at_the_first_and_keeps_those_before(index: trivet.Index) -> None:
    with pytest.raises(trivet.errors.InvalidDocumentError, match="position 2"):
        index.add(["a", "b", "", "c"], on_error="raise")
    assert index.count() == 2
    with pytest.raises(DocumentExistsError):
        index.add(["new", "other"], ids=["n", "n2"], on_error="raise") and index.add(
            ["changed"], ids=["n"], on_error="raise"
        )
    assert index.count() == 4


def test_on_error_raise_stops_in_order_whatever_fails(index: trivet.Index) -> None:
    index.add(["stored"], ids=["a"])
    with pytest.raises(DocumentExistsError):
        index.add(["CHANGED", "new", " "], ids=["a", "n1", "n2"], on_error="raise")
    assert index.count() == 1
    long_title = Document("short " * 60, "t", "anchor " * 50)
    with pytest.raises(TextTooLongError):
        index.add([Document("first", "f"), long_title, Document("x", "x")], on_error="raise")
    assert [document.id for document in index.get(["a", "f", "x"])] == ["a", "f"]


def test_a_mapping_that_is_used_again_is_copied(index: trivet.Index) -> None:
    def documents():
        metadata = {}
        for n in range(3):
            metadata["n"] = MappingProxyType({"m": n})
            yield Document(f"doc {n}", str(n), "", metadata)

    assert index.add(documents()).added == 3
    assert [d.metadata for d in index.get(["0", "1", "2"])] == [{"n": {"m": n}} for n in range(3)]
    assert index.upsert(documents()).skipped == 3


def test_get_during_upsert_gives_one_text_or_the_other(index: trivet.Index) -> None:
    short, long = "a sail", "anchor wind " * 300
    index.add([short], ids=["a"])
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(
            lambda: [index.upsert([text], ids=["a"]) for text in (long, short) * 8]
        )
        seen = {index.get(["a"])[0].text for _ in range(100)}
        writing.result()
    assert seen <= {short, long}


def test_a_generator_is_streamed(open_index: Callable[..., trivet.Index]) -> None:
    index = open_index(settings=trivet.Settings(batch_chunks=64))
    seen: list[int] = []

    def documents():
        for number in range(1300):
            seen.append(number)
            yield Document(f"{number % 7} anchors and sail {number}", str(number))

    ahead: dict[int, int] = {}
    report = index.add(documents(), progress=lambda r: ahead.update({r.total: len(seen) - r.total}))
    assert (report.added, index.count()) == (1300, 1300)
    # After the sample for BM25's average length, only a window of documents is read ahead.
    assert max(read for total, read in ahead.items() if total > 1000) <= 512
    assert ahead[1300] == 0


def test_the_same_id_twice_in_a_stream(index: trivet.Index) -> None:
    pairs = [("a", "x one"), ("b", "y"), ("a", "x two")]
    report = index.add(Document(text, id) for id, text in pairs)
    assert (report.added, len(report.failed)) == (2, 1)
    report = index.upsert(Document(text, id) for id, text in pairs)
    assert report.replaced == 1
    assert index.get(["a"])[0].text == "x two"


def test_own_vectors_are_stored_and_their_space_is_checked(
    index: trivet.Index, tiny_embedder: trivet.Embedder, tiny_model_other
) -> None:
    documents = [Document("first", "1"), Document("second", "2")]
    rows = np.eye(32, dtype=np.float32)[:2]
    own = trivet.Representations(dense=DenseVectors(tiny_embedder.spaces["dense"], rows))
    assert index.upsert(documents, representations=own).added == 2
    other = trivet.Embedder.load(tiny_model_other).embed_documents(["x", "y"])
    with pytest.raises(SpaceMismatchError, match="weights"):
        index.upsert(documents, representations=other)
    with pytest.raises(trivet.errors.InvalidInputError, match=r"\(1\), got 2"):
        index.upsert(documents[:1], representations=own)
    bad = trivet.Representations(dense=DenseVectors(own.dense.space, rows * np.nan))
    report = index.upsert([Document("3", "3"), Document("4", "4")], representations=bad)
    assert (report.added, len(report.failed)) == (0, 2)
    assert "finite" in str(report.failed[0].error)
    # The same text with other vectors is no rerun.
    assert index.upsert(documents, representations=own[::-1]).replaced == 2
    long = Document(" ".join(["anchor"] * 500), "long")
    assert index.upsert([long], representations=own[0]).chunks == 1


def test_a_zero_vector_fails_its_document_only(
    index: trivet.Index, tiny_embedder: trivet.Embedder
) -> None:
    rows = np.eye(32, dtype=np.float32)[:3]
    rows[1] = 0
    own = trivet.Representations(dense=DenseVectors(tiny_embedder.spaces["dense"], rows))
    documents = [Document(f"text {i}", str(i)) for i in range(3)]
    report = index.upsert(documents, representations=own)
    assert (report.added, [f.id for f in report.failed]) == (2, ["1"])


def test_threads_add_delete_and_search_together(index: trivet.Index) -> None:
    def work(number: int) -> None:
        for turn in range(6):
            mine = [f"{number}-{turn}-{i}" for i in range(5)]
            assert index.add([f"anchor {id}" for id in mine], ids=mine).added == 5
            assert index.add(["a shared sail"], ids=["shared"]).failed == ()
            assert index.search("anchor", k=3)
            assert index.delete(mine[:1]) == 1
            assert len(index.get(mine)) == 4

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert index.count() == 4 * 6 * 4 + 1 == index.describe().chunks


TEN_LANGUAGES = [
    "Der Anker hält das Schiff.",
    "L'ancre retient le navire.",
    "El ancla sujeta el barco.",
    "Якорь удерживает корабль.",
    "锚使船保持在原位。",
    "錨は船を固定します。",
    "닻은 배를 고정한다.",
    "المرساة تثبت السفينة.",
    "העוגן מחזיק את הספינה.",
    "लंगर जहाज को रोकता है। 🚢⚓",
]


def test_ten_languages_and_combining_characters(index: trivet.Index) -> None:
    texts = [*TEN_LANGUAGES, "e\u0301\u0301 a\u200db \U0001f468\u200d\U0001f469\u200d\U0001f467"]
    ids = [str(number) for number in range(len(texts))]
    assert index.add(texts, ids=ids).failed == ()
    assert [document.text for document in index.get(ids)] == texts
    assert index.search("Schiff Anker", k=1, modes=["sparse"])[0].id == "0"
