"""Vectors of the drift benchmark: every collection by every model, kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

import trivet
from benchmarks import beir
from trivet.embedding.locate import DEFAULT_MODEL, locate
from trivet.types import Vectors

CACHE = Path(__file__).parent / ".cache"
SPAN_WORDS = 14
STATIC_DIMS = 256


@dataclass(frozen=True)
class Corpus:
    """A judged collection with spans cut from its documents.

    Attributes:
        collection: documents, queries, judgements.
        spans: texts of at most 14 words, which stand for queries.
        owners: the position of the document that each span was cut from.
    """

    collection: beir.Collection
    spans: tuple[str, ...]
    owners: NDArray[np.int64]


@dataclass(frozen=True)
class Embedded:
    """One collection by one model: unit rows.

    Attributes:
        documents: (n, d).
        queries: one for each judged query.
        spans: one for each span.
    """

    documents: Vectors
    queries: Vectors
    spans: Vectors


Encode = Callable[[Sequence[str]], Vectors]


def corpus(name: str) -> Corpus:
    """A collection and one span of each of its documents that has seven words."""
    collection = beir.load(name)
    random = np.random.default_rng(0)
    spans, owners = [], []
    for owner in random.permutation(len(collection.documents)):
        words = collection.documents[owner].text.split()
        if len(words) >= SPAN_WORDS // 2:
            start = int(random.integers(0, max(1, len(words) - SPAN_WORDS + 1)))
            spans.append(" ".join(words[start : start + SPAN_WORDS]))
            owners.append(owner)
    return Corpus(collection, tuple(spans), np.array(owners))


def embedded(of: Corpus, label: str, encode: Encode) -> Embedded:
    """The vectors of a collection by the model that a label stands for."""
    texts = {
        "documents": of.collection.texts,
        "queries": list(of.collection.queries.values()),
        "spans": list(of.spans),
    }
    made = {
        kind: cached(f"{of.collection.name}-{label}-{kind}", part, encode)
        for kind, part in texts.items()
    }
    return Embedded(made["documents"], made["queries"], made["spans"])


def cached(name: str, texts: Sequence[str], encode: Encode) -> Vectors:
    """Vectors of texts, computed once."""
    digest = hashlib.sha256("\x00".join(texts).encode()).hexdigest()[:12]
    file = CACHE / f"{name}-{digest}.npy"
    if not file.is_file():
        CACHE.mkdir(exist_ok=True)
        scratch = file.with_suffix(".new.npy")
        np.save(scratch, encode(texts))
        scratch.replace(file)
    rows: Vectors = np.load(file)
    return rows


def minilm(*, layers: int | None = None, dims: int | None = None) -> Encode:
    """The packaged MiniLM, or its first layers and components."""
    return of_embedder(
        trivet.Embedder.load(DEFAULT_MODEL, modes=["dense"], layers=layers, dims=dims)
    )


def of_embedder(embedder: trivet.Embedder) -> Encode:
    """Documents and queries are the same to MiniLM."""

    def encode(texts: Sequence[str]) -> Vectors:
        dense = embedder.embed_documents(list(texts), truncate=True).dense
        assert dense is not None
        return dense.values

    return encode


def static(of: Corpus) -> Encode:
    """A weak model: MiniLM's input word vectors, weighted by IDF, on 256 principal axes."""
    folder = locate(DEFAULT_MODEL).folder
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    weights = load_file(folder / "model.safetensors")
    table = next(rows for name, rows in weights.items() if name.endswith("word_embeddings.weight"))
    table = table.astype(np.float32)

    def ids(texts: Sequence[str]) -> list[NDArray[np.int64]]:
        encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]

    documents = ids(of.collection.texts)
    seen = np.zeros(len(table))
    for row in documents:
        seen[np.unique(row)] += 1
    idf = np.log((1 + len(documents)) / (1 + seen)).astype(np.float32)

    def mean(rows: Sequence[NDArray[np.int64]]) -> Vectors:
        made = np.stack([(idf[row][:, None] * table[row]).sum(axis=0) for row in rows])
        return _unit(made)

    means = mean(documents)
    centre = means.mean(axis=0)
    axes = np.linalg.svd(means - centre, full_matrices=False)[2][:STATIC_DIMS]
    return lambda texts: _unit((mean(ids(texts)) - centre) @ axes.T)


def _unit(rows: Vectors) -> Vectors:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Vectors = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return scaled


if __name__ == "__main__":
    for each in ("cranfield", "npl"):
        part = corpus(each)
        embedded(part, "static", static(part))
        for count in (6, 4, 3):
            embedded(part, f"minilm-{count}", minilm(layers=count))
            print(each, count, flush=True)
