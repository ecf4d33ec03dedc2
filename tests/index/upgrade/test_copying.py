"""An adopted collection and its copy: whatever happens meanwhile, nothing differs in the end."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from checkpoints import WORDS
from qdrant_client import QdrantClient, models
from stub_server import StubServer

import trivet
from trivet import Embedder, errors
from trivet.store.adopted import AdoptedEngine
from trivet.store.edge import EdgeEngine

from .services import DIMS, of_words, service, texts_of
from .stages import found

pytestmark = pytest.mark.loopback


def test_a_copy_goes_on_where_it_was_stopped(
    server: StubServer, foreign: QdrantClient, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trivet.index import copying

    differing, counts = copying.Copy._differing, []
    with trivet.adopt(server.url, "notes", model=tiny_model) as adopted:

        def first_only(copy: copying.Copy, page: copying.Page) -> list[int]:
            if counts:
                raise KeyboardInterrupt
            counts.append(100)
            return differing(copy, page)[:100]

        with monkeypatch.context() as patched:
            patched.setattr(copying.Copy, "_differing", first_only)
            with pytest.raises(KeyboardInterrupt):
                adopted.take_over(server.url, collection="notes-2", alias="notes")
        # The alias still leads to the whole collection.
        assert foreign.count("notes").count == 240
        # What is deleted there in between is deleted here when the copy goes on.
        gone = str(uuid.uuid5(uuid.NAMESPACE_URL, "d3"))
        foreign.delete("notes-1", [gone])

        def counted(copy: copying.Copy, page: copying.Page) -> list[int]:
            rows = differing(copy, page)
            counts.append(len(rows))
            return rows

        monkeypatch.setattr(copying.Copy, "_differing", counted)
        with adopted.take_over(server.url, collection="notes-2", alias="notes") as own:
            assert own.count() == 239
            assert 139 <= sum(counts[1:]) <= 140  # none of the hundred again
            assert own.get([gone]) == []
            space = own.spaces[0].vector_name
            assert_same_vectors(own, adopted, space)


def assert_same_vectors(own: trivet.Index, adopted: trivet.Index, space: str) -> None:
    """Of the first page of documents, whose points have ids of their own here."""
    page = next(iter(own._store.engine.pages()))
    keys = {payload["_trivet"]["document"]: id for id, payload in page.items()}
    mine = own._store.engine.vectors(list(keys.values()), space)
    theirs = adopted._store.engine.vectors(list(keys), space)
    for document, id in keys.items():
        np.testing.assert_allclose(mine[id], theirs[document], atol=1e-6)


def test_a_copy_that_dies_anywhere_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, client = texts_of(40), QdrantClient(":memory:")
    client.create_collection("notes", models.VectorParams(size=DIMS, distance="Cosine"))
    rows = of_words(0)(list(texts.values()))
    client.upsert("notes", [
        models.PointStruct(id=i, vector=row.tolist(), payload={"page_content": text})
        for i, (text, row) in enumerate(zip(texts.values(), rows, strict=True))
    ])  # fmt: skip
    own = service("old", of_words(0))
    with trivet.adopt(client, "notes", model=own) as adopted:
        ends = []
        for count in (1, 3, 5, 20):
            folder = tmp_path / str(count)
            with monkeypatch.context() as patched:
                die_at(count, patched)
                try:
                    adopted.take_over(folder).close()
                    ends.append("done")
                except KeyboardInterrupt:
                    ends.append("died")
            with adopted.take_over(folder) as copy:
                assert {document.text for document in copy.documents()} == set(texts.values())
                assert copy.verify().is_clean
                points = [str(i) for i in range(40)]
                made = copy.vectors(points).dense
                assert made is not None
                np.testing.assert_allclose(made.values, rows, atol=1e-5)
        assert ends[0] == "died"
        assert ends[-1] == "done"


def die_at(count: int, patched: pytest.MonkeyPatch) -> None:
    """Raise at the n-th thing that a copy reads or writes."""
    left = [count]
    watched = [(AdoptedEngine, "vectors"), (AdoptedEngine, "retrieve"),
               (EdgeEngine, "upsert"), (EdgeEngine, "flush"), (EdgeEngine, "vectors")]  # fmt: skip

    def dying(call: Callable) -> Callable:
        def wrapper(*given: object, **named: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return call(*given, **named)

        return wrapper

    for owner, name in watched:
        patched.setattr(owner, name, dying(getattr(owner, name)))


class Writer:
    """Somebody who goes on writing to a collection while it is copied.

    After every page that was read, a document is changed, added or deleted at random.
    """

    def __init__(self, client: QdrantClient, model: Path, ids: list[str], seed: int) -> None:
        self._client, self._random, self.left = client, np.random.default_rng(seed), 6
        self._model = Embedder.load(model, modes=["dense"])
        self._ids = list(ids)

    def put(self, id: str) -> None:
        text = " ".join(self._random.choice(WORDS, size=12))
        [row] = self._model.embed_documents([text]).dense.values
        payload = {"page_content": text, "metadata": {"name": id, "of": float(row[0])}}
        point = models.PointStruct(id=id, vector=row.tolist(), payload=payload)
        self._client.upsert("notes-1", [point])

    def write(self) -> None:
        kind = self._random.integers(3) if self.left > 0 else 3
        self.left -= 1
        if kind == 0:
            self._ids.append(str(uuid.UUID(bytes=self._random.bytes(16), version=4)))
            self.put(self._ids[-1])
        elif kind == 1:
            self.put(str(self._random.choice(self._ids)))
        elif kind == 2:
            id = str(self._random.choice(self._ids))
            self._ids.remove(id)
            self._client.delete("notes-1", [id])


def written_to(adopted: trivet.Index, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody write whenever the collection was read from."""
    engine = adopted._store.engine

    def then_written(call: Callable) -> Callable:
        def wrapper(*given: object) -> object:
            answer = call(*given)
            writer.write()
            return answer

        return wrapper

    for name in ("vectors", "retrieve"):
        monkeypatch.setattr(engine, name, then_written(getattr(engine, name)))


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_written_while_a_collection_is_copied_is_copied_too(
    seed: int, server: StubServer, foreign: QdrantClient, tiny_model: Path, texts: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, name)) for name in texts]
    with trivet.adopt(server.url, "notes", model=tiny_model) as adopted:
        written_to(adopted, Writer(foreign, tiny_model, ids, seed), monkeypatch)
        with adopted.take_over(server.url, collection="notes-2", alias="notes") as own:
            points, _ = foreign.scroll("notes-1", limit=1000, with_vectors=True)
            assert {d.id: (d.text, dict(d.metadata)) for d in own.documents()} == {
                str(p.id): (p.payload["page_content"], p.payload["metadata"]) for p in points
            }
            mine = own.vectors([str(p.id) for p in points]).dense.values
            np.testing.assert_allclose(mine, [p.vector for p in points], atol=1e-5)
            assert own.verify().is_clean


def test_a_collection_that_is_written_to_without_end_is_refused_with_what_differs(
    server: StubServer, foreign: QdrantClient, tiny_model: Path, texts: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, name)) for name in texts]
    with trivet.adopt(server.url, "notes", model=tiny_model) as adopted:
        writer = Writer(foreign, tiny_model, ids, 3)
        writer.left = 10**6
        written_to(adopted, writer, monkeypatch)
        with pytest.raises(errors.UpgradeError, match="had changed at the last of 5 looks"):
            adopted.take_over(server.url, collection="notes-2", alias="notes")
        assert foreign.get_aliases().aliases[0].collection_name == "notes-1"


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_a_dot_product_collection_is_taken_over_only_where_rankings_stay(
    factor: float, tiny_model: Path, texts: dict[str, str]
) -> None:
    client = QdrantClient(":memory:")
    client.create_collection("notes", models.VectorParams(size=32, distance=models.Distance.DOT))
    dense = Embedder.load(tiny_model, modes=["dense"]).embed_documents(list(texts.values())).dense
    # All of length 2, or one of them longer than the others.
    rows = 2 * dense.values
    rows[7] *= factor
    client.upsert("notes", [
        models.PointStruct(id=i, vector=row.tolist(), payload={"page_content": text})
        for i, (text, row) in enumerate(zip(texts.values(), rows, strict=True))
    ])  # fmt: skip
    with trivet.adopt(client, "notes", model=tiny_model) as adopted:
        if factor == 1.0:
            with adopted.take_over(":memory:") as own:
                assert found(own, texts["d9"], k=10) == found(adopted, texts["d9"], k=10)
        else:
            with pytest.raises(errors.UpgradeError, match="lengths from 2 to 4: an index compares"):
                adopted.take_over(":memory:")


def test_what_was_changed_after_a_copy_was_stopped_is_copied_again(
    server: StubServer, foreign: QdrantClient, tiny_model: Path, texts: dict[str, str]
) -> None:
    changed, bare = (str(uuid.uuid5(uuid.NAMESPACE_URL, name)) for name in ("d3", "d4"))
    with trivet.adopt(server.url, "notes", model=tiny_model) as adopted:
        adopted.take_over(server.url, collection="notes-2").close()
        payload = {"page_content": "kedge anchor", "metadata": {"name": "d3", "year": 2026}}
        foreign.set_payload("notes-1", payload, [changed])
        with adopted.take_over(server.url, collection="notes-2") as own:
            [document] = own.get([changed])
            assert (document.text, document.metadata["year"]) == ("kedge anchor", 2026)
            assert own.count() == 240
            own.add(["of somebody else"], ids=["foreign"], on_error="raise")
        # An index of other documents is not mixed with the copy.
        with pytest.raises(errors.UpgradeError, match="such as 'foreign'"):
            adopted.take_over(server.url, collection="notes-2")
        # A point without a vector is named; it is nobody's writing meanwhile.
        payload = {"page_content": texts["d4"], "metadata": {"name": "d4"}}
        foreign.upsert("notes-1", [models.PointStruct(id=bare, vector={}, payload=payload)])
        with pytest.raises(errors.UpgradeError, match=f"got none of '{bare}': write it there"):
            adopted.take_over(server.url, collection="notes-3")
