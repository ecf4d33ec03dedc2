"""Both maps of an upgrade, fitted to documents that are stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trivet.drift.choosing import Aim, Choice, Sample, choose_query_map, choose_translation
from trivet.drift.files import pack
from trivet.drift.map import DriftMap
from trivet.drift.measures import Texts
from trivet.drift.pairs import Pairs
from trivet.embedding import Embedder
from trivet.errors import IndexDamagedError
from trivet.index.upgrade.sampling import (
    SAMPLE,
    StoredSample,
    cut_spans,
    draw_sample,
    embed_chunks,
    embed_spans,
    with_vectors,
)
from trivet.index.upgrade.texts import TextResolver, with_texts
from trivet.store.points import Chunk
from trivet.store.store import Store
from trivet.store.upgrading import MAP_NAMES, SAMPLE_NAMES


@dataclass(frozen=True)
class FittedMaps:
    """The maps of an upgrade.

    Attributes:
        query: from the newer model's queries to the stored vectors, and what it was chosen from.
        translation: from the stored vectors to the newer model's.
        chunks: the sample: what was fitted to, and what was held out.
    """

    query: Choice
    translation: Choice
    chunks: tuple[Chunk, ...]


def fit_maps(
    store: Store,
    new: Embedder,
    aim: Aim,
    *,
    old: Embedder | None = None,
    queries: Sequence[str] = (),
    seed: int = 0,
    resolver: TextResolver | None = None,
) -> FittedMaps:
    """Fit to stored chunks, whose texts are embedded by the newer model; no older one is needed.

    Args:
        store: of the index.
        new: the newer model.
        aim: "keep" or "gain".
        old: the older model, to pair short texts: the caller's own queries, and for "keep" spans.
        queries: the caller's own.
        seed: of the draws.
        resolver: knows the texts that the index does not hold.

    Raises:
        PairsError: too few documents.
        ModelError: a model failed.
    """
    sample = draw_sample(store, SAMPLE, seed, resolver)
    native = embed_chunks(new, sample.chunks)
    source, target = new.spaces["dense"], store.manifest.spaces["dense"]
    corpus = corpus_fingerprint(store, sample.keys)
    rows = _each_text_once(sample.chunks)
    spans, keys = cut_spans([sample.chunks[row] for row in rows], seed)
    asked = Texts(embed_spans(new, spans), tuple(keys)) if spans else None
    kinds = ("document",) * len(native)
    pairs = Pairs(source, target, native, sample.stored, sample.keys, kinds).take(rows)
    back = Pairs(target, source, sample.stored, native, sample.keys, kinds).take(rows)
    if queries and old is not None:
        names = tuple(f"query {number}" for number in range(len(queries)))
        both = embed_spans(new, queries), embed_spans(old, queries)
        pairs = pairs.with_texts(*both, names, "query")
    if asked is not None and old is not None and aim == "keep":
        # Spans are like queries: with them the old rankings come back better than with documents.
        pairs = pairs.with_texts(asked.values, embed_spans(old, spans), asked.documents, "span")
    choice = choose_query_map(
        Sample(pairs, sample.stored, sample.keys, asked), aim, seed=seed, corpus=corpus
    )
    # Measured on the same documents; queries of the caller, or doubled vectors, would draw others.
    translation = choose_translation(back, seed=seed, corpus=corpus, held_out=choice.held)
    return FittedMaps(choice, translation, sample.chunks)


def named_map(drift: DriftMap) -> tuple[str, bytes]:
    """A map as the index keeps it: its name and its content."""
    content = pack(drift)
    return f"{MAP_NAMES}{hashlib.sha256(content).hexdigest()[:16]}", content


def named_sample(fitted: FittedMaps) -> tuple[str, bytes]:
    """Which documents were sampled and which of them neither map has seen, as the index keeps it.

    Returns:
        Its name and its content.
    """
    held = fitted.query.held & fitted.translation.held
    sampled = sorted({chunk.key for chunk in fitted.chunks})
    content = json.dumps({"sampled": sampled, "held": sorted(held)}).encode()
    return f"{SAMPLE_NAMES}{hashlib.sha256(content).hexdigest()[:16]}", content


def kept_sample(
    store: Store, name: str, judged: Sequence[str], resolver: TextResolver | None = None
) -> tuple[StoredSample, frozenset[str]]:
    """What `named_sample` named, with the documents that are judged; and those held out.

    Raises:
        IndexDamagedError: it is not there.
    """
    kept = store.journal.kept(name)
    if kept is None:
        raise IndexDamagedError("expected the sample of the fit, got none: fit again")
    stored = json.loads(kept)
    chunks = store.chunks(list(dict.fromkeys([*stored["sampled"], *judged])))
    every = [chunk for some in chunks.values() for chunk in some]
    return with_vectors(store, with_texts(every, resolver)), frozenset(stored["held"])


def _each_text_once(chunks: Sequence[Chunk]) -> NDArray[np.intp]:
    """The first chunk of each text: one document must not be measured by what another taught.

    Vectors do not tell: of two batches, the same text's may differ in their last bits.
    """
    first: dict[tuple[str, str], int] = {}
    for row, chunk in enumerate(chunks):
        first.setdefault((chunk.title, chunk.text), row)
    return np.array(list(first.values()), dtype=np.intp)


def corpus_fingerprint(store: Store, keys: Sequence[str]) -> str:
    """What identifies the documents that a map was fitted to."""
    digest = hashlib.sha256("\n".join(sorted(set(keys))).encode()).hexdigest()[:16]
    return f"{store.manifest.namespace}:{store.journal.count()}:{digest}"
