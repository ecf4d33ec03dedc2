"""Tenants never meet, whatever is done by whom: a model of what each holds, in memory, in a folder, on a server."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from indexes import require_sound
from stub_server import StubServer

import trivet
from trivet.errors import DocumentExistsError

# As like each other as names can be: case, composition, and the start of another one's.
TENANTS = ["acme", "Acme", "acm\u00e9", "acme\u0301", "acme/1", "acme 1", "ac"]
IDS = ["1", "2", "acme\x1f1", "\x1f1", "x#0"]
TEXTS = ["an anchor and a chain", "the sail", "wind over the tide", "leeway and keel " * 30]
GENRES = ["gear", "motion"]
Contents = dict[str, tuple[str, str]]


@dataclass
class Expected:
    """What each tenant must hold: text and genre of each document, by id."""

    of: dict[str, Contents] = field(default_factory=lambda: {name: {} for name in TENANTS})

    def check(self, index: trivet.Index) -> None:
        for name, contents in self.of.items():
            view = index.tenant(name)
            assert read(view) == contents
            assert view.count() == view.describe().documents == len(contents)
            for filter, genres in ((None, GENRES), ({"genre": "gear"}, ["gear"])):
                hits = view.search("the anchor", k=50, filter=filter)
                wanted = {id for id, (_, genre) in contents.items() if genre in genres}
                assert {hit.id for hit in hits} == wanted
                assert all(hit.text in contents[hit.id][0] for hit in hits)
                assert {hit.tenant for hit in hits} <= {name}
        everything = index.tenant(trivet.ALL)
        assert everything.count() == sum(map(len, self.of.values()))
        require_sound(index)


def read(view: trivet.Index) -> Contents:
    return {d.id or "": (d.text, d.metadata["genre"]) for d in view.get(IDS)}


def as_documents(contents: Contents) -> list[trivet.Document]:
    return [
        trivet.Document(text, id, metadata={"genre": genre})
        for id, (text, genre) in contents.items()
    ]


def do(view: trivet.Index, held: Contents, name: str, what: Any) -> None:
    """Do one thing to a tenant's index, and to what it must hold then."""
    if name == "add":
        report = view.add(as_documents(what))
        clash = {id for id, new in what.items() if held.get(id, new) != new}
        assert {failed.id for failed in report.failed} == clash
        assert all(isinstance(failed.error, DocumentExistsError) for failed in report.failed)
        held.update({id: new for id, new in what.items() if id not in clash})
    elif name == "upsert":
        assert view.upsert(as_documents(what)).failed == ()
        held.update(what)
    elif name == "delete":
        assert view.delete(list(what)) == len(held.keys() & what.keys())
        for id in what:
            held.pop(id, None)
    else:
        gone = [id for id, (_, genre) in held.items() if what in ("all", genre)]
        assert view.delete(filter=trivet.ALL if what == "all" else {"genre": what}) == len(gone)
        for id in gone:
            del held[id]


contents = st.dictionaries(
    st.sampled_from(IDS), st.tuples(st.sampled_from(TEXTS), st.sampled_from(GENRES)), max_size=4
)
steps = st.tuples(
    st.sampled_from(TENANTS),
    st.one_of(
        st.tuples(st.sampled_from(["add", "upsert", "upsert", "delete"]), contents),
        st.tuples(st.just("delete by filter"), st.sampled_from([*GENRES, "all"])),
    ),
)
EXAMPLES = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def run(location: str, embedder: trivet.Embedder, todo: list[Any]) -> None:
    expected = Expected()
    place: dict[str, Any] = {"model": embedder}
    if "://" in location:
        place["collection"] = uuid.uuid4().hex
    with trivet.open(location, **place, tenants=True) as index:
        for tenant, (name, what) in todo:
            do(index.tenant(tenant), expected.of[tenant], name, what)
        expected.check(index)
    if location != ":memory:":
        with trivet.open(location, **place) as index:
            expected.check(index)


@settings(EXAMPLES, max_examples=8)
@given(st.lists(steps, min_size=4, max_size=12))
def test_tenants_in_memory_are_apart(tiny_embedder: trivet.Embedder, todo: list[Any]) -> None:
    run(":memory:", tiny_embedder, todo)


def test_tenants_in_a_folder_are_apart(tiny_embedder: trivet.Embedder, tmp_path: Path) -> None:
    folders = (tmp_path / str(n) for n in itertools.count())

    @settings(EXAMPLES, max_examples=8)
    @given(st.lists(steps, min_size=4, max_size=12))
    def apart(todo: list[Any]) -> None:
        run(str(next(folders)), tiny_embedder, todo)

    apart()


@pytest.mark.loopback
def test_tenants_on_a_server_are_apart(tiny_embedder: trivet.Embedder) -> None:
    with StubServer() as server:

        @settings(EXAMPLES, max_examples=3)
        @given(st.lists(steps, min_size=4, max_size=8))
        def apart(todo: list[Any]) -> None:
            run(server.url, tiny_embedder, todo)

        apart()
