"""What BM25 knows of an index is stored with it, survives a death, and is what it is opened with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import trivet
from trivet import Lexical, errors
from trivet.index import lexicon

from .lexical_texts import (
    CHINESE,
    ENGLISH,
    GERMAN,
    Open,
    language,
    numbered,
    require_consistent,
)


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
    with pytest.raises(errors.InvalidInputError, match=r"trivet\.Lexical\(.de.\), got .de."):
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
