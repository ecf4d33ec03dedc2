"""A sample of an index: stored chunks with their vectors, and spans cut from their texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trivet.embedding import Embedder
from trivet.errors import PairsError
from trivet.index.titles import embed_titled
from trivet.index.upgrade.texts import TextResolver, text_of, with_texts
from trivet.store.points import Chunk, point_id
from trivet.store.store import Store
from trivet.types import Vectors

# A fifth is held out. On npl, from 256 to 384 dims, a translation recovers .36 of what the newer
# model gains with 1,000 documents, .38 with 1,600, .42 with 3,200, .44 with 4,000 and with 8,000.
SAMPLE = 4_000
SPAN_WORDS = 14
LEAST_WORDS = 5
# To measure on another span of each document than was fitted to.
SPAN_SEED = 1


@dataclass(frozen=True, eq=False)
class StoredSample:
    """Some of the chunks of an index, with the dense vectors that are stored of them.

    Attributes:
        chunks: m of them.
        stored: (m, d).
    """

    chunks: tuple[Chunk, ...]
    stored: Vectors

    @property
    def keys(self) -> tuple[str, ...]:
        """The document of each chunk, as the journal knows it."""
        return tuple(chunk.key for chunk in self.chunks)


def draw_sample(
    store: Store, size: int, seed: int, resolver: TextResolver | None = None
) -> StoredSample:
    """Chunks with texts, drawn evenly from all that are stored.

    Raises:
        PairsError: an index without documents, or without texts of them.
    """
    random = np.random.default_rng(seed)
    drawn: list[Chunk] = []
    seen = 0
    for page in store.pages():
        for chunk in page:
            if resolver is None and not text_of(chunk, None):
                continue
            seen += 1
            if len(drawn) < size:
                drawn.append(chunk)
            elif (place := int(random.integers(0, seen))) < size:
                drawn[place] = chunk
    if not drawn and store.journal.count():
        raise PairsError(
            "expected documents with texts, to embed by the newer model, got none: their texts are "
            "kept elsewhere; hand in text_resolver"
        )
    return with_vectors(store, with_texts(drawn, resolver))


def with_vectors(store: Store, chunks: Sequence[Chunk]) -> StoredSample:
    """Chunks with their stored vectors; those that are gone meanwhile are left out.

    Raises:
        PairsError: none is left.
    """
    manifest = store.manifest
    name = manifest.spaces["dense"].vector_name
    ids = [point_id(manifest.namespace, chunk.key, chunk.sequence) for chunk in chunks]
    vectors = store.engine.vectors(ids, name)
    kept = [(chunk, vectors[id]) for chunk, id in zip(chunks, ids, strict=True) if id in vectors]
    if not kept:
        raise PairsError("expected an index with documents, got none stored: add some first")
    return StoredSample(tuple(chunk for chunk, _ in kept), np.stack([vector for _, vector in kept]))


def embed_chunks(embedder: Embedder, chunks: Sequence[Chunk]) -> Vectors:
    """The dense vectors of chunks by another model than the index's; long ones are cut."""
    titled = [(chunk.title, chunk.text) for chunk in chunks]
    dense = embed_titled(embedder.only(["dense"]), titled, truncate=True).dense
    assert dense is not None  # the one leg that was asked for
    return dense.values


def embed_spans(embedder: Embedder, spans: Sequence[str]) -> Vectors:
    """The dense vectors of short texts as queries."""
    dense = embedder.only(["dense"]).embed_queries(list(spans), truncate=True).dense
    assert dense is not None  # as above
    return dense.values


def cut_spans(chunks: Sequence[Chunk], seed: int) -> tuple[list[str], list[str]]:
    """A span of at most 14 words of each chunk that has 5 or more, and its document's key."""
    random = np.random.default_rng(seed)
    spans, keys = [], []
    for chunk in chunks:
        words = chunk.text.split()
        start = int(random.integers(0, max(1, len(words) - SPAN_WORDS + 1)))
        if len(words) >= LEAST_WORDS:
            spans.append(" ".join(words[start : start + SPAN_WORDS]))
            keys.append(chunk.key)
    return spans, keys
