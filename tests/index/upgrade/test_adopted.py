"""An adopted collection is upgraded: copied with its vectors, led to by an alias, and upgraded."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from qdrant_client import QdrantClient, models
from stub_server import StubServer

import trivet
from trivet import Embedder, errors

from .services import DIMS, of_words, service, taken_to, texts_of
from .stages import bridged, found, state

pytestmark = pytest.mark.loopback
BM25 = trivet.Lexical("en")


def names(index: trivet.Index, query: str) -> list[str]:
    return [hit.metadata["name"] for hit in index.search(query, k=5, modes=["dense"])]


def test_an_adopted_collection_is_upgraded_behind_its_alias(
    server: StubServer, foreign: QdrantClient, tiny_model: Path, drifted_model: Path,
    texts: dict[str, str],
) -> None:  # fmt: skip
    query = texts["d7"]
    with trivet.adopt(server.url, "notes", model=tiny_model) as adopted:
        hits = names(adopted, query)
        with pytest.raises(errors.ReadOnlyError, match="take_over"):
            adopted.upgrade(drifted_model)
        own = adopted.take_over(server.url, collection="notes-2", alias="notes")
        with own:
            assert names(own, query) == hits
            assert own.verify().is_clean
            bridged(own, drifted_model)
        assert names(adopted, query) != []  # who has it open goes on with it
    with trivet.open(server.url, collection="notes") as again:
        upgrade = again.current_upgrade
        assert upgrade is not None
        assert state(again) == "bridged"
        upgrade.migrate()
        assert upgrade.status().native == 240
        upgrade.finish()
        assert names(again, query)[0] == "d7"
        again.add(["kedge anchor rope"], ids=["added"], on_error="raise")
        assert again.doctor().level == "note"
    # The collection that was adopted is as it was.
    assert foreign.count("notes-1").count == 240
    [record] = foreign.retrieve("notes-1", [str(uuid.uuid5(uuid.NAMESPACE_URL, "d7"))])
    assert record.payload == {"page_content": query, "metadata": {"name": "d7"}}


def test_what_cannot_be_taken_over_is_refused(
    server: StubServer, foreign: QdrantClient, tiny_model: Path, tmp_path: Path
) -> None:
    with trivet.adopt(server.url, "notes", model=tiny_model) as adopted:
        with pytest.raises(errors.InvalidInputError, match="only a server has aliases"):
            adopted.take_over(tmp_path / "index", alias="notes")
        with pytest.raises(errors.NotAnIndexError):
            adopted.take_over(server.url, collection="notes-1")
        with pytest.raises(errors.InvalidInputError, match="which a collection has"):
            adopted.take_over(server.url, collection="notes-2", alias="notes-1")
        with pytest.raises(errors.ReadOnlyError, match="take_over"):
            adopted.add(["another"])
        id = str(uuid.uuid5(uuid.NAMESPACE_URL, "d3"))
        foreign.set_payload("notes-1", {"page_content": " "}, [id])
        with pytest.raises(errors.UpgradeError, match="expected a text in the payload"):
            adopted.take_over(tmp_path / "index")
    with (
        trivet.open(":memory:", model=tiny_model) as own,
        pytest.raises(errors.InvalidInputError, match=r"use index\.upgrade"),
    ):
        own.take_over(tmp_path / "other")


@pytest.mark.parametrize("maker", ["langchain", "llama_index"])
def test_collections_of_either_maker_are_taken_over_and_upgraded(
    maker: str, tmp_path: Path
) -> None:
    texts, client = texts_of(60), QdrantClient(":memory:")
    client.create_collection("notes", models.VectorParams(size=DIMS, distance="Cosine"))

    def payload(id: str, text: str) -> dict[str, object]:
        metadata = {"name": id, "depth": 1 / 3}
        if maker == "langchain":
            return {"page_content": text, "metadata": metadata}
        node = json.dumps({"id_": id, "text": text, "metadata": metadata})
        own = {"_node_content": node, "_node_type": "TextNode", "ref_doc_id": "None"}
        return {**metadata, **own}

    rows = of_words(0)(list(texts.values()))
    client.upsert("notes", [
        models.PointStruct(id=i, vector=row.tolist(), payload=payload(id, text))
        for i, ((id, text), row) in enumerate(zip(texts.items(), rows, strict=True))
    ])  # fmt: skip
    with trivet.adopt(client, "notes", model=service("old", of_words(0))) as adopted:
        hits = adopted.search("anchor ship sail", k=5)
        with adopted.take_over(tmp_path / "index") as own:
            assert [(h.id, h.text, h.metadata) for h in own.search("anchor ship sail", k=5)] == [
                (h.id, h.text, h.metadata) for h in hits
            ]
            upgrade = taken_to(own, service("new", of_words(1)), "translate")
            assert upgrade.migrate() == 60
            upgrade.finish()
            assert own.verify().is_clean
            [document] = own.get(["7"])
            assert (document.text, document.metadata["name"]) == (texts["d7"], "d7")
        # Copied once more, nothing differs but the model, which is another by now.
        with pytest.raises(errors.SpaceMismatchError):
            adopted.take_over(tmp_path / "index")


def test_a_collection_of_a_client_is_taken_over_into_memory(
    tiny_model: Path, drifted_model: Path, texts: dict[str, str]
) -> None:
    client = QdrantClient(":memory:")
    client.create_collection(
        "notes",
        models.VectorParams(size=32, distance=models.Distance.COSINE),
        sparse_vectors_config={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    dense = Embedder.load(tiny_model, modes=["dense"]).embed_documents(list(texts.values())).dense
    assert dense is not None
    client.upsert("notes", [
        models.PointStruct(id=i, vector={"": row.tolist(), "words": models.SparseVector(indices=[1], values=[1.0])}, payload={"page_content": text})
        for i, (text, row) in enumerate(zip(texts.values(), dense.values, strict=True))
    ])  # fmt: skip
    adopted = trivet.adopt(client, "notes", model=tiny_model, lexical=BM25)
    with adopted, adopted.take_over(":memory:") as own:
        assert [space.mode for space in own.spaces] == ["dense", "sparse"]
        assert found(own, texts["d7"]) == found(adopted, texts["d7"])
        assert own.search(texts["d7"], k=1, modes=["sparse"])[0].id == "7"
        upgrade = bridged(own, drifted_model)
        upgrade.migrate()
        upgrade.finish()
        assert found(own, texts["d7"], k=1) == ["7"]
