"""Frameworks: Trivet's LangChain store against langchain-qdrant's hybrid search, in one process."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_qdrant import QdrantVectorStore, RetrievalMode
from langchain_trivet import TrivetEmbeddings, TrivetSparseEmbeddings, TrivetVectorStore
from numpy.typing import NDArray
from qdrant_client import models
from sentence_transformers import SentenceTransformer

import trivet
from benchmarks import beir, results
from benchmarks.embedding_speed import one_torch_thread
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, mean, median
from benchmarks.quality import K, judge
from trivet.embedding.lexical import Bm25
from trivet.embedding.locate import DEFAULT_MODEL, locate

TITLE = "LangChain: Trivet's store against langchain-qdrant's, hybrid, all-MiniLM-L6-v2"
METHOD = (
    "Title and text of a document as one text; all defaults of both, but ours in a folder with "
    "Qdrant Edge, and theirs in qdrant-client's memory with the weights of our BM25, its average "
    "length that of the collection. Speed: the first 5,000 documents of NPL, theirs embedded by "
    "sentence-transformers' `encode`; the stores take turns by 500 documents, and query by query. "
    "CPU seconds of the process, one thread for torch. A batch: 500 queries, the first words of "
    "documents, against their loop over the same. Ranking: theirs with our dense vectors, cut at "
    "256 tokens as `encode` does. Intervals: bootstrap over turns or queries, paired."
)
SPEED_COLLECTION = "npl"
PASSAGES = 5_000
TURN = 500
BATCH = 500
QUERY_WORDS = 12
RANKED = ("cranfield", "cacm", "npl", "medquad-dev")


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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frameworks", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=("speed", *RANKED))
    chosen = parser.parse_args(arguments).parts or ("speed", *RANKED)
    embedder = trivet.Embedder.load(DEFAULT_MODEL)
    for part in chosen:
        with one_torch_thread():
            collection = beir.load(SPEED_COLLECTION if part == "speed" else part)
            measured = measure_speed if part == "speed" else measure_ranking
            figures = measured(collection, embedder)
        results.report("frameworks", TITLE, METHOD, figures)


def measure_speed(collection: beir.Collection, embedder: trivet.Embedder) -> list[Figure]:
    texts = collection.texts[:PASSAGES]
    theirs = langchain_qdrant(Encoded(str(locate(DEFAULT_MODEL).folder)), texts)
    with tempfile.TemporaryDirectory() as folder:
        ours = TrivetVectorStore(
            location=f"{folder}/index", embedding=TrivetEmbeddings(model=embedder)
        )
        figures = [
            *compare_ingest(ours, theirs, texts),
            *compare_queries(ours, theirs, list(collection.queries.values())),
            compare_batch(ours, theirs, texts),
        ]
        ours.close()
    return figures


def compare_ingest(
    ours: TrivetVectorStore, theirs: QdrantVectorStore, texts: list[str]
) -> list[Figure]:
    # Both load their weights before the clock starts.
    ours.similarity_search("weights")
    theirs.similarity_search("weights")
    turns = [texts[start : start + TURN] for start in range(0, len(texts), TURN)]
    ours_s, theirs_s = in_turns(ours.add_texts, theirs.add_texts, turns)
    print(f"ingested: {ours_s.sum():.0f} s and {theirs_s.sum():.0f} s of CPU", flush=True)
    return [
        Figure(
            "ingest of 5,000 passages against theirs, times",
            float(theirs_s.sum() / ours_s.sum()),
            Bar(low=1.5),
            bootstrap(theirs_s / ours_s, mean),
        ),
        Figure("passages stored a CPU second, ours", len(texts) / float(ours_s.sum()), digits=1),
        Figure(
            "passages stored a CPU second, theirs", len(texts) / float(theirs_s.sum()), digits=1
        ),
    ]


def compare_queries(
    ours: TrivetVectorStore, theirs: QdrantVectorStore, queries: list[str]
) -> list[Figure]:
    def search(store: VectorStore) -> Callable[[str], object]:
        return lambda query: store.similarity_search(query, k=K)

    ours_s, theirs_s = in_turns(search(ours), search(theirs), queries)
    return [
        Figure(
            "hybrid query, p50 of ours over p50 of theirs",
            float(np.median(ours_s) / np.median(theirs_s)),
            Bar(high=1.0),
        ),
        Figure("hybrid query, p50 CPU ms, ours", 1e3 * float(np.median(ours_s)),
               None, bootstrap(1e3 * ours_s, median)),
        Figure("hybrid query, p50 CPU ms, theirs", 1e3 * float(np.median(theirs_s)),
               None, bootstrap(1e3 * theirs_s, median)),
    ]  # fmt: skip


def compare_batch(ours: TrivetVectorStore, theirs: QdrantVectorStore, texts: list[str]) -> Figure:
    queries = [" ".join(text.split()[:QUERY_WORDS]) for text in texts[:BATCH]]
    retriever = ours.as_retriever(search_kwargs={"k": K})
    batch_s = cpu_s(lambda: retriever.batch(queries))
    loop_s = cpu_s(lambda: [theirs.similarity_search(query, k=K) for query in queries])
    print(f"{BATCH} queries: {batch_s:.1f} s and {loop_s:.1f} s of CPU", flush=True)
    return Figure("500 queries as a batch against their loop, times", loop_s / batch_s, Bar(low=4))


def measure_ranking(collection: beir.Collection, embedder: trivet.Embedder) -> list[Figure]:
    """nDCG@10 of both on one collection."""
    queries = list(collection.queries.values())
    theirs = langchain_qdrant(Truncated(embedder), collection.texts)
    theirs.add_texts(collection.texts, _ids(collection), batch_size=1_000)
    their_scores = judge(collection, [_found(theirs, query) for query in queries])
    with tempfile.TemporaryDirectory() as folder:
        ours = TrivetVectorStore(
            location=f"{folder}/index", embedding=TrivetEmbeddings(model=embedder)
        )
        ours.add_texts(collection.texts, _ids(collection), ids=collection.ids)
        found = ours.search_many(queries, K)
        our_scores = judge(collection, [_named(documents) for documents in found])
        ours.close()
    gain = our_scores - their_scores
    name = collection.name
    return [
        Figure(f"{name}: nDCG@10, ours", float(our_scores.mean()),
               None, bootstrap(our_scores, mean), digits=4),
        Figure(f"{name}: nDCG@10, theirs", float(their_scores.mean()),
               None, bootstrap(their_scores, mean), digits=4),
        Figure(f"{name}: gain", float(gain.mean()), Bar(low=0.0), bootstrap(gain, mean), digits=4),
    ]  # fmt: skip


def langchain_qdrant(embedding: Embeddings, texts: Sequence[str]) -> QdrantVectorStore:
    """Their store, empty, with the BM25 weights that our index comes to for these texts."""
    terms = Bm25(1.0).count_terms(texts)
    return QdrantVectorStore.construct_instance(
        embedding=embedding,
        sparse_embedding=TrivetSparseEmbeddings(average_terms=sum(terms) / len(terms)),
        retrieval_mode=RetrievalMode.HYBRID,
        client_options={"location": ":memory:"},
        collection_name="theirs",
        sparse_vector_params={"modifier": models.Modifier.IDF},
    )


def in_turns(
    first: Callable[[str], object], second: Callable[[str], object], arguments: Sequence[object]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """CPU seconds of both for each argument; the first place changes hands every turn."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn, argument in enumerate(arguments):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            call = (first, second)[which]
            seconds[which].append(cpu_s(lambda call=call, argument=argument: call(argument)))
    return np.array(seconds[0]), np.array(seconds[1])


def cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _ids(collection: beir.Collection) -> list[dict[str, str]]:
    return [{"id": id} for id in collection.ids]


def _found(store: QdrantVectorStore, query: str) -> list[str]:
    return _named(store.similarity_search(query, k=K))


def _named(documents: Sequence[Document]) -> list[str]:
    return [document.metadata["id"] for document in documents]


if __name__ == "__main__":
    main()
