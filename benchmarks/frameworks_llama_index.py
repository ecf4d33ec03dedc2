"""Frameworks: Trivet's LlamaIndex store against LlamaIndex's Qdrant hybrid, in one process."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence

import numpy as np
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.trivet import TrivetSparseEmbedding
from llama_index.retrievers.trivet import TrivetRetriever
from llama_index.vector_stores.qdrant import QdrantVectorStore
from llama_index.vector_stores.trivet import TrivetVectorStore
from qdrant_client import QdrantClient, models
from sentence_transformers import SentenceTransformer

import trivet
from benchmarks import beir, results
from benchmarks.embedding_speed import one_torch_thread
from benchmarks.figures import Bar, Figure
from benchmarks.frameworks import (
    BATCH,
    PASSAGES,
    QUERY_WORDS,
    RANKED,
    SPEED_COLLECTION,
    TURN,
    cpu_s,
    in_turns,
)
from benchmarks.intervals import bootstrap, mean, median
from benchmarks.quality import K, judge
from trivet.embedding.lexical import Bm25
from trivet.embedding.locate import DEFAULT_MODEL, locate

TITLE = "LlamaIndex: Trivet's store against LlamaIndex's Qdrant store, hybrid, all-MiniLM-L6-v2"
METHOD = (
    "As the comparison for LangChain, through `VectorStoreIndex.insert_nodes` and a retriever of "
    "each: theirs in mode `hybrid` with its own fusion, 256 texts for each call of "
    "sentence-transformers' `encode` (LlamaIndex's default is 10, which is slower)."
)


class Encoded(BaseEmbedding):
    """MiniLM by sentence-transformers, as LlamaIndex's users run it."""

    _model: SentenceTransformer = PrivateAttr()

    def __init__(self, folder: str) -> None:
        super().__init__(embed_batch_size=256)
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
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.frameworks_llama_index", description=__doc__
    )
    parser.add_argument("--parts", nargs="+", choices=("speed", *RANKED))
    chosen = parser.parse_args(arguments).parts or ("speed", *RANKED)
    embedder = trivet.Embedder.load(DEFAULT_MODEL)
    for part in chosen:
        with one_torch_thread():
            collection = beir.load(SPEED_COLLECTION if part == "speed" else part)
            measured = measure_speed if part == "speed" else measure_ranking
            figures = measured(collection, embedder)
        results.report("frameworks_llama_index", TITLE, METHOD, figures)


def measure_speed(collection: beir.Collection, embedder: trivet.Embedder) -> list[Figure]:
    texts = collection.texts[:PASSAGES]
    theirs = qdrant_index(Encoded(str(locate(DEFAULT_MODEL).folder)), texts)
    their_retriever = theirs.as_retriever(vector_store_query_mode="hybrid", similarity_top_k=K)
    with tempfile.TemporaryDirectory() as folder:
        store = TrivetVectorStore(location=f"{folder}/index", embedding=embedder)
        ours = VectorStoreIndex.from_vector_store(store, embed_model=store.embed_model)
        retriever = TrivetRetriever(store, similarity_top_k=K)
        warm = [TextNode(text="weights")]
        ours.insert_nodes(warm)
        theirs.insert_nodes(warm)
        turns = [
            [TextNode(text=text) for text in texts[at : at + TURN]]
            for at in range(0, len(texts), TURN)
        ]
        ours_s, theirs_s = in_turns(ours.insert_nodes, theirs.insert_nodes, turns)
        print(f"ingested: {ours_s.sum():.0f} s and {theirs_s.sum():.0f} s of CPU", flush=True)
        queries = list(collection.queries.values())
        our_q, their_q = in_turns(retriever.retrieve, their_retriever.retrieve, queries)
        many = [" ".join(text.split()[:QUERY_WORDS]) for text in texts[:BATCH]]
        batch_s = cpu_s(lambda: retriever.batch(many))
        loop_s = cpu_s(lambda: [their_retriever.retrieve(query) for query in many])
        store.close()
    return [
        Figure("ingest of 5,000 passages against theirs, times",
               float(theirs_s.sum() / ours_s.sum()), Bar(low=1.5),
               bootstrap(theirs_s / ours_s, mean)),
        Figure("passages stored a CPU second, ours", len(texts) / float(ours_s.sum()), digits=1),
        Figure("passages stored a CPU second, theirs", len(texts) / float(theirs_s.sum()),
               digits=1),
        Figure("hybrid query, p50 of ours over p50 of theirs",
               float(np.median(our_q) / np.median(their_q)), Bar(high=1.0)),
        Figure("hybrid query, p50 CPU ms, ours", 1e3 * float(np.median(our_q)),
               None, bootstrap(1e3 * our_q, median)),
        Figure("hybrid query, p50 CPU ms, theirs", 1e3 * float(np.median(their_q)),
               None, bootstrap(1e3 * their_q, median)),
        Figure("500 queries as a batch against their loop, times", loop_s / batch_s, Bar(low=4)),
    ]  # fmt: skip


def measure_ranking(collection: beir.Collection, embedder: trivet.Embedder) -> list[Figure]:
    """nDCG@10 of both on one collection."""
    queries = list(collection.queries.values())
    nodes = [
        TextNode(text=text, metadata={"id": id}, excluded_embed_metadata_keys=["id"])
        for id, text in zip(collection.ids, collection.texts, strict=True)
    ]
    theirs = qdrant_index(Truncated(embedder), collection.texts)
    theirs.insert_nodes(nodes)
    retriever = theirs.as_retriever(vector_store_query_mode="hybrid", similarity_top_k=K)
    their_scores = judge(collection, [_ids(retriever.retrieve(query)) for query in queries])
    with tempfile.TemporaryDirectory() as folder:
        store = TrivetVectorStore(location=f"{folder}/index", embedding=embedder)
        store.add(nodes)
        found = TrivetRetriever(store, similarity_top_k=K).batch(queries)
        our_scores = judge(collection, [_ids(each) for each in found])
        store.close()
    gain = our_scores - their_scores
    name = collection.name
    return [
        Figure(f"{name}: nDCG@10, ours", float(our_scores.mean()),
               None, bootstrap(our_scores, mean), digits=4),
        Figure(f"{name}: nDCG@10, theirs", float(their_scores.mean()),
               None, bootstrap(their_scores, mean), digits=4),
        Figure(f"{name}: gain", float(gain.mean()), Bar(low=0.0), bootstrap(gain, mean), digits=4),
    ]  # fmt: skip


def qdrant_index(embedding: BaseEmbedding, texts: Sequence[str]) -> VectorStoreIndex:
    """Their index, empty, with the BM25 weights that our index comes to for these texts."""
    terms = Bm25(1.0).count_terms(texts)
    sparse = TrivetSparseEmbedding(average_tokens=sum(terms) / len(terms))

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
