"""What a hybrid query asks of an index: its own plan, or what is right for scores without a scale."""

from __future__ import annotations

from dataclasses import replace

import pytest
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from llama_index.vector_stores.trivet import TrivetVectorStore
from qdrant_client import QdrantClient, models

import trivet
from trivet import Plan
from trivet.embedding.lexical import Bm25

TEXTS = [
    "A kedge is a light anchor.", "Leeway is sideways drift.", "A sheet is a rope.",
    "The anchor chain is heavy.", "A kedge holds in light winds.",
]  # fmt: skip
ASKED = "light kedge anchor"
BM25 = trivet.Lexical("en")


def ask(**fields: object) -> VectorStoreQuery:
    return VectorStoreQuery(
        query_str=ASKED, similarity_top_k=5, mode=VectorStoreQueryMode.HYBRID, **fields
    )


@pytest.fixture
def adopted(tiny_embedder: trivet.Embedder) -> TrivetVectorStore:
    """A collection of another integration, whose words are weighed by an average of 3, not 4."""
    client = QdrantClient(":memory:")
    dims = tiny_embedder.spaces["dense"].dims
    client.create_collection(
        "notes",
        vectors_config=models.VectorParams(size=dims, distance=models.Distance.COSINE),
        sparse_vectors_config={"langchain-sparse": models.SparseVectorParams()},
    )
    dense = tiny_embedder.embed_documents(TEXTS).dense.values.tolist()
    words = Bm25(3.0, BM25).embed_documents(TEXTS).values
    client.upsert("notes", [
        models.PointStruct(
            id=i, payload={"page_content": text, "metadata": {}},
            vector={"": row, "langchain-sparse": models.SparseVector(
                indices=terms.indices.tolist(), values=terms.values.tolist())},
        )
        for i, (text, row, terms) in enumerate(zip(TEXTS, dense, words, strict=True))
    ])  # fmt: skip
    return TrivetVectorStore(index=trivet.adopt(client, "notes", model=tiny_embedder, lexical=BM25))


def answered(store: TrivetVectorStore, query: VectorStoreQuery) -> dict[str, float]:
    found = store.query(query)
    return dict(zip(found.ids, found.similarities, strict=True))


def searched(store: TrivetVectorStore, **asked: object) -> dict[str, float]:
    return {hit.id: hit.score for hit in store.client.search(ASKED, k=5, **asked)}


def test_words_that_were_weighed_elsewhere_are_fused_by_lists(adopted: TrivetVectorStore) -> None:
    plan = adopted.client.planned(modes=["dense", "sparse"])
    assert plan.fuse == "dbsf"
    assert answered(adopted, ask()) == searched(adopted, plan=plan)
    short = replace(plan, depths={"dense": 100, "sparse": 5})
    assert answered(adopted, ask(sparse_top_k=1)) == searched(adopted, plan=short)


def test_alpha_weighs_their_ranks(adopted: TrivetVectorStore) -> None:
    ranks = Plan(weights={"dense": 0.3, "sparse": 0.7}, fuse="rrf")
    assert answered(adopted, ask(alpha=0.3)) == searched(adopted, plan=ranks)


def test_an_index_of_our_own_keeps_its_formula(memory_store: TrivetVectorStore) -> None:
    memory_store.client.add(TEXTS, ids=[str(i) for i in range(5)])
    assert answered(memory_store, ask()) == searched(memory_store, plan="hybrid2")
    weighed = Plan(weights={"dense": 0.3, "sparse": 0.7})
    assert answered(memory_store, ask(alpha=0.3)) == searched(memory_store, plan=weighed)
