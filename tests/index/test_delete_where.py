"""Deleting by a filter: every document that matches goes whole, and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from qdrant_client import models

import trivet
from trivet.errors import InvalidFilterError, InvalidInputError, StoreError

GENRES = ("drama", "war", "noir")


@pytest.fixture
def films(open_index: Callable[..., trivet.Index]) -> trivet.Index:
    """Thirty films without vectors of a model; every fifth is of several chunks."""
    index = open_index(modes=["sparse"])
    texts = [f"film {n} at sea " * (60 if n % 5 == 0 else 1) for n in range(30)]
    facts = [{"genre": GENRES[n % 3], "year": 1970 + n} for n in range(30)]
    assert index.add(texts, ids=[str(n) for n in range(30)], metadatas=facts).failed == ()
    assert index.describe().chunks > 36
    return index


def left(index: trivet.Index) -> set[int]:
    """The films that are there; fails if the engine holds anything else."""
    report = index.verify()
    assert (report.broken, report.orphans, report.points) == ((), (), report.chunks)
    found = {int(document.id or "") for document in index.get([str(n) for n in range(30)])}
    assert len(found) == index.count()
    return found


def year(**bounds: float) -> models.FieldCondition:
    return models.FieldCondition(key="metadata.year", range=models.Range(**bounds))


def genre(name: str) -> models.FieldCondition:
    return models.FieldCondition(key="metadata.genre", match=models.MatchValue(value=name))


@pytest.mark.parametrize(
    ("filter", "goes"),
    [
        ({"genre": "war"}, lambda n: n % 3 == 1),
        ({"genre": ["war", "noir"], "year": {"gte": 1980, "lt": 1990}}, lambda n: n % 3 and 10 <= n < 20),
        ({"genre": {"ne": "war"}}, lambda n: n % 3 != 1),
        ({"genre": "western"}, lambda n: False),
        (models.Filter(must=[year(lt=1985)], must_not=[genre("war")]), lambda n: n < 15 and n % 3 != 1),
        (models.Filter(should=genre("noir")), lambda n: n % 3 == 2),
        (models.Filter(must=[models.Filter(must=[]), year(gte=1999)]), lambda n: n >= 29),
        (trivet.ALL, lambda n: True),
    ],
)  # fmt: skip
def test_what_matches_goes_and_nothing_else(films: trivet.Index, filter, goes) -> None:
    gone = {n for n in range(30) if goes(n)}
    assert films.delete(filter=filter) == len(gone)
    assert left(films) == set(range(30)) - gone
    assert films.delete(filter=filter) == 0


def test_a_document_of_which_one_chunk_matches_goes_whole(films: trivet.Index) -> None:
    last = models.FieldCondition(key="_trivet.sequence", range=models.Range(gte=1))
    assert films.delete(filter=models.Filter(must=[last])) == 6
    assert left(films) == {n for n in range(30) if n % 5}


def test_more_documents_than_a_page_go(open_index: Callable[..., trivet.Index]) -> None:
    index = open_index(modes=["sparse"])
    odd = [{"odd": bool(n % 2)} for n in range(900)]
    index.add([f"film {n}" for n in range(900)], ids=list(map(str, range(900))), metadatas=odd)
    assert index.delete(filter={"odd": True}) == 450
    assert index.count() == index._store.engine.count() == 450
    assert index.delete(filter=trivet.ALL) == 450
    assert index.count() == index._store.engine.count() == 0


def test_what_fails_half_way_is_finished_by_the_same_call(films: trivet.Index, monkeypatch) -> None:
    engine, delete = films._store.engine, films._store.engine.delete
    calls: list[int] = []

    def failing(ids: list[str]) -> None:
        calls.append(len(ids))
        if len(calls) == 1:
            delete(ids[: len(ids) // 2])
            raise StoreError("the disk is on fire")
        delete(ids)

    monkeypatch.setattr(engine, "delete", failing)
    with pytest.raises(StoreError, match="on fire"):
        films.delete(filter={"genre": "war"})
    assert left(films) == {n for n in range(30) if n % 3 != 1}  # finished at once, by the journal
    monkeypatch.undo()
    assert films.delete(filter={"genre": "war"}) == 0


def test_a_document_that_is_replaced_meanwhile_stays(films: trivet.Index, monkeypatch) -> None:
    pages = films._store.engine.pages

    def replacing(where: models.Filter | None = None):
        for page in pages(where):
            films.upsert(["film 4 in colour"], ids=["4"], metadatas=[{"genre": "drama"}])
            yield page

    monkeypatch.setattr(films._store.engine, "pages", replacing)
    assert films.delete(filter={"genre": "war"}) == 9
    monkeypatch.undo()
    assert left(films) == {n for n in range(30) if n % 3 != 1} | {4}
    assert films.get(["4"])[0].text == "film 4 in colour"


def test_a_document_that_is_deleted_and_added_anew_meanwhile_stays(films, monkeypatch) -> None:
    pages = films._store.engine.pages

    def renewing(where: models.Filter | None = None):
        for page in pages(where):
            films.delete(["4"])
            films.add(["film 4 in colour"], ids=["4"], metadatas=[{"genre": "drama"}])
            yield page

    (listed,) = films._store.journal.entries(["4"]).values()
    monkeypatch.setattr(films._store.engine, "pages", renewing)
    assert films.delete(filter={"genre": "war"}) == 9
    monkeypatch.undo()
    (renewed,) = films._store.journal.entries(["4"]).values()
    assert renewed.revision == listed.revision  # which tells nothing of it
    assert films.get(["4"])[0].text == "film 4 in colour"
    assert left(films) == {n for n in range(30) if n % 3 != 1} | {4}


@pytest.mark.parametrize(
    "empty",
    [{}, models.Filter(), models.Filter(must=[]), models.Filter(should=[models.Filter()])],
)
def test_an_empty_filter_deletes_nothing_and_says_how_to_delete_all(films, empty) -> None:
    with pytest.raises(InvalidFilterError, match=r"filter=trivet\.ALL"):
        films.delete(filter=empty)
    assert films.count() == 30


def test_a_deletion_is_by_ids_or_by_a_filter(films: trivet.Index) -> None:
    for ids, filter, came in ((None, None, "neither"), (["1"], {"genre": "war"}, "both")):
        with pytest.raises(InvalidInputError, match=came):
            films.delete(ids, filter=filter)
    for wrong in ("war", ["war"], {"genre": {"like": "w"}}, 5):
        with pytest.raises(InvalidFilterError):
            films.delete(filter=wrong)
    assert films.delete(["1", "2", "no such"]) == 2
    assert films.count() == 28


def test_a_tenant_deletes_its_own_documents_only(open_index: Callable[..., trivet.Index]) -> None:
    index = open_index(modes=["sparse"], tenants=True)
    acme, bolt = index.tenant("acme"), index.tenant("bolt")
    for view in (acme, bolt):
        view.add(["a", "b"], ids=["1", "2"], metadatas=[{"genre": "war"}, {"genre": "noir"}])
    assert acme.delete(filter={"genre": "war"}) == 1
    assert (acme.count(), bolt.count()) == (1, 2)
    assert bolt.delete(filter=trivet.ALL) == 2
    assert [document.id for document in acme.get(["1", "2"])] == ["2"]
    assert index.tenant(trivet.ALL).delete(filter={"genre": "noir"}) == 1
    assert index.verify().points == 0
