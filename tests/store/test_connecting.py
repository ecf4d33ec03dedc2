"""An index on a server is made once, opened by many, and never taken for something else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import models
from stored import DENSE, SPARSE, FakeTime, contents, machine, manifest, write
from stub_server import StubServer, drop

from trivet import ServerSettings, errors
from trivet.config import Lexical
from trivet.store import folder as folders
from trivet.store.connecting import ServerIndex
from trivet.store.indexing import index_fields
from trivet.store.manifest import LexicalState
from trivet.store.payload_indexes import checked_indexes
from trivet.store.reweighing import reweigh
from trivet.types import Space, SparseVector

pytestmark = pytest.mark.loopback

ALL_KINDS = {
    "lang": "keyword", "year": "integer", "price": "float", "day": "datetime", "body": "text",
    "open": "bool", "team": "tenant", "a.b": "integer", "odd name": "keyword",
}  # fmt: skip


@pytest.fixture
def server() -> StubServer:
    with StubServer() as server:
        yield server


def names(server: StubServer) -> set[str]:
    return {c.name for c in server.local.get_collections().collections}


def test_a_collection_has_our_schema(server: StubServer) -> None:
    multi = Space("multi", "test", 4, {"weights": "x"})
    place = ServerIndex(server.url, "docs", ServerSettings())
    assert not place.exists()
    made = manifest(spaces={"dense": DENSE, "sparse": SPARSE, "multi": multi})
    assert place.create(made)
    assert place.exists()
    with machine(server.url, "docs") as store:
        assert store.manifest == made
    place.close()
    params = server.local.get_collection("docs").config.params
    dense = params.vectors[DENSE.vector_name]
    assert (dense.size, dense.distance) == (4, models.Distance.COSINE)
    assert params.sparse_vectors[SPARSE.vector_name].modifier == models.Modifier.IDF
    tokens = params.vectors[multi.vector_name]
    assert tokens.multivector_config.comparator == models.MultiVectorComparator.MAX_SIM
    assert tokens.hnsw_config.m == 0
    assert server.indexes["docs"] == {"_trivet.document": "keyword", "_trivet.revision": "integer"}
    assert names(server) == {"docs", "docs__journal"}


def test_a_vector_can_be_added_for_tokens(server: StubServer) -> None:
    multi = Space("multi", "test", 4, {"weights": "x"})
    with machine(server.url) as store:
        store.write([write(store, "a", 1, "text")])
        store.engine.add_space(multi)
        store.engine.add_space(multi)
        rows = np.eye(4, dtype=np.float32)[:2]
        ids = [id for page in store.engine.pages() for id in page]
        store.engine.set_vectors({ids[0]: {multi.vector_name: rows}})
        (record,) = server.local.retrieve("trivet", ids, with_vectors=True)
        assert np.shape(record.vector[multi.vector_name]) == (2, 4)
        # The request that adds a vector has no place for it, so another one follows.
        assert "PATCH /collections/trivet" in server.routes
        store.engine.drop_vectors(multi.vector_name)
        store.engine.drop_vectors(multi.vector_name)


def test_a_foreign_collection_is_left_alone(server: StubServer) -> None:
    config = models.VectorParams(size=4, distance=models.Distance.COSINE)
    server.local.create_collection("theirs", config, metadata={"owner": "them"})
    server.params["theirs"], server.indexes["theirs"] = {}, {}
    place = ServerIndex(server.url, "theirs", ServerSettings())
    with pytest.raises(errors.NotAnIndexError, match="something else has made: give another"):
        place.exists()
    place.close()
    assert names(server) == {"theirs"}


@pytest.mark.parametrize("name", ["", "a/b", "a b", "../x", "a?b", "x" * 201, "a\x00", 5])
def test_a_name_that_is_none_is_refused(server: StubServer, name: object) -> None:
    with pytest.raises(errors.InvalidInputError, match="collection's name"):
        ServerIndex(server.url, name, ServerSettings())
    assert server.routes == []


def test_many_machines_make_one_index_at_once(server: StubServer) -> None:
    def work(number: int) -> object:
        with machine(server.url) as store:
            store.write([write(store, str(number), 1, "text")])
            return store.manifest

    with ThreadPoolExecutor(6) as pool:
        manifests = list(pool.map(work, range(6)))
    assert all(each == manifests[0] for each in manifests)
    with machine(server.url) as store:
        assert set(contents(store)) == set("012345")


def test_a_machine_that_dies_while_it_makes_an_index_leaves_one_to_be_made() -> None:
    with StubServer() as counting:
        with machine(counting.url):
            pass
        requests = len(counting.routes) - 1  # the first asks for the version
    for request in range(requests):
        with StubServer() as server:
            server.fail(".*", drop(applied=True), after=request)
            server.fail(".*", drop(applied=False), after=request, times=10**6)
            with (
                pytest.raises(errors.StoreError),
                machine(server.url, time=FakeTime(), retry_attempts=2),
            ):
                pass
            server.faults.clear()
            with machine(server.url) as store:
                store.write([write(store, "a", 1, "text")])
                assert contents(store) == {"a": ["text 0"]}
            assert set(server.indexes["trivet"]) == {"_trivet.document", "_trivet.revision"}
            assert set(server.indexes["trivet__journal"]) >= {"kind", "writer", "expires"}


def test_collections_that_lost_each_other_are_refused(server: StubServer) -> None:
    with machine(server.url) as store:
        store.write([write(store, "a", 1, "text")])
    server.local.delete_collection("trivet")
    with (
        pytest.raises(errors.IndexDamagedError, match="journal with documents"),
        machine(server.url),
    ):
        pass
    assert names(server) == {"trivet__journal"}
    with machine(server.url, "other") as store:
        store.write([write(store, "a", 1, "text")])
    server.local.delete_collection("other__journal")
    with (
        pytest.raises(errors.IndexDamagedError, match="other__journal"),
        machine(server.url, "other"),
    ):
        pass
    with machine(server.url, "third"):
        pass
    server.local.delete_vector_name("third", SPARSE.vector_name)
    with (
        pytest.raises(errors.IndexDamagedError, match=SPARSE.vector_name),
        machine(server.url, "third"),
    ):
        pass


@pytest.mark.parametrize(
    "stored",
    [{"format": 99}, {"spaces": None}, {"namespace": "x"}, {"indexes": {"year": "number"}}],
)
def test_a_manifest_that_was_changed_is_refused(server: StubServer, stored: dict) -> None:
    with machine(server.url):
        pass
    whole = server.local.get_collection("trivet").config.metadata["trivet"]
    server.local.update_collection("trivet", metadata={"trivet": {**whole, **stored}})
    with pytest.raises(errors.IndexDamagedError, match="metadata of 'trivet'"), machine(server.url):
        pass


def test_what_an_index_of_the_same_name_left_open_is_passed_over(server: StubServer) -> None:
    time = FakeTime()
    with machine(server.url, time=time, retry_attempts=1) as dead:
        server.fail("PUT /collections/trivet/points", drop(applied=False), times=99)
        server.fail(".*scroll", drop(applied=False), after=1, times=99)
        with pytest.raises(errors.StoreError):
            dead.write([write(dead, "a", 1, "text")])
        server.faults.clear()
    assert server.local.count("trivet__journal").count == 1
    server.local.delete_collection("trivet")
    time.now += 3600
    with machine(server.url, time=time) as store:
        assert store.recover() == 0
        store.write([write(store, "a", 2, "new")])
        assert contents(store) == {"a": ["new 0", "new 1"]}


def declared(server: StubServer) -> dict:
    return {f: s for f, s in server.indexes["trivet"].items() if not f.startswith("_trivet")}


def test_payload_indexes_are_made_and_none_is_dropped(server: StubServer) -> None:
    with machine(server.url) as store:
        index_fields(store, checked_indexes(ALL_KINDS))
        assert declared(server) == {
            "metadata.lang": "keyword", "metadata.year": "integer", "metadata.price": "float",
            "metadata.day": "datetime", "metadata.body": "text", "metadata.open": "bool",
            "metadata.team": {"type": "keyword", "is_tenant": True},
            "metadata.a.b": "integer", 'metadata."odd name"': "keyword",
        }  # fmt: skip
        asked = server.routes.count("PUT /collections/trivet/index")
        index_fields(store, checked_indexes({"year": "integer"}))
        index_fields(store, {})
        assert server.routes.count("PUT /collections/trivet/index") == asked
    with machine(server.url) as store:
        assert store.manifest.indexes == ALL_KINDS
        index_fields(store, checked_indexes({"month": "integer"}))
        assert store.manifest.indexes == {**ALL_KINDS, "month": "integer"}
        with pytest.raises(errors.SettingsMismatchError, match="'year' as integer, got float"):
            index_fields(store, checked_indexes({"year": "float", "new": "bool"}))
        assert "new" not in store.manifest.indexes
    # What a crash left out is made at the next opening.
    del server.indexes["trivet"]["metadata.year"], server.indexes["trivet"]["_trivet.document"]
    with machine(server.url):
        pass
    assert {"metadata.year", "_trivet.document"} <= set(server.indexes["trivet"])


def test_a_folder_has_payload_indexes_too(tmp_path: Path) -> None:
    import qdrant_edge

    store = folders.create_in_folder(tmp_path, manifest())
    index_fields(store, checked_indexes(ALL_KINDS))
    index_fields(store, checked_indexes(ALL_KINDS))
    store.write([write(store, str(n), 1, "text") for n in range(5)])
    store.close()
    store = folders.open_folder(tmp_path)
    assert store.manifest.indexes == ALL_KINDS
    schema = store.engine._shard.info().payload_schema
    assert schema["metadata.year"].data_type == qdrant_edge.PayloadSchemaType.Integer
    assert schema["metadata.team"].params.is_tenant is True
    assert set(schema) == {
        "metadata." + (f if f != "odd name" else '"odd name"') for f in ALL_KINDS
    }
    store.close()


@pytest.mark.parametrize(
    ("indexes", "words"),
    [
        ({"year": "int"}, "keyword, integer, float, datetime, text, bool, tenant, got 'int'"),
        ({"a..b": "integer"}, "field's name"),
        ({5: "integer"}, "field's name"),
        (["year"], "such as"),
    ],
)
def test_indexes_that_cannot_be_are_refused(indexes: object, words: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=words):
        checked_indexes(indexes)


def weigh(chunks: list) -> tuple[list[SparseVector], list[int]]:
    rows = [SparseVector(np.array([7], np.uint32), np.array([1.0], np.float32)) for _ in chunks]
    return rows, [2 for _ in chunks]


def test_a_server_of_1_17_makes_an_empty_collection_anew() -> None:
    heavier = Space("sparse", "bm25", None, {"analyser": "test", "average_tokens": 9.0})
    with StubServer("1.17.1") as server, machine(server.url, shards=2) as store:
        index_fields(store, {"year": "integer"})
        assert not store.engine.adds_spaces
        reweigh(store, heavier, LexicalState(9.0, 1, "en", Lexical()), weigh)
        assert store.manifest.spaces["sparse"] == heavier
        assert server.params["trivet"]["shard_number"] == 2
        assert declared(server) == {"metadata.year": "integer"}
        with machine(server.url) as other:
            assert other.manifest == store.manifest
        point = write(store, "a", 1, "text").points[0]
        vectors = {DENSE.vector_name: point.vectors[DENSE.vector_name]}
        vectors[heavier.vector_name] = point.vectors[SPARSE.vector_name]
        store.engine.upsert([type(point)(point.id, vectors, point.payload)])
        with pytest.raises(
            errors.ServerTooOldError, match=r"1\.18 or later.*1 stored points, got 1\.17\.1"
        ):
            store.engine.add_space(
                Space("sparse", "bm25", None, {"analyser": "test", "average_tokens": 5.0})
            )
        assert store.engine.count() == 1
