"""One index through LangChain, LlamaIndex and the core: each reads what the others wrote."""

from __future__ import annotations

import pytest
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.vector_stores.trivet import TrivetVectorStore

import trivet

langchain_trivet = pytest.importorskip("langchain_trivet")
lc_documents = pytest.importorskip("langchain_core.documents")

METADATA = {"page": 3, "share": 0.1 + 0.2, "tags": ["a", "b"], "deep": {"x": None}}


@pytest.fixture
def through_langchain(store: TrivetVectorStore):
    return langchain_trivet.TrivetVectorStore(index=store.client)


def asked(store: TrivetVectorStore, text: str, **more):
    return store.query(VectorStoreQuery(query_str=text, similarity_top_k=1, **more)).nodes


def test_what_langchain_wrote_is_read_by_llama_index_and_the_core(store, through_langchain) -> None:
    document = lc_documents.Document(
        id="not a uuid", page_content="A kedge is a light anchor.", metadata=dict(METADATA, share=2)
    )
    through_langchain.add_documents([document])
    [node] = asked(store, "kedge anchor")
    assert (node.node_id, node.text, node.metadata) == (
        document.id,
        document.page_content,
        document.metadata,
    )
    assert store.get_nodes(["not a uuid"])[0].text == document.page_content
    page = MetadataFilters(filters=[MetadataFilter(key="page", value=3)])
    assert [n.node_id for n in store.get_nodes(filters=page)] == ["not a uuid"]
    [stored] = store.client.get(["not a uuid"])
    assert (stored.text, stored.metadata) == (document.page_content, document.metadata)
    store.delete("not a uuid")
    assert through_langchain.get_by_ids(["not a uuid"]) == []


def test_what_llama_index_wrote_is_read_by_langchain_and_the_core(store, through_langchain) -> None:
    node = TextNode(
        id_="n/1",
        text="Leeway is sideways drift.",
        metadata=dict(METADATA, share=2),
        excluded_embed_metadata_keys=list(METADATA),
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="book")},
    )
    store.add([node])
    [found] = through_langchain.similarity_search("sideways drift", k=1)
    [got] = through_langchain.get_by_ids(["n/1"])
    for document in (found, got):
        assert (document.id, document.page_content) == ("n/1", node.text)
        assert {k: v for k, v in document.metadata.items() if k != "_llama_index"} == node.metadata
    [hit] = store.client.search("drift", k=1, filter={"page": 3})
    assert (hit.id, hit.text) == ("n/1", node.text)
    # Written back by LangChain, it is still the node that it was, with its new text.
    changed = lc_documents.Document(id="n/1", page_content="New text.", metadata=found.metadata)
    through_langchain.add_documents([changed])
    [read] = store.get_nodes(["n/1"])
    assert (read.text, read.ref_doc_id, read.metadata) == ("New text.", "book", node.metadata)


def test_what_the_core_wrote_is_read_by_both(store, through_langchain) -> None:
    store.client.add(["A sheet is a rope."], ids=["c"], metadatas=[{"page": 1}])
    assert [n.text for n in asked(store, "rope")] == ["A sheet is a rope."]
    assert through_langchain.similarity_search("rope", k=1)[0].page_content == "A sheet is a rope."


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")
def test_an_adopted_collection_of_llama_index_gives_its_nodes_back(tiny_embedder) -> None:
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    theirs = QdrantVectorStore("theirs", client=client)
    texts = ["A kedge is a light anchor.", "Leeway is sideways drift.", "A sheet is a rope."]
    vectors = tiny_embedder.embed_documents(texts).dense.values.tolist()
    nodes = [
        TextNode(
            text=text,
            metadata={"n": i},
            excluded_embed_metadata_keys=["n"],
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"book {i % 2}")},
            embedding=vector,
        )
        for i, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]
    theirs.add(nodes)
    ours = TrivetVectorStore(index=trivet.adopt(client, "theirs", model=tiny_embedder))
    vector = tiny_embedder.embed_queries(["kedge"]).dense.values[0].tolist()
    expected = theirs.query(VectorStoreQuery(vector, similarity_top_k=3))
    found = ours.query(VectorStoreQuery(query_str="kedge", similarity_top_k=3))
    assert found.ids == expected.ids
    by_id = {node.node_id: node for node in nodes}
    for node in found.nodes:
        original = by_id[node.node_id]
        assert (node.text, node.metadata) == (original.text, original.metadata)
        assert node.relationships == original.relationships
    first = MetadataFilters(filters=[MetadataFilter(key="n", value=1)])
    assert [n.text for n in ours.get_nodes(filters=first)] == [texts[1]]
    some = VectorStoreQuery(query_str="x", similarity_top_k=3, node_ids=[nodes[2].node_id])
    assert ours.query(some).ids == [nodes[2].node_id]
    of_book = ours.query(VectorStoreQuery(query_str="x", similarity_top_k=3, doc_ids=["book 1"]))
    assert of_book.ids == [nodes[1].node_id]
    client.close()
