"""A leg is weighted anew while several machines write: one of them at a time, and nothing is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from stored import DENSE, SPARSE, FakeTime, Killed, contents, die_in, machine, write
from stub_server import StubServer

from trivet.config import Lexical
from trivet.errors import DocumentBusyError, StoreError
from trivet.store.manifest import LexicalState
from trivet.store.points import Chunk
from trivet.store.reweighing import reweigh as reweigh_leg
from trivet.store.store import Store
from trivet.types import Space, SparseVector

pytestmark = pytest.mark.loopback
HEAVIER = Space("sparse", "bm25", None, {"analyser": "test", "average_tokens": 9.0})
LIGHTER = Space("sparse", "bm25", None, {"analyser": "test", "average_tokens": 5.0})


@pytest.fixture
def server() -> StubServer:
    with StubServer() as server:
        yield server


def weigh(chunks: list[Chunk]) -> tuple[list[SparseVector], list[int]]:
    rows = [SparseVector(np.array([7], np.uint32), np.array([9.0], np.float32)) for _ in chunks]
    return rows, [2 for _ in chunks]


def reweigh(store: Store, space: Space = HEAVIER) -> None:
    reweigh_leg(store, space, LexicalState(9.0, 3, "en", Lexical()), weigh)


def test_a_weighting_waits_for_other_writers_and_keeps_them_out(
    server: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with machine(server.url) as one, machine(server.url) as two:
        two.write([write(two, "a", 2, "text")])
        planned = [write(two, "b", 1, "text")]
        busy: list[str] = []

        def weigh_while_two_tries(chunks: list[Chunk]) -> tuple[list[SparseVector], list[int]]:
            with pytest.raises(DocumentBusyError, match="held by writer") as caught:
                two.write(planned)
            busy.extend(caught.value.documents)
            return weigh(chunks)

        reweigh_leg(one, HEAVIER, LexicalState(9.0, 3, "en", Lexical()), weigh_while_two_tries)
        assert busy == ["b"]
        # What was planned for the old weighting is not written into the new one.
        with pytest.raises(DocumentBusyError, match="weighted anew"):
            two.write(planned)
        assert two.manifest.spaces["sparse"] == HEAVIER
        assert contents(two) == {"a": ["text 0", "text 1"]}
        names = server.local.get_collection("trivet").config.params.sparse_vectors
        assert set(names) == {HEAVIER.vector_name}


def test_an_open_write_is_finished_before_a_weighting_begins(server: StubServer) -> None:
    with machine(server.url) as one, machine(server.url) as two:
        two.write([write(two, "a", 1, "text")])
        order: list[str] = []
        upsert, add_space = two.engine.upsert, one.engine.add_space
        begun = threading.Event()

        def slow(points: object) -> None:
            begun.set()
            threading.Event().wait(0.5)
            upsert(points)
            order.append("written")

        def adding(space: Space) -> None:
            order.append("weighted")
            add_space(space)

        two.engine.upsert, one.engine.add_space = slow, adding
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(two.write, [write(two, "b", 2, "text")])
            begun.wait()
            reweigh(one)
            writing.result()
        assert order == ["written", "weighted"]
        assert len(contents(one)["b"]) == 2
        with_new = {
            r.id
            for r in server.local.scroll("trivet", limit=9, with_vectors=True)[0]
            if HEAVIER.vector_name in r.vector
        }
        assert len(with_new) == 3


def test_of_two_weightings_at_once_the_second_stands_back(server: StubServer) -> None:
    with machine(server.url) as one, machine(server.url) as two:
        one.write([write(one, "a", 1, "text")])
        reweigh(one)
        reweigh(two, LIGHTER)
        assert one.manifest == two.manifest
        assert two.manifest.spaces["sparse"] == HEAVIER


def test_a_weighting_that_sleeps_too_long_stands_back(server: StubServer) -> None:
    time = FakeTime()
    with machine(server.url, time=time) as slow, machine(server.url, time=time) as other:
        slow.write([write(slow, "a", 1, "text")])

        def sleeping(chunks: list[Chunk]) -> tuple[list[SparseVector], list[int]]:
            time.now += 3600
            reweigh(other, LIGHTER)
            # A lock of the other's own, as if it were at work again.
            slept.enter_context(other.journal.exclusive(0.0))
            return weigh(chunks)

        with ExitStack() as slept, pytest.raises(StoreError, match="only writer"):
            reweigh_leg(slow, HEAVIER, LexicalState(9.0, 3, "en", Lexical()), sleeping)
        assert other.refresh() is False
        assert other.manifest.spaces["sparse"] == LIGHTER


@pytest.mark.parametrize("verb", ["add_space", "set_vectors", "drop_vectors"])
def test_a_weighting_that_died_is_cleaned_up_by_the_next_to_open(
    server: StubServer, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = FakeTime()
    with machine(server.url, time=time) as dead:
        dead.write([write(dead, "a", 2, "text")])
        with monkeypatch.context() as patch:
            die_in(dead, verb, patch, after=verb == "add_space")
            # It dies with its lock set.
            patch.setattr(dead.journal._points, "delete_where", lambda where: None)
            with pytest.raises(Killed):
                reweigh(dead)
        scratch = SPARSE if verb == "drop_vectors" else HEAVIER
        with machine(server.url, time=time) as early:
            # The lease is not over: the writer may be alive.
            assert early.manifest.scratch == scratch.vector_name
        time.now += 3600
        with machine(server.url, time=time) as late:
            assert late.manifest.scratch is None
            serving = HEAVIER if verb == "drop_vectors" else SPARSE
            assert late.manifest.spaces == {"dense": DENSE, "sparse": serving}
            names = server.local.get_collection("trivet").config.params.sparse_vectors
            assert set(names) == {serving.vector_name}
            assert contents(late) == {"a": ["text 0", "text 1"]}


def test_a_writer_that_died_before_it_saw_the_new_weighting_wrote_nothing(
    server: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = FakeTime()
    with machine(server.url, time=time) as dead, machine(server.url, time=time) as other:
        dead.write([write(dead, "a", 2, "old")])
        planned = [write(dead, "a", 1, "newer")]
        reweigh(other)
        with monkeypatch.context() as patch:
            patch.setattr(dead, "refresh", lambda: (_ for _ in ()).throw(Killed))
            patch.setattr(dead, "recover", lambda: 0)
            with pytest.raises(Killed):
                dead.write(planned)
        time.now += 3600
        assert other.recover() == 1
        assert contents(other) == {"a": ["old 0", "old 1"]}
