"""The language of BM25: named or decided, recorded, kept, and the same on both sides."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import trivet
from trivet import Lexical, errors
from trivet.index import lexicon
from trivet.store.store import Store
from trivet.types import DenseVectors

GERMAN = [
    "Der Anker hält das Schiff an seinem Platz.",
    "Die Häuser am Hafen sind alt und schön.",
    "Auf dem Meer ist es heute sehr still.",
    "Der Kapitän liest am Abend in einem Buch.",
]
ENGLISH = [
    "The anchor keeps the ship in its place.",
    "The houses at the harbour are old and beautiful.",
    "It is very quiet at sea today.",
    "The captain reads a book in the evening.",
]
CHINESE = ["锚使船保持在原位。", "港口的房子又老又美。", "今天海上很安静。", "船长晚上看书。"]
JAPANESE = ["錨は船を固定します。", "港の家は古くて美しいです。", "今日の海はとても静かです。"]

Open = Callable[..., trivet.Index]


def language(index: trivet.Index) -> object:
    (space,) = (space for space in index.describe().spaces if space.mode == "sparse")
    return space.facts["language"]


def require_consistent(index: trivet.Index) -> None:
    """Stored vectors, lengths and average are those of the language that is recorded."""
    store: Store = index._store
    state = store.manifest.lexical
    bm25 = lexicon.bm25_for(state)
    assert store.manifest.spaces["sparse"] == bm25.space
    counted: Counter[str] = Counter()
    for page in store.pages():
        for chunk in page:
            (length,) = bm25.count_terms([bm25.render(chunk.title, chunk.text)])
            counted[chunk.document] += length
    assert store.journal.totals().terms == counted.total()
    assert {id: e.terms for id, e in store.journal.entries(list(counted)).items()} == counted


def numbered(texts: list[str], n: int) -> list[str]:
    return [f"{texts[i % len(texts)]} {i}" for i in range(n)]


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


class Killed(BaseException):
    """As if the process had died here."""


def test_a_death_between_lengths_and_weights_is_put_right(
    open_index: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = open_index(modes=["sparse"])
    index.add(ENGLISH, ids=list("abcd"))

    recount = index._store.journal.recount

    def dying(terms: dict[str, int]) -> None:
        recount(terms)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(index._store.journal, "recount", dying)
        with pytest.raises(Killed):
            index.add(numbered(CHINESE, 20))
    assert language(index) == "english"
    assert index.search("anchor", k=1)[0].id == "a"
    index.add(numbered(CHINESE, 30), ids=[f"z{n}" for n in range(30)])
    assert language(index) == "zh"
    require_consistent(index)


def test_an_index_is_opened_again_as_it_was_made(tmp_path: Path, tiny_model: Path) -> None:
    place = tmp_path / "index"
    chosen = Lexical("de", k=2, stop_words=("Meer",))
    with trivet.open(place, model=tiny_model, lexical=chosen) as index:
        index.add(GERMAN, ids=list("abcd"))
        state = index._store.manifest.lexical
    with trivet.open(place) as index:
        assert index._store.manifest.lexical == state
        assert index.search("Haus", k=1, modes=["sparse"])[0].id == "b"
        assert index.search("Meer", modes=["sparse"]) == []
    with trivet.open(place, lexical=Lexical("de", k=2.0, stop_words=("meer",))) as index:
        assert index.count() == 4


def test_an_index_that_decided_is_opened_again_with_what_it_decided(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "index"
    with trivet.open(place, model=tiny_model) as index:
        index.add(CHINESE, ids=list("abcd"))
    stored = json.loads((place / "store.json").read_text())["lexical"]
    assert (stored["language"], stored["lexical"]["language"]) == ("zh", "auto")
    monkeypatch.setattr(lexicon, "detect_language", lambda text: "fr")
    with trivet.open(place, lexical=Lexical()) as index:
        assert language(index) == "zh"
        assert index.search("房子", k=1, modes=["sparse"])[0].id == "b"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Lexical("zh"), r"language='auto' and is in 'zh', got language='zh': leave lexical out"),
        (Lexical("en"), r"language='auto' and is in 'zh', got language='en'"),
        (Lexical(k=2, b=0), r"k=1.2, b=0.75 and is in 'zh', got k=2.0, b=0.0"),
        (Lexical(stop_words=()), r"stop_words=None and is in 'zh', got stop_words=\(\)"),
    ],
    ids=["same", "other", "weights", "stop-words"],
)
def test_another_choice_than_the_stored_one_is_refused(
    tmp_path: Path, tiny_model: Path, asked: Lexical, words: str
) -> None:
    place = tmp_path / "index"
    with trivet.open(place, model=tiny_model, modes=["sparse"]) as index:
        index.add(CHINESE)
    with pytest.raises(errors.SettingsMismatchError, match=words):
        trivet.open(place, lexical=asked)
    trivet.open(place).close()


def test_an_index_without_bm25_takes_no_choices_for_it(tmp_path: Path, tiny_model: Path) -> None:
    place = tmp_path / "index"
    with pytest.raises(errors.InvalidInputError, match=r'modes dense, got one.*"sparse"'):
        trivet.open(place, model=tiny_model, modes=["dense"], lexical=Lexical())
    assert not place.exists()
    trivet.open(place, model=tiny_model, modes=["dense"]).close()
    with pytest.raises(errors.InvalidInputError, match="modes dense, got one"):
        trivet.open(place, lexical=Lexical())
    with pytest.raises(errors.InvalidInputError, match=r"trivet\.Lexical, got str"):
        trivet.open(place, lexical="de")
    trivet.open(place).close()


def test_optimizing_weighs_anew_what_verifying_finds_off(open_index: Open) -> None:
    index = open_index(modes=["sparse"])
    index.add([f"anchor {n}" for n in range(40)], ids=[f"short{n}" for n in range(40)])
    assert not index.optimize().reweighed
    index.add([f"anchor {n} " * 40 for n in range(20)], ids=[f"long{n}" for n in range(20)])
    before = index.spaces
    assert index.delete([f"long{n}" for n in range(20)]) == 20
    off = index.verify()
    assert off.average_is_off
    assert off.is_clean
    assert index.optimize().reweighed
    found = index.verify()
    assert found.average_error < 0.01
    assert found.is_clean
    assert index.spaces != before  # another average is another space
    assert len(index.search("anchor", k=60)) == 40
    require_consistent(index)
    assert not index.optimize().reweighed


def test_a_death_while_optimizing_weighs_leaves_the_old_weights(
    tmp_path: Path, tiny_model: Path, monkeypatch
) -> None:
    folder = tmp_path / "index"
    with trivet.open(folder, model=tiny_model, modes=["sparse"]) as index:
        index.add([f"anchor {n}" for n in range(40)])
        index.add([f"anchor {n} " * 40 for n in range(20)], ids=[f"long{n}" for n in range(20)])
        index.delete([f"long{n}" for n in range(20)])
        before = index.spaces

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(index._store.engine, "set_vectors", die)
        with pytest.raises(KeyboardInterrupt):
            index.optimize()
    with trivet.open(folder) as again:
        assert again.spaces == before
        assert again._store.engine.vector_names() == {space.vector_name for space in before}
        assert len(again.search("anchor", k=60)) == 40
        assert again.optimize().reweighed
        require_consistent(again)
