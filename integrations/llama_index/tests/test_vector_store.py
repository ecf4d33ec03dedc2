"""The contract of a LlamaIndex vector store: nodes go in and come back, get, delete, clear."""

from __future__ import annotations

import copy

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import (
    Document,
    ImageNode,
    IndexNode,
    MediaResource,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores import (
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.embeddings.trivet import TrivetEmbedding
from llama_index.vector_stores.trivet import TrivetVectorStore

from trivet import Embedder


def node(id: str, text: str, source: str | None = None, **metadata: object) -> TextNode:
    relations = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)} if source else {}
    return TextNode(id_=id, text=text, metadata=metadata, relationships=relations)


NODES = [
    node("not a uuid", "A kedge is a light anchor.", "ships", page=1),
    node("b/2", "Leeway is sideways drift.", "ships", page=2),
    node("c", "A sheet is a rope.", "ropes", page=1),
]


def ids(nodes: list) -> list[str]:
    return sorted(each.node_id for each in nodes)


def ask(text: str, k: int = 10, **fields: object) -> VectorStoreQuery:
    return VectorStoreQuery(query_str=text, similarity_top_k=k, **fields)


def page(number: int) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key="page", value=number)])


def test_it_is_a_vector_store_that_stores_text_and_embeds_by_itself() -> None:
    assert "BasePydanticVectorStore" in [base.__name__ for base in TrivetVectorStore.__mro__]
    assert TrivetVectorStore.model_fields["stores_text"].default is True
    assert TrivetVectorStore.model_fields["is_embedding_query"].default is False
    own = vars(TrivetVectorStore)
    for name in ("add", "delete", "query", "get_nodes", "delete_nodes", "clear"):
        twin = f"async_{name}" if name == "add" else f"a{name}"
        assert name in own
        assert twin in own, "the default would block the event loop"
    assert issubclass(TrivetVectorStore, BasePydanticVectorStore)


def test_nodes_are_added_found_and_read(store: TrivetVectorStore) -> None:
    assert store.add(NODES) == ["not a uuid", "b/2", "c"]
    found = store.query(ask("kedge anchor", 1))
    assert found.ids == ["not a uuid"]
    assert found.nodes == [NODES[0]]
    assert found.similarities is not None
    assert ids(store.query(ask("anchor", 50)).nodes) == ids(NODES)  # k beyond the collection
    assert store.get_nodes(["c", "gone"]) == [NODES[2]]
    assert ids(store.get_nodes(filters=page(1))) == ["c", "not a uuid"]
    assert ids(store.get_nodes(["c", "b/2"], page(1))) == ["c"]
    assert ids(store.get_nodes()) == ids(NODES)
    assert store.get_nodes([]) == store.get_nodes([], page(1)) == []


def test_nodes_are_deleted_by_source_id_and_filter(store: TrivetVectorStore) -> None:
    store.add([*NODES, node("whole", "A document that nobody cut.")])
    store.delete("ships")
    assert ids(store.get_nodes()) == ["c", "whole"]
    store.delete("whole")
    store.delete("gone")
    assert ids(store.get_nodes()) == ["c"]
    store.add(NODES)
    store.delete_nodes(["b/2", "gone"])
    store.delete_nodes(["c"], page(2))  # no node is both
    assert ids(store.get_nodes()) == ["c", "not a uuid"]
    store.delete_nodes([])
    store.delete_nodes(filters=page(1))
    assert store.get_nodes() == []
    store.add(NODES)
    store.clear()
    assert store.get_nodes() == []
    assert store.query(ask("anchor")).ids == []


async def test_the_asynchronous_calls_do_the_same(store: TrivetVectorStore) -> None:
    assert await store.async_add(NODES) == ["not a uuid", "b/2", "c"]
    assert (await store.aquery(ask("kedge anchor", 1))).nodes == [NODES[0]]
    assert ids(await store.aget_nodes(["c"])) == ["c"]
    await store.adelete("ropes")
    await store.adelete_nodes(filters=page(2))
    assert ids(await store.aget_nodes()) == ["not a uuid"]
    await store.aclear()
    assert await store.aget_nodes() == []


def test_a_query_is_kept_to_node_ids_and_source_documents(store: TrivetVectorStore) -> None:
    store.add([*NODES, node("whole", "An anchor that nobody cut.")])
    assert store.query(ask("anchor", node_ids=["c", "b/2"])).ids is not None
    assert sorted(store.query(ask("anchor", node_ids=["c", "b/2"])).ids) == ["b/2", "c"]
    assert sorted(store.query(ask("anchor", doc_ids=["ships"])).ids) == ["b/2", "not a uuid"]
    assert store.query(ask("anchor", doc_ids=["whole"])).ids == ["whole"]
    assert store.query(ask("anchor", doc_ids=["ships"], filters=page(2))).ids == ["b/2"]
    assert store.query(ask("anchor", doc_ids=[])).ids == []


SOURCE = RelatedNodeInfo(node_id="d", metadata={"title": "Knots"}, hash="abc")
KINDS = [
    TextNode(
        id_="text",
        text="  The text,\nwith its blanks. ",
        metadata={"n": 1, "share": 0.1 + 0.2, "tags": ["a", "b"], "none": None, "deep": {"x": 2.5}},
        relationships={
            NodeRelationship.SOURCE: SOURCE,
            NodeRelationship.PREVIOUS: RelatedNodeInfo(node_id="p"),
            NodeRelationship.CHILD: [RelatedNodeInfo(node_id="k1"), RelatedNodeInfo(node_id="k2")],
        },
        excluded_embed_metadata_keys=["share", "none", "deep"],
        excluded_llm_metadata_keys=["share"],
        start_char_idx=3,
        end_char_idx=31,
        metadata_template="{key} = {value}",
        metadata_separator="; ",
    ),
    IndexNode(id_="index", text="Leads to a table.", index_id="table-7"),
    IndexNode(id_="object", text="Holds a node.", index_id="x", obj=TextNode(id_="o", text="held")),
    ImageNode(id_="image", text="A photograph.", image_url="https://example.org/a.png"),
    ImageNode(id_="blank", text="", image_url="https://example.org/b.png", metadata={"of": "sea"}),
    Document(id_="document", text="A whole document.", metadata={"file": "a.txt"}),
    Node(id_="media", text_resource=MediaResource(text="A caption.", mimetype="text/plain")),
    TextNode(id_="long", text="One sentence about boats and the sea. " * 60),
]


@pytest.mark.parametrize("given", KINDS, ids=lambda node: node.node_id)
def test_every_kind_of_node_comes_back_equal(store: TrivetVectorStore, given) -> None:
    before = copy.deepcopy(given)
    store.add([given])
    assert given == before, "the caller's node was changed"
    [read] = store.get_nodes([given.node_id])
    [found] = store.query(ask("sea", 1)).nodes
    for node in (read, found):
        assert type(node) is type(given)
        assert node == given
        assert node.relationships == given.relationships
        assert node.ref_doc_id == given.ref_doc_id


def test_what_is_embedded_is_what_the_node_wants_embedded(memory_store: TrivetVectorStore) -> None:
    shown = node("shown", "The same text.", topic="zeppelin")
    hidden = node("hidden", "The same text.", topic="zeppelin")
    hidden.excluded_embed_metadata_keys = ["topic"]
    memory_store.add([shown, hidden])
    assert memory_store.query(ask("zeppelin", mode="text_search")).ids == ["shown"]


def test_adding_a_node_again_replaces_it_and_leaves_the_others(store: TrivetVectorStore) -> None:
    store.add(NODES)
    store.add([node("c", "A halyard hoists a sail.", "ropes", page=9)])
    assert store.client.count() == 3
    [read] = store.get_nodes(["c"])
    assert (read.text, read.metadata) == ("A halyard hoists a sail.", {"page": 9})


def test_a_vector_index_embeds_in_the_store_alone(
    memory_store: TrivetVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[list[str]] = []
    embed = Embedder.embed_documents
    monkeypatch.setattr(
        Embedder,
        "embed_documents",
        lambda self, texts, **more: passes.append(list(texts)) or embed(self, texts, **more),
    )
    context = StorageContext.from_defaults(vector_store=memory_store)
    index = VectorStoreIndex(NODES, storage_context=context, embed_model=memory_store.embed_model)
    with_kedge = [texts for texts in passes if any("A kedge" in text for text in texts)]
    assert [len(texts) for texts in with_kedge] == [3]
    [first, *_] = index.as_retriever(similarity_top_k=2).retrieve("kedge anchor")
    assert first.node == NODES[0]
    index.delete_ref_doc("ships")
    assert ids(memory_store.get_nodes()) == ["c"]
    index.delete_nodes(["c"])
    assert memory_store.get_nodes() == []


async def test_a_vector_index_works_asynchronously(memory_store: TrivetVectorStore) -> None:
    index = VectorStoreIndex.from_vector_store(memory_store, embed_model=memory_store.embed_model)
    await index.ainsert_nodes(NODES)
    found = await index.as_retriever(similarity_top_k=1).aretrieve("kedge anchor")
    assert [each.node for each in found] == NODES[:1]


def test_a_folder_is_opened_again_and_index_is_shared(tmp_path, tiny_embedder: Embedder) -> None:
    store = TrivetVectorStore(location=tmp_path / "x", embedding=tiny_embedder)
    store.add(NODES)
    second = TrivetVectorStore(index=store.client)
    assert ids(second.get_nodes()) == ids(NODES)
    second.close()  # not its own
    assert store.client.count() == 3
    store.close()
    again = TrivetVectorStore(location=tmp_path / "x")
    assert ids(again.get_nodes()) == ids(NODES)
    again.close()


def test_documents_written_by_the_core_come_back_as_passages(store: TrivetVectorStore) -> None:
    long = "A sentence about the weather. " * 40 + "The kedge lies astern. " * 3
    store.client.add([long], ids=["core"], metadatas=[{"lang": "en"}])
    [found] = store.query(ask("kedge", 1, mode="text_search")).nodes
    assert found.node_id == "core"
    assert found.metadata == {"lang": "en"}
    assert found.text == long[found.start_char_idx : found.end_char_idx]
    assert "kedge" in found.text
    [read] = store.get_nodes(["core"])
    assert read.text == long


def test_the_embedding_may_be_a_dense_one_of_ours(tiny_embedder: Embedder) -> None:
    store = TrivetVectorStore(location=":memory:", embedding=TrivetEmbedding(tiny_embedder))
    store.add(NODES)
    assert store.query(ask("kedge anchor", 1)).ids == ["not a uuid"]
    store.close()
