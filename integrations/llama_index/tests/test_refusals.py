"""Calls of the vector store that mean nothing: each is refused with its reason."""

from __future__ import annotations

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.vector_stores.trivet import TrivetVectorStore
from llama_index.vector_stores.trivet.nodes import VECTORS_UNUSED

from trivet.errors import (
    InvalidDocumentError,
    InvalidInputError,
    InvalidQueryError,
    SpaceMismatchError,
    TextTooLongError,
    TrivetError,
    UnknownKeywordError,
)


def node(id: str, text: str, **metadata: object) -> TextNode:
    return TextNode(id_=id, text=text, metadata=metadata)


NODES = [node("a", "A kedge is a light anchor."), node("b", "Leeway is drift."), node("c", "Rope.")]


def ask(text: str, k: int = 10, **fields: object) -> VectorStoreQuery:
    return VectorStoreQuery(query_str=text, similarity_top_k=k, **fields)


def test_metadata_that_leaves_no_room_is_refused_with_the_way_out(memory_store) -> None:
    given = node("a", "One sentence about boats and the sea. " * 60, note="word " * 50)
    with pytest.raises(TextTooLongError, match="excluded_embed_metadata_keys"):
        memory_store.add([given])
    given.excluded_embed_metadata_keys = ["note"]
    assert memory_store.add([given]) == ["a"]


BAD_NODES = [
    ([node("a", "x y", _llama_index=1)], InvalidDocumentError, "_llama_index"),
    ([node("a", "   ")], InvalidDocumentError, "blank"),
    ([node("a", "x y", when={1, 2})], InvalidDocumentError, "convert"),
    ([node("a", "one"), node("a", "two")], InvalidInputError, "distinct"),
    ([TextNode(id_="a", text="one", embedding=[0.1] * 7)], SpaceMismatchError, "embed_model"),
    (
        [
            TextNode(
                id_="a", text="one", metadata={"k": 1}, text_template="{content} {metadata_str}"
            )
        ],
        InvalidDocumentError,
        "text_template",
    ),
]


@pytest.mark.parametrize(("nodes", "error", "words"), BAD_NODES)
def test_a_node_that_cannot_be_stored_is_refused(
    memory_store: TrivetVectorStore, nodes, error: type[TrivetError], words: str
) -> None:
    with pytest.raises(error, match=words):
        memory_store.add(nodes)
    assert memory_store.client.count() == 0


def test_calls_that_mean_nothing_are_refused(memory_store: TrivetVectorStore) -> None:
    memory_store.add(NODES)
    with pytest.raises(InvalidQueryError, match="query_str"):
        memory_store.query(VectorStoreQuery(query_embedding=[0.0] * 32, similarity_top_k=1))
    with pytest.raises(SpaceMismatchError, match="7"):
        memory_store.query(ask("x", query_embedding=[0.5] * 7))
    with pytest.raises(InvalidQueryError):
        memory_store.query(ask("  "))
    with pytest.raises(InvalidInputError, match="output_fields"):
        memory_store.query(ask("x", output_fields=["a"]))
    with pytest.raises(InvalidInputError, match="clear"):
        memory_store.delete_nodes()
    for call in (
        lambda: memory_store.add(NODES, shard="a"),
        lambda: memory_store.delete("a", shard="a"),
        lambda: memory_store.delete_nodes(["a"], shard="a"),
        lambda: memory_store.query(ask("x"), shard="a"),
    ):
        with pytest.raises(UnknownKeywordError, match="shard"):
            call()
    assert memory_store.client.count() == 3
    unknown = MetadataFilters(filters=[MetadataFilter(key="no", value="x")])
    assert memory_store.query(ask("anchor", filters=unknown)).ids == []


def test_the_store_is_opened_one_way(memory_store: TrivetVectorStore, tiny_embedder) -> None:
    for arguments in ({}, {"location": ":memory:", "index": memory_store.client}):
        with pytest.raises(InvalidInputError, match="one of location and index"):
            TrivetVectorStore(**arguments)
    for arguments in ({"embedding": tiny_embedder}, {"collection": "c"}):
        with pytest.raises(InvalidInputError, match="beside an index"):
            TrivetVectorStore(index=memory_store.client, **arguments)
    assert "location=':memory:'" in repr(memory_store)


def test_a_query_embedding_is_not_asked_of_the_stand_in(memory_store: TrivetVectorStore) -> None:
    with pytest.raises(InvalidInputError, match="in words"):
        memory_store.embed_model.get_query_embedding("x")
    operator = MetadataFilter(key="page", value="1", operator=FilterOperator.GT)
    with pytest.raises(TrivetError, match="ISO"):
        memory_store.query(ask("x", filters=MetadataFilters(filters=[operator])))


def test_values_of_another_kind_are_refused_by_what_was_expected(memory_store) -> None:
    def ask(**fields):
        return memory_store.query(VectorStoreQuery(query_str="anchor", **fields))

    hybrid = {"mode": "hybrid"}
    calls = [
        lambda: memory_store.add(["a text"]),
        lambda: memory_store.delete(None),
        lambda: ask(similarity_top_k=None),
        lambda: ask(similarity_top_k="5"),
        lambda: ask(alpha="0.5", **hybrid),
        lambda: ask(sparse_top_k="5", **hybrid),
        lambda: ask(sparse_top_k=0, **hybrid),
        lambda: ask(hybrid_top_k=True, **hybrid),
    ]
    for call in calls:
        with pytest.raises(InvalidInputError, match="expected"):
            call()


def test_vectors_that_are_not_used_are_told_once(memory_store, caplog) -> None:
    dims = memory_store.client.spaces[0].dims
    for id in "ab":
        memory_store.add([TextNode(text="An anchor.", id_=id, embedding=[0.1] * dims)])
    assert [r.getMessage() for r in caplog.records if "store.embed_model" in r.getMessage()] == [
        VECTORS_UNUSED
    ]
