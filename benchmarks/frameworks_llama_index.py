"""Frameworks: Trivet's LlamaIndex store against LlamaIndex's Qdrant hybrid, in one process."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.constants import DEFAULT_EMBED_BATCH_SIZE
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.trivet import TrivetSparseEmbedding
from llama_index.retrievers.trivet import TrivetRetriever
from llama_index.vector_stores.qdrant import QdrantVectorStore
from llama_index.vector_stores.trivet import TrivetVectorStore
from qdrant_client import QdrantClient, models
from sentence_transformers import SentenceTransformer

import trivet
from benchmarks import beir
from benchmarks.comparison import (
    PASSAGES,
    TURN,
    Comparison,
    Side,
    average_terms,
    compare_batch,
    compare_ingest,
    compare_queries,
    in_turns,
)
from benchmarks.figures import Figure
from benchmarks.intervals import bootstrap, mean
from benchmarks.quality import K
from trivet.embedding.locate import DEFAULT_MODEL, locate

TITLE = "LlamaIndex: Trivet's store against LlamaIndex's Qdrant store, hybrid, all-MiniLM-L6-v2"
METHOD = (
    "As the comparison for LangChain, through `VectorStoreIndex.insert_nodes` and a retriever of "
    "each: theirs in mode `hybrid` with its own fusion. All defaults of both: LlamaIndex hands its "
    "embedding 10 texts at a time. The last line is the same with 256 at a time, which `encode` "
    "sorts by length and cuts into batches of 32: that is for its users to find out."
)
LARGE_BATCH = 256
# Passages that are stored with large batches, after the others.
MORE = 2 * TURN


class Encoded(BaseEmbedding):
    """MiniLM by sentence-transformers, as LlamaIndex's users run it."""

    _model: SentenceTransformer = PrivateAttr()

    def __init__(self, folder: str) -> None:
        super().__init__(embed_batch_size=DEFAULT_EMBED_BATCH_SIZE)
        self._model = SentenceTransformer(folder, device="cpu")

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._model.encode(texts).tolist()
        return vectors

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embeddings([query])[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


class Truncated(Encoded):
    """The same vectors by our embedder, many texts at a time."""

    _embedder: trivet.Embedder = PrivateAttr()

    def __init__(self, embedder: trivet.Embedder) -> None:
        BaseEmbedding.__init__(self, embed_batch_size=2048)
        self._embedder = embedder.only(["dense"])

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        made = self._embedder.embed_documents(texts, truncate=True).dense
        vectors: list[list[float]] = [] if made is None else made.values.tolist()
        return vectors


def main(arguments: Sequence[str] | None = None) -> None:
    Comparison("frameworks_llama_index", TITLE, METHOD, measure_speed, rank).run(arguments)


def measure_speed(collection: beir.Collection, model: trivet.Embedder) -> list[Figure]:
    texts, more = collection.texts[:PASSAGES], collection.texts[PASSAGES : PASSAGES + MORE]
    embedding = Encoded(str(locate(DEFAULT_MODEL).folder))
    theirs = qdrant_index(embedding, texts)
    with tempfile.TemporaryDirectory() as folder:
        store = TrivetVectorStore(
            location=f"{folder}/index", embedding=model, modes=["dense", "sparse"]
        )
        ours = VectorStoreIndex.from_vector_store(store, embed_model=store.embed_model)
        retriever = TrivetRetriever(store, similarity_top_k=K)
        sides = (side(ours, retriever), side(theirs, hybrid(theirs)))
        for each in sides:
            each.ingest(["weights"])
        figures = [
            *compare_ingest(*sides, texts),
            *compare_queries(*sides, list(collection.queries.values())),
            compare_batch(retriever.batch, sides[1].search, texts),
        ]
        embedding.embed_batch_size = LARGE_BATCH
        figures.append(compare_large_batches(*sides, more))
        store.close()
    return figures


def side(index: VectorStoreIndex, retriever: BaseRetriever) -> Side:
    def ingest(texts: list[str]) -> None:
        index.insert_nodes([TextNode(text=text) for text in texts])

    return Side(ingest, retriever.retrieve)


def compare_large_batches(ours: Side, theirs: Side, texts: Sequence[str]) -> Figure:
    """Their ingest when their user has chosen large batches."""
    turns = [list(texts[start : start + TURN]) for start in range(0, len(texts), TURN)]
    ours_s, theirs_s = in_turns(ours.ingest, theirs.ingest, turns)
    return Figure(
        f"ingest against theirs at {LARGE_BATCH} texts a call, times",
        float(theirs_s.sum() / ours_s.sum()),
        None,
        bootstrap(theirs_s / ours_s, mean),
    )


def rank(
    collection: beir.Collection, model: trivet.Embedder
) -> tuple[list[list[str]], list[list[str]]]:
    """What ours and theirs find for each query."""
    queries = list(collection.queries.values())
    nodes = [
        TextNode(text=text, metadata={"id": id}, excluded_embed_metadata_keys=["id"])
        for id, text in zip(collection.ids, collection.texts, strict=True)
    ]
    theirs = qdrant_index(Truncated(model), collection.texts)
    theirs.insert_nodes(nodes)
    retriever = hybrid(theirs)
    their_ids = [_ids(retriever.retrieve(query)) for query in queries]
    with tempfile.TemporaryDirectory() as folder:
        store = TrivetVectorStore(
            location=f"{folder}/index", embedding=model, modes=["dense", "sparse"]
        )
        store.add(nodes)
        found = TrivetRetriever(store, similarity_top_k=K).batch(queries)
        our_ids = [_ids(each) for each in found]
        store.close()
    return our_ids, their_ids


def hybrid(index: VectorStoreIndex) -> BaseRetriever:
    """Their retriever."""
    return index.as_retriever(vector_store_query_mode="hybrid", similarity_top_k=K)


def qdrant_index(embedding: BaseEmbedding, texts: Sequence[str]) -> VectorStoreIndex:
    """Their index, empty, with the BM25 weights that our index comes to for these texts."""
    sparse = TrivetSparseEmbedding(average_tokens=average_terms(texts))

    def documents(batch: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        rows = sparse.get_text_embedding_batch(batch)
        return [list(row) for row in rows], [list(row.values()) for row in rows]

    def queries(batch: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        rows = [sparse.get_query_embedding(text) for text in batch]
        return [list(row) for row in rows], [list(row.values()) for row in rows]

    store = QdrantVectorStore(
        "theirs",
        client=QdrantClient(":memory:"),
        enable_hybrid=True,
        sparse_doc_fn=documents,
        sparse_query_fn=queries,
        sparse_config=models.SparseVectorParams(modifier=models.Modifier.IDF),
    )
    context = StorageContext.from_defaults(vector_store=store)
    return VectorStoreIndex([], storage_context=context, embed_model=embedding)


def _ids(found: Sequence[NodeWithScore]) -> list[str]:
    return [each.node.metadata["id"] for each in found]


if __name__ == "__main__":
    main()
