"""Filtered search against brute force: the right documents, and none that the filter excludes."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import trivet
from benchmarks import beir
from benchmarks.figures import Bar, Figure
from trivet.index.lexicon import bm25_for
from trivet.types import Document

K = 10
RECALL = Bar(low=0.98)
NONE = Bar(high=0)
# Scores this near are equal: an engine sums in another order.
TIE = 1e-5


@dataclass(frozen=True)
class Asked:
    """A query, the filter as a caller writes it, and what the filter means."""

    text: str
    filter: Mapping[str, Any]
    allows: Callable[[Mapping[str, Any]], bool]


def movies() -> tuple[list[Document], list[Asked]]:
    """Every query with its own range of years and genre."""
    asked = []
    for row in _rows("movies", "queries.jsonl"):
        low, high, genre = (row["filter"][key] for key in ("year_from", "year_to", "genre"))
        asked.append(
            Asked(
                row["text"],
                {"year": {"gte": low, "lte": high}, "genres": genre},
                lambda has, low=low, high=high, genre=genre: (
                    low <= has["year"] <= high and genre in has["genres"]
                ),
            )
        )
    return _documents("movies"), asked


def cacm() -> tuple[list[Document], list[Asked]]:
    """Every query twice: with a range of years, and with one of the most frequent authors."""
    documents = _documents("cacm")
    names = [name for document in documents for name in document.metadata["authors"]]
    authors = sorted(set(names), key=lambda name: (-names.count(name), name))[:20]
    asked = []
    for i, row in enumerate(_rows("cacm", "queries.jsonl")):
        low, author = 1958 + i % 18, authors[i % len(authors)]
        asked += [
            Asked(
                row["text"],
                {"year": {"gte": low, "lte": low + 3}},
                lambda has, low=low: low <= has["year"] <= low + 3,
            ),
            Asked(
                row["text"],
                {"authors": author},
                lambda has, author=author: author in has["authors"],
            ),
        ]
    return documents, asked


INDEXES = {
    "movies": {"year": "integer", "genres": "keyword"},
    "cacm": {"year": "integer", "authors": "keyword"},
}
COLLECTIONS = {"movies": movies, "cacm": cacm}


def measure(name: str, embedder: trivet.Embedder) -> list[Figure]:
    """Recall@10 of each leg and of both, by scan and by graph, without and with payload indexes."""
    documents, asked = COLLECTIONS[name]()
    queries = [one.text for one in asked]
    dense = embedder.embed_documents(
        [f"{d.title} {d.text}".strip() for d in documents], truncate=True
    )
    figures = []
    for indexes in (None, INDEXES[name]):
        with (
            tempfile.TemporaryDirectory() as folder,
            trivet.open(
                f"{folder}/index", model=embedder, modes=["dense", "sparse"], indexes=indexes
            ) as index,
        ):
            index.upsert(documents, representations=dense, on_error="raise")
            truth = _Truth(index, documents, asked, dense, embedder.embed_queries(queries))
            kind = "no payload index" if indexes is None else "payload indexes"
            for way in ("scan", "graph"):
                if way == "graph":
                    index.optimize(force=True)
                figures += truth.judged(f"{name}, {kind}, by {way}")
    return figures


class _Truth:
    """What brute force over every document says."""

    def __init__(
        self,
        index: trivet.Index,
        documents: Sequence[Document],
        asked: Sequence[Asked],
        stored: trivet.Representations,
        queries: trivet.Representations,
    ) -> None:
        self._index, self._asked = index, asked
        self._ids = [document.id or "" for document in documents]
        self._metadata = {document.id or "": document.metadata for document in documents}
        allowed = np.array([[one.allows(d.metadata) for d in documents] for one in asked])
        assert stored.dense is not None
        assert queries.dense is not None
        cosines = queries.dense.values @ stored.dense.values.T
        words = _bm25_scores(index, documents, [one.text for one in asked])
        # The preset "hybrid2", written out.
        hybrid = 0.59 * np.maximum(cosines, 0.35) + 0.01 * cosines + 0.4 * words / (words + 10)
        self._scores = {
            "dense": np.where(allowed, cosines, -np.inf),
            "sparse": np.where(allowed & (words > 0), words, -np.inf),
            "hybrid": np.where(allowed, hybrid, -np.inf),
        }

    def judged(self, what: str) -> list[Figure]:
        """Recall of each leg and of both, and how many hits the filters exclude."""
        figures, excluded = [], 0
        for leg, scores in self._scores.items():
            modes = None if leg == "hybrid" else [leg]
            recalls = []
            for row, asked in zip(scores, self._asked, strict=True):
                hits = self._index.search(asked.text, k=K, filter=asked.filter, modes=modes)
                excluded += sum(not asked.allows(self._metadata[hit.id]) for hit in hits)
                recalls += self._recall(row, {hit.id for hit in hits})
            measured = float(np.mean(recalls))
            figures.append(Figure(f"{what}: recall@10, {leg}", measured, RECALL, digits=4))
        figures.append(Figure(f"{what}: hits that a filter excludes", excluded, NONE, digits=0))
        return figures

    def _recall(self, scores: NDArray[np.float64], found: set[str]) -> list[float]:
        """Share of the ten best that were found; a tie with the tenth is as good as it."""
        order = np.argsort(-scores, kind="stable")[:K]
        wanted = int(np.isfinite(scores[order]).sum())
        if not wanted:
            return []
        good = np.flatnonzero(scores >= scores[order[wanted - 1]] - TIE)
        return [min(1.0, len({self._ids[i] for i in good} & found) / wanted)]


def _bm25_scores(
    index: trivet.Index, documents: Sequence[Document], queries: Sequence[str]
) -> NDArray[np.float64]:
    """(q, n): BM25 with Qdrant's inverse document frequency, summed term by term."""
    state = index._store.manifest.lexical
    assert state is not None
    bm25 = bm25_for(state)
    stored = bm25.embed_documents([bm25.render(d.title, d.text) for d in documents])
    postings: dict[int, list[tuple[int, float]]] = {}
    for n, vector in enumerate(stored.values):
        for term, weight in zip(vector.indices.tolist(), vector.values.tolist(), strict=True):
            postings.setdefault(term, []).append((n, weight))
    scores = np.zeros((len(queries), len(documents)))
    for row, vector in zip(scores, bm25.embed_queries(queries).values, strict=True):
        for term in vector.indices.tolist():
            held = postings.get(term, [])
            idf = np.log((len(documents) - len(held) + 0.5) / (len(held) + 0.5) + 1)
            for n, weight in held:
                row[n] += idf * weight
    return scores


def _documents(name: str) -> list[Document]:
    rows = _rows(name, "corpus.jsonl.gz")
    return [
        Document(r["text"].strip() or r["title"], r["_id"], r["title"] if r["text"].strip() else "",
                 metadata=r["metadata"])
        for r in rows
    ]  # fmt: skip


def _rows(name: str, file: str) -> list[dict[str, Any]]:
    content = (beir.DATA / name / file).read_bytes()
    text = gzip.decompress(content) if file.endswith(".gz") else content
    return [json.loads(line) for line in text.splitlines() if line]
