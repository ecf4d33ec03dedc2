"""Frameworks: Trivet's LangChain store against langchain-qdrant's hybrid search, in one process."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_qdrant import QdrantVectorStore, RetrievalMode
from langchain_trivet import TrivetEmbeddings, TrivetSparseEmbeddings, TrivetVectorStore
from qdrant_client import models
from sentence_transformers import SentenceTransformer

import trivet
from benchmarks import beir
from benchmarks.comparison import (
    PASSAGES,
    Comparison,
    Side,
    average_terms,
    compare_batch,
    compare_ingest,
    compare_queries,
)
from benchmarks.figures import Figure
from benchmarks.quality import K
from trivet.embedding.locate import DEFAULT_MODEL, locate

TITLE = "LangChain: Trivet's store against langchain-qdrant's, hybrid, all-MiniLM-L6-v2"
METHOD = (
    "Title and text of a document as one text; all defaults of both, but ours with two legs, as "
    "theirs, in a folder with Qdrant Edge, and theirs in qdrant-client's memory with the weights "
    "of our BM25, its average length that of the collection. Speed: the first 5,000 documents of "
    "NPL, theirs embedded by sentence-transformers' `encode`; the stores take turns by 500 "
    "documents, and query by query. CPU seconds of the process, one thread for torch. A batch: "
    "500 queries, the first words of documents, against their loop over the same. Ranking: theirs "
    "with our dense vectors, cut at 256 tokens as `encode` does. Intervals: bootstrap over turns "
    "or queries, paired."
)


class Encoded(Embeddings):
    """MiniLM by sentence-transformers, as LangChain's users run it."""

    def __init__(self, folder: str) -> None:
        self._model = SentenceTransformer(folder, device="cpu")

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._model.encode(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class Truncated(TrivetEmbeddings):
    """The same vectors, many texts at a time."""

    def __init__(self, model: trivet.Embedder) -> None:
        super().__init__(model=model, truncate=True)


def main(arguments: Sequence[str] | None = None) -> None:
    Comparison("frameworks", TITLE, METHOD, measure_speed, rank).run(arguments)


def measure_speed(collection: beir.Collection, model: trivet.Embedder) -> list[Figure]:
    texts = collection.texts[:PASSAGES]
    theirs = langchain_qdrant(Encoded(str(locate(DEFAULT_MODEL).folder)), texts)
    with tempfile.TemporaryDirectory() as folder:
        ours = TrivetVectorStore(
            location=f"{folder}/index",
            embedding=TrivetEmbeddings(model=model),
            modes=["dense", "sparse"],
        )
        sides = (side(ours), side(theirs))
        for each in sides:
            each.search("weights")
        figures = [
            *compare_ingest(*sides, texts),
            *compare_queries(*sides, list(collection.queries.values())),
            compare_batch(ours.as_retriever(search_kwargs={"k": K}).batch, sides[1].search, texts),
        ]
        ours.close()
    return figures


def side(store: VectorStore) -> Side:
    return Side(store.add_texts, lambda query: store.similarity_search(query, k=K))


def rank(
    collection: beir.Collection, model: trivet.Embedder
) -> tuple[list[list[str]], list[list[str]]]:
    """What ours and theirs find for each query."""
    queries = list(collection.queries.values())
    metadatas = [{"id": id} for id in collection.ids]
    theirs = langchain_qdrant(Truncated(model), collection.texts)
    theirs.add_texts(collection.texts, metadatas, batch_size=1_000)
    their_ids = [_ids(theirs.similarity_search(query, k=K)) for query in queries]
    with tempfile.TemporaryDirectory() as folder:
        ours = TrivetVectorStore(
            location=f"{folder}/index",
            embedding=TrivetEmbeddings(model=model),
            modes=["dense", "sparse"],
        )
        ours.add_texts(collection.texts, metadatas, ids=collection.ids)
        our_ids = [_ids(documents) for documents in ours.search_many(queries, K)]
        ours.close()
    return our_ids, their_ids


def langchain_qdrant(embedding: Embeddings, texts: Sequence[str]) -> QdrantVectorStore:
    """Their store, empty, with the BM25 weights that our index comes to for these texts."""
    return QdrantVectorStore.construct_instance(
        embedding=embedding,
        sparse_embedding=TrivetSparseEmbeddings(average_terms=average_terms(texts)),
        retrieval_mode=RetrievalMode.HYBRID,
        client_options={"location": ":memory:"},
        collection_name="theirs",
        sparse_vector_params={"modifier": models.Modifier.IDF},
    )


def _ids(documents: Sequence[Document]) -> list[str]:
    return [document.metadata["id"] for document in documents]


if __name__ == "__main__":
    main()
