"""The embedder under LangChain's own interfaces: reranker, dense and sparse embeddings."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_qdrant import QdrantVectorStore, RetrievalMode
from langchain_trivet import SparseVector, TrivetEmbeddings, TrivetReranker, TrivetSparseEmbeddings

import trivet
from trivet.embedding.lexical import Bm25
from trivet.errors import InvalidInputError, MissingHeadError


def test_the_reranker_puts_documents_in_the_order_of_their_scores(
    tiny_model: Path, tiny_embedder: trivet.Embedder, texts: dict[str, str]
) -> None:
    embedder = trivet.Embedder.load(tiny_model, modes=["multi"])
    documents = [Document(id=id, page_content=text, metadata={}) for id, text in texts.items()]
    before = copy.deepcopy(documents)
    reranker = TrivetReranker(model=embedder, top_n=3, score_key="relevance_score")
    found = reranker.compress_documents(documents, "light anchor")
    assert documents == before
    scores = trivet.Reranker(embedder).score("light anchor", list(texts.values()))
    order = sorted(zip(scores, texts, strict=True), reverse=True)[:3]
    assert [(d.metadata["relevance_score"], d.id) for d in found] == order
    plain = TrivetReranker(model=str(tiny_model), top_n=1).compress_documents(documents, "anchor")
    assert plain[0].metadata == {}
    plain[0].metadata["changed"] = True
    assert documents == before
    assert reranker.compress_documents([], "anchor") == []
    with pytest.raises(MissingHeadError):
        TrivetReranker(model=tiny_embedder.only(["dense"])).compress_documents(documents, "a")


async def test_the_reranker_works_in_event_loops(tiny_model: Path, texts: dict[str, str]) -> None:
    reranker = TrivetReranker(model=trivet.Embedder.load(tiny_model, modes=["multi"]), top_n=2)
    documents = [Document(page_content=text) for text in texts.values()]
    assert await reranker.acompress_documents(documents, "anchor") == reranker.compress_documents(
        documents, "anchor"
    )


def test_embeddings_are_the_embedders_dense_leg(
    tiny_embedder: trivet.Embedder, texts: dict[str, str]
) -> None:
    embeddings = TrivetEmbeddings(model=tiny_embedder)
    passages = list(texts.values())
    documents = tiny_embedder.embed_documents(passages).dense.values
    queries = tiny_embedder.embed_queries(passages).dense.values
    np.testing.assert_allclose(embeddings.embed_documents(passages), documents, atol=1e-6)
    np.testing.assert_allclose(embeddings.embed_queries(passages), queries, atol=1e-6)
    assert embeddings.embed_documents([]) == embeddings.embed_queries([]) == []
    with pytest.raises(InvalidInputError):
        embeddings.embed_documents(["a", ""])


def test_sparse_embeddings_have_langchain_qdrants_interface(
    tiny_embedder: trivet.Embedder, texts: dict[str, str]
) -> None:
    sparse = TrivetSparseEmbeddings()
    passages = list(texts.values())
    bm25 = Bm25(256.0).embed_documents(passages)
    assert sparse.embed_documents(passages) == [
        SparseVector(indices=v.indices.tolist(), values=v.values.tolist()) for v in bm25.values
    ]
    store = QdrantVectorStore.from_texts(
        passages, sparse_embedding=sparse, retrieval_mode=RetrievalMode.SPARSE, location=":memory:"
    )
    assert [d.page_content for d in store.similarity_search("drift", k=1)] == [texts["leeway"]]
    store.client.close()
    with pytest.raises(MissingHeadError):
        TrivetSparseEmbeddings(model=tiny_embedder)
