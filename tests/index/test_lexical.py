"""The language of BM25: named or decided, recorded, kept, and the same on both sides."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest

import trivet
from trivet import Lexical
from trivet.types import DenseVectors

from .lexical_texts import (
    CHINESE,
    ENGLISH,
    GERMAN,
    JAPANESE,
    Open,
    language,
    numbered,
    require_consistent,
)


@pytest.mark.parametrize(
    ("texts", "code", "query", "found"),
    [
        (GERMAN, "de", "altes Haus", 1),
        (CHINESE, "zh", "房子", 1),
        (CHINESE, "zh", "锚", 0),
        (JAPANESE, "ja", "古い家", 1),
        (ENGLISH, "english", "house", 1),
    ],
    ids=["de", "zh", "zh-one-character", "ja", "en"],
)
def test_the_language_is_decided_recorded_logged_and_used(
    open_index: Open, texts: list[str], code: str, query: str, found: int, caplog
) -> None:
    index = open_index(modes=["sparse"])
    with caplog.at_level(logging.INFO, logger="trivet"):
        assert index.add(texts, ids=[str(n) for n in range(len(texts))]).failed == ()
    assert language(index) == code
    state = index._store.manifest.lexical
    assert f"BM25 is in {state.language!r}" in caplog.text
    assert (state.lexical, state.documents) == (Lexical(), len(texts))
    assert [hit.id for hit in index.search(query)][:1] == [str(found)]
    require_consistent(index)


def test_a_language_that_is_named_is_not_decided(open_index: Open, caplog) -> None:
    index = open_index(lexical=Lexical("es", k=0.9, b=0.4, stop_words=("ancla",)))
    assert language(index) == "es"
    with caplog.at_level(logging.INFO, logger="trivet"):
        index.add([*GERMAN, "El ancla del barco"], ids=list("abcde"))
    assert "BM25" not in caplog.text
    facts = index._store.manifest.spaces["sparse"].facts
    assert {name: facts[name] for name in ("language", "k", "b", "stop_words")} == {
        "language": "es", "k": 0.9, "b": 0.4, "stop_words": "ancla",
    }  # fmt: skip
    assert index.search("ancla", modes=["sparse"]) == []
    # With stop words of one's own the language's are no longer stopped.
    assert [hit.id for hit in index.search("el", modes=["sparse"])] == ["e"]
    require_consistent(index)


@pytest.mark.parametrize("first", ["x-1", "An anchor is what keeps a ship in place."])
def test_a_first_short_text_does_not_fix_the_language(open_index: Open, first: str, caplog) -> None:
    index = open_index(modes=["sparse"])
    index.add([first], ids=["first"])
    assert language(index) == "english"
    with caplog.at_level(logging.INFO, logger="trivet"):
        index.add(numbered(CHINESE, 40), ids=[str(n) for n in range(40)])
    assert language(index) == "zh"
    assert "BM25 is in 'zh'" in caplog.text
    assert index.search(first, k=1)[0].id == "first"
    assert index.search("房子 17", k=1)[0].id == "17"
    require_consistent(index)


@pytest.mark.slow
def test_a_language_that_a_thousand_documents_decided_stays(
    open_index: Open, location: str
) -> None:
    if location == ":memory:":
        pytest.skip("the exact engine is slow with thousands of points")
    index = open_index(modes=["sparse"])
    index.add(numbered(ENGLISH, 100), ids=[f"e{n}" for n in range(100)])
    assert language(index) == "english"
    index.add(numbered(GERMAN, 1200), ids=[f"d{n}" for n in range(1200)])
    assert language(index) == "de"
    assert index._store.manifest.lexical.documents >= 1000
    index.add(numbered(ENGLISH, 1400), ids=[f"f{n}" for n in range(1400)])
    assert language(index) == "de"
    require_consistent(index)


def test_documents_of_several_languages_are_warned_of(open_index: Open, caplog) -> None:
    index = open_index(modes=["sparse"])
    with caplog.at_level(logging.INFO, logger="trivet"):
        index.add([*GERMAN, *ENGLISH[:2]])
    assert language(index) == "de"
    (warning,) = (r for r in caplog.records if r.levelname == "WARNING")
    assert "'de', like only 4 of the 6 documents" in warning.getMessage()


def test_as_many_in_another_language_change_nothing(open_index: Open) -> None:
    index = open_index(modes=["sparse"])
    index.add(GERMAN)
    index.add(CHINESE)
    assert language(index) == "de"
    index.add(["天气很好。"])
    index.add(["港口很大。"])
    assert language(index) == "zh"
    require_consistent(index)


def test_nothing_that_tells_leaves_english(open_index: Open, caplog) -> None:
    index = open_index(modes=["sparse"])
    with caplog.at_level(logging.INFO, logger="trivet"):
        index.add(["x-1", "42", "b c"])
    assert language(index) == "english"
    assert "stays in 'en'" in caplog.text


def test_a_language_without_stems_keeps_its_words(open_index: Open) -> None:
    index = open_index(modes=["sparse"])
    index.add(["Kotwica utrzymuje statek na swoim miejscu.", "Dom stoi przy starym porcie."])
    assert language(index) == "pl"
    assert len(index.search("statek")) == 1


def test_an_index_that_is_emptied_decides_anew(open_index: Open) -> None:
    index = open_index(modes=["sparse"])
    index.add(GERMAN, ids=list("abcd"))
    index.delete(list("abcd"))
    index.add(CHINESE, ids=list("abcd"))
    assert language(index) == "zh"
    require_consistent(index)


def test_after_a_large_deletion_the_next_addition_finds_the_average_anew(open_index: Open) -> None:
    index = open_index(modes=["sparse"])
    index.add([f"anchor {n}" for n in range(40)])
    index.add([f"anchor {n} " * 40 for n in range(20)], ids=[f"long{n}" for n in range(20)])
    assert index.delete([f"long{n}" for n in range(20)]) == 20
    off = index.verify()
    assert off.is_clean
    assert off.average_is_off
    index.add(["an anchor"])
    found = index.verify()
    assert found.is_clean
    assert not found.average_is_off
    require_consistent(index)


def test_replacements_that_change_lengths_find_the_average_anew(open_index: Open) -> None:
    index = open_index(modes=["sparse"])
    ids = [f"n{n}" for n in range(40)]
    index.add([f"anchor {n}" for n in range(40)], ids=ids)
    index.upsert([f"anchor {n} " * 20 for n in range(40)], ids=ids)
    assert index.count() == 40
    assert index.describe().chunks == 40
    found = index.verify()
    assert found.is_clean
    assert found.average_error < 0.1
    require_consistent(index)


def test_vectors_that_are_given_get_bm25_in_the_language_of_their_texts(
    open_index: Open, tiny_embedder: trivet.Embedder
) -> None:
    index = open_index(modes=["dense", "sparse"])
    dense = DenseVectors(tiny_embedder.spaces["dense"], np.eye(32, dtype=np.float32)[:4])
    documents = [trivet.Document(text, str(n)) for n, text in enumerate(CHINESE)]
    assert index.upsert(documents, representations=trivet.Representations(dense=dense)).added == 4
    assert language(index) == "zh"
    assert index.search("房子", k=1, modes=["sparse"])[0].id == "1"
    require_consistent(index)


def test_threads_that_add_first_decide_once(open_index: Open) -> None:
    index = open_index(modes=["sparse"])
    start = threading.Barrier(3)

    def work(texts: list[str], name: str) -> None:
        start.wait()
        index.add(numbered(texts, 12), ids=[f"{name}{n}" for n in range(12)])

    threads = [
        threading.Thread(target=work, args=pair)
        for pair in ((GERMAN, "g"), (ENGLISH, "e"), (CHINESE, "c"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index.count() == 36
    require_consistent(index)
