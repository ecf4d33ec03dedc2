"""Tenants: what a view of one reaches, and what is refused without one."""

from __future__ import annotations

import asyncio
import enum
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from indexes import require_sound
from qdrant_client import models
from stub_server import StubServer

import trivet
from trivet.errors import (
    DocumentBusyError,
    IndexClosedError,
    InvalidInputError,
    SettingsMismatchError,
    TenantError,
)
from trivet.store.journal import JournalEntry, PendingEntry


@pytest.mark.loopback
def test_a_document_that_a_machine_holds_is_held_of_its_tenant_alone(
    tiny_embedder: trivet.Embedder,
) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(StubServer()).url
        place = {"model": tiny_embedder, "modes": ["dense"], "tenants": True}
        one, two = (stack.enter_context(trivet.open(url, **place)) for _ in range(2))
        writing = [PendingEntry(JournalEntry("acme\x1f1", "digest", 1, 1, 1), "insert", 0, None)]
        one._store.journal.begin(writing)
        assert two.tenant("bolt").add(["an anchor"], ids=["1"]).added == 1
        with pytest.raises(DocumentBusyError, match="write '1' of tenant 'acme' alone") as caught:
            two._store.journal.begin(writing)
        assert "\x1f" not in str(caught.value)
        one._store.journal.abandon(writing)
        assert two.tenant("acme").add(["a sail"], ids=["1"]).added == 1
        assert [hit.text for hit in two.tenant("bolt").search("sail")] == ["an anchor"]


@pytest.fixture
def two(open_index: Callable[..., trivet.Index]) -> Iterator[trivet.Index]:
    """Both tenants hold "1", "2" and a document of several chunks."""
    index = open_index(tenants=True)
    for name in ("acme", "bolt"):
        view = index.tenant(name)
        texts = [f"an anchor of {name}", f"a sail of {name}", f"leeway {name} " * 40]
        view.add(texts, ids=["1", "2", "long"], metadatas=[{"genre": "gear"}] * 3)
    return index


def test_searches_of_several_tenants_that_are_answered_together_are_apart(two, monkeypatch) -> None:
    passes: list[int] = []
    answer_all = two._shared.worker._answer_all

    def counted(asked):
        passes.append(len(asked))
        return answer_all(asked)

    monkeypatch.setattr(two._shared.worker, "_answer_all", counted)
    names = ["acme", "bolt", "nobody"] * 8

    async def ask() -> list[list[trivet.Hit]]:
        return await asyncio.gather(*(two.tenant(name).asearch("anchor", k=9) for name in names))

    for name, hits in zip(names, asyncio.run(ask()), strict=True):
        assert {hit.id for hit in hits} == (set() if name == "nobody" else {"1", "2", "long"})
        assert all(name in hit.text for hit in hits)
    assert max(passes) > 3


@pytest.mark.parametrize(
    "plan", ["rrf", "dbsf", "hybrid2", trivet.Plan({"dense": 2}, {"dense": 1})]
)
def test_every_plan_reaches_the_own_documents_only(two, plan) -> None:
    k = 2
    for name in ("acme", "bolt"):
        hits = two.tenant(name).search("an anchor of acme", k=k, plan=plan, chunks=True)
        assert len(hits) == k
        assert all(name in hit.text for hit in hits)


def test_no_filter_reaches_another_tenant(two) -> None:
    acme = two.tenant("acme")
    other = models.FieldCondition(key="_trivet.tenant", match=models.MatchValue(value="bolt"))
    texts = models.FieldCondition(key="page_content", match=models.MatchText(text="bolt"))
    for escape in (
        models.Filter(must=[other]),
        models.Filter(should=[texts, other]),
        models.Filter(min_should=models.MinShould(conditions=[other, texts], min_count=1)),
        models.Filter(must_not=[models.Filter(must_not=[other])]),
    ):
        assert acme.search("anchor", filter=escape) == []
        assert acme.delete(filter=escape) == 0
    assert acme.count() == two.tenant("bolt").count() == 3


def test_all_sees_everybody_and_tells_them_apart(two) -> None:
    everybody = two.tenant(trivet.ALL)
    hits = everybody.search("anchor", k=10)
    assert {(hit.tenant, hit.id) for hit in hits} == {
        (name, id) for name in ("acme", "bolt") for id in ("1", "2", "long")
    }
    assert everybody.count() == 6
    require_sound(everybody)
    assert two.describe().tenants
    assert (two.describe().documents, everybody.describe().documents) == (6, 6)
    described = two.tenant("acme").describe()
    assert (described.tenant, described.documents) == ("acme", 3)
    assert 3 < described.chunks == two.describe().chunks / 2
    long = models.FieldCondition(key="_trivet.chunks", range=models.Range(gt=1))
    assert everybody.delete(filter=models.Filter(must=[long])) == 2
    assert [two.tenant(name).count() for name in ("acme", "bolt")] == [2, 2]
    require_sound(two)


def test_what_an_id_alone_does_not_name_is_refused(two) -> None:
    everybody = two.tenant(trivet.ALL)
    for call in (
        lambda: everybody.add(["a"]),
        lambda: everybody.upsert(["a"], ids=["1"]),
        lambda: everybody.get(["1"]),
        lambda: everybody.delete(["1"]),
    ):
        with pytest.raises(TenantError, match=r"expected one tenant, got trivet\.ALL"):
            call()
    assert everybody.count() == 6


def test_without_a_tenant_nothing_is_read_or_written(two) -> None:
    for call in (
        lambda: two.add(["a"]),
        lambda: two.upsert(["a"]),
        lambda: two.get(["1"]),
        lambda: two.delete(["1"]),
        lambda: two.delete(filter={"genre": "gear"}),
        lambda: two.count(),
        lambda: two.search("a"),
        lambda: two.search_many(["a"]),
        lambda: asyncio.run(two.asearch("a")),
    ):
        with pytest.raises(TenantError, match="expected a tenant, got none"):
            call()
    assert two.tenant(trivet.ALL).count() == 6


def test_a_view_reaches_no_other_tenant_and_does_not_care_for_all(two, tmp_path: Path) -> None:
    acme = two.tenant("acme")
    for call in (
        lambda: acme.tenant("bolt"),
        lambda: acme.tenant(trivet.ALL),
        lambda: two.tenant(trivet.ALL).tenant("acme"),
        lambda: acme.verify(),
        lambda: acme.backup(tmp_path / "backup"),
        lambda: acme.optimize(),
        lambda: acme.measure_recall(),
        lambda: acme.current_upgrade,
    ):
        with pytest.raises(TenantError, match=r"that trivet\.open gave"):
            call()


def test_closing_a_view_leaves_the_index_open_and_not_the_other_way_round(two) -> None:
    with two.tenant("acme") as acme:
        assert acme.count() == 3
    acme.close()
    assert acme.count() == two.tenant("bolt").count() == 3
    two.close()
    with pytest.raises(IndexClosedError):
        acme.count()


class Team(str, enum.Enum):
    ACME = "acme"


def test_a_tenant_is_its_exact_name(two) -> None:
    assert two.tenant(Team.ACME).search("anchor", k=1)[0].tenant == "acme"
    assert two.tenant("x" * 256).count() == 0
    for name in (None, "", "  ", 5, b"acme", ["acme"], "a\x1fb", "a\x00", "a\nb", "\x85", "\ud800",
                 "x" * 257):  # fmt: skip
        with pytest.raises(TenantError, match="expected a tenant's name"):
            two.tenant(name)


def test_tenants_are_a_matter_of_a_new_index(open_index, tiny_embedder, tmp_path: Path) -> None:
    index = open_index()
    with pytest.raises(TenantError, match="tenants=True"):
        index.tenant("acme")
    index.add(["an anchor"], ids=["1"])
    assert [hit.tenant for hit in index.search("anchor")] == [None]
    with pytest.raises(InvalidInputError, match="expected tenants to be"):
        trivet.open(tmp_path / "new", tenants="acme")
    for made in (True, False):
        folder = tmp_path / str(made)
        trivet.open(folder, model=tiny_embedder, tenants=made).close()
        trivet.open(folder, tenants=made).close()
        trivet.open(folder).close()
        with pytest.raises(SettingsMismatchError, match="tenants"):
            trivet.open(folder, tenants=not made)


def test_ids_of_an_index_without_tenants_stay(tiny_embedder, tmp_path: Path) -> None:
    with trivet.open(tmp_path / "index", model=tiny_embedder) as index:
        index.add(["an anchor"], ids=["1"])
        namespace = index._store.manifest.namespace
        (page,) = index._store.engine.pages()
    [(id, payload)] = page.items()
    assert id == str(uuid.uuid5(namespace, "\x1f1\x1f0"))
    assert "tenant" not in payload["_trivet"]


def test_a_point_is_named_by_tenant_document_and_sequence(two) -> None:
    namespace = two._store.manifest.namespace
    ids = {id for page in two._store.engine.pages() for id in page}
    for name in ("acme", "bolt"):
        assert str(uuid.uuid5(namespace, f"\x1f{name}\x1flong\x1f0")) in ids


def test_a_lost_journal_of_an_index_with_tenants_is_written_anew(
    tiny_embedder: trivet.Embedder, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    with trivet.open(folder, model=tiny_embedder, tenants=True) as index:
        for name in ("acme", "bolt"):
            index.tenant(name).add([f"anchor {name}", f"sail {name}"], ids=["1", "2"])
        lost = str(uuid.uuid5(index._store.manifest.namespace, "\x1facme\x1f2\x1f0"))
        index._store.engine.delete([lost])
        assert index.verify().broken == ("acme\x1f2",)
    (folder / "journal.sqlite").unlink()
    report = trivet.repair(folder)
    assert (report.documents, report.journal_rebuilt) == (3, True)
    with trivet.open(folder, model=tiny_embedder) as index:
        assert [d.text for d in index.tenant("acme").get(["1", "2"])] == ["anchor acme"]
        assert index.tenant("bolt").count() == 2
        require_sound(index)
        index.optimize(force=True)
        index.backup(tmp_path / "backup")
        assert [hit.id for hit in index.tenant("acme").search("sail")] == ["1"]
    trivet.restore(tmp_path / "backup", tmp_path / "restored")
    with trivet.open(tmp_path / "restored", model=tiny_embedder) as index:
        assert {hit.text for hit in index.tenant("bolt").search("a")} == {
            "anchor bolt",
            "sail bolt",
        }


def test_the_tenant_is_indexed_as_such(two: trivet.Index, location: str) -> None:
    if location == ":memory:":
        pytest.skip("memory has no payload indexes")
    if "://" in location:
        schema = two._store.engine.collection.info().payload_schema["_trivet.tenant"]
        assert schema.params is None or schema.params.is_tenant
        assert schema.data_type == "keyword"
    else:
        from qdrant_edge import FacetRequest  # which needs an index

        answer = two._store.engine._shard.facet(FacetRequest("_trivet.tenant"))
        assert {hit.value: hit.count for hit in answer.hits}.keys() == {"acme", "bolt"}
