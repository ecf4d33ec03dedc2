"""Collections as langchain-qdrant and LlamaIndex's Qdrant store make them, of the same notes."""

from __future__ import annotations

from qdrant_client import QdrantClient, models

import trivet

KINDS = ["kedge", "bower", "grapnel", "mushroom", "plough"]
TEXTS = [
    f"Note {i}: a {KINDS[i % 5]} holds in {'mud' if i % 3 else 'sand'} at {i} fathoms."
    for i in range(40)
]
QUERIES = ["kedge in mud", "what holds in sand", "a plough at 19 fathoms", "mushroom"]
BM25 = trivet.Lexical("en")


class LangChainEmbeddings:
    """The tiny model as LangChain's embeddings."""

    def __init__(self, embedder: trivet.Embedder) -> None:
        self._embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._embedder.embed_documents(texts).dense.values.tolist()

    def embed_query(self, text: str) -> list[float]:
        return self._embedder.embed_queries([text]).dense.values[0].tolist()


def bm25_rows(texts: list[str], *, queries: bool = False) -> list[tuple[list[int], list[float]]]:
    from trivet.embedding.lexical import Bm25

    bm25 = Bm25(256.0, BM25)
    rows = bm25.embed_queries(texts) if queries else bm25.embed_documents(texts)
    return [(v.indices.tolist(), v.values.tolist()) for v in rows.values]


def lang_chain_store(client: QdrantClient, embedder: trivet.Embedder, mode: str, vector: str = ""):
    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import QdrantVectorStore, RetrievalMode, SparseEmbeddings, SparseVector

    class Dense(LangChainEmbeddings, Embeddings):
        pass

    class Sparse(SparseEmbeddings):
        def embed_documents(self, texts):
            return [SparseVector(indices=i, values=v) for i, v in bm25_rows(texts)]

        def embed_query(self, text):
            [(indices, values)] = bm25_rows([text], queries=True)
            return SparseVector(indices=indices, values=values)

    sparse = {"langchain-sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)}
    dims = embedder.spaces["dense"].dims
    params = models.VectorParams(size=dims, distance=models.Distance.COSINE)
    client.create_collection(
        "notes",
        vectors_config={vector: params} if vector else params,
        sparse_vectors_config=None if mode == "dense" else sparse,
    )
    store = QdrantVectorStore(
        client=client,
        collection_name="notes",
        embedding=Dense(embedder),
        sparse_embedding=None if mode == "dense" else Sparse(),
        retrieval_mode=RetrievalMode(mode),
        vector_name=vector,
    )
    store.add_texts(TEXTS, [{"n": i, "kind": KINDS[i % 5]} for i in range(len(TEXTS))])
    return store


def llama_index_store(client: QdrantClient, embedder: trivet.Embedder, *, hybrid: bool):
    from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
    from llama_index.vector_stores.qdrant import QdrantVectorStore

    def rows(texts, queries=False):
        found = bm25_rows(texts, queries=queries)
        return [i for i, _ in found], [v for _, v in found]

    store = QdrantVectorStore(
        "notes",
        client=client,
        enable_hybrid=hybrid,
        sparse_doc_fn=rows if hybrid else None,
        sparse_query_fn=(lambda texts: rows(texts, queries=True)) if hybrid else None,
    )
    vectors = embedder.embed_documents(TEXTS).dense.values.tolist()
    nodes = [
        TextNode(
            text=text,
            metadata={"n": i, "kind": KINDS[i % 5]},
            excluded_embed_metadata_keys=["n", "kind"],
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"book {i % 4}")},
            embedding=vector,
        )
        for i, (text, vector) in enumerate(zip(TEXTS, vectors, strict=True))
    ]
    store.add(nodes)
    return store, nodes


def store_of(maker: str, client: QdrantClient, embedder: trivet.Embedder) -> None:
    """A dense collection, by one of the two."""
    if maker == "langchain":
        lang_chain_store(client, embedder, "dense")
    else:
        llama_index_store(client, embedder, hybrid=False)
