"""What a new user does wrong first is told, with what to do instead."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

import trivet
from trivet.errors import InvalidInputError, InvalidQueryError
from trivet.index.lasting import LastingFigure


@pytest.fixture
def index(tiny_model: Path) -> Iterator[trivet.Index]:
    with trivet.open(":memory:", model=tiny_model, modes=["sparse", "dense"]) as opened:
        yield opened


def test_documents_that_were_not_stored_are_warned_of(
    index: trivet.Index, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "trivet"):
        report = index.add(["an anchor", "a sail"], ids=[1, 2])  # type: ignore[list-item]
    assert len(report.failed) == 2
    [warning] = caplog.records
    told = warning.getMessage()
    assert "not stored: 2 of 2" in told
    assert "expected the id to be a text" in told
    caplog.clear()
    index.add(["an anchor"], ids=["1"])
    assert not caplog.records


@pytest.mark.parametrize("several", [["anchor", "sail"], ("anchor",), None, {"query": "anchor"}])
def test_several_queries_are_not_asked_to_become_one_text(
    index: trivet.Index, several: object
) -> None:
    with pytest.raises(InvalidQueryError, match=r"give one text$"):
        index.search(several)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["localhost:6333", "qdrant.example:6333", "10.0.0.7:80"])
def test_a_server_without_a_scheme_makes_no_folder(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInputError, match=f"write 'http://{place}'"):
        trivet.open(place, collection="notes")
    assert not list(tmp_path.iterdir())


def test_a_language_by_its_name_alone_is_told_how_to_be_written() -> None:
    with pytest.raises(InvalidInputError, match=r'trivet\.Lexical\("de"\)'):
        trivet.open(":memory:", lexical="de")  # type: ignore[arg-type]


@pytest.mark.parametrize("call", [pickle.dumps, copy.deepcopy])
def test_an_index_that_is_copied_or_pickled_says_what_to_do(
    index: trivet.Index, call: object
) -> None:
    with pytest.raises(InvalidInputError, match="open the index by its location"):
        call(index)  # type: ignore[operator]


def test_an_index_that_is_closed_while_a_figure_is_found_warns_of_nothing(
    index: trivet.Index, caplog: pytest.LogCaptureFixture
) -> None:
    def found() -> float:
        index.close()
        return 0.5

    with caplog.at_level(logging.WARNING, "trivet"):
        assert LastingFigure(index._store, "guard").figure("guard", found) == 0.5
    assert not caplog.records
