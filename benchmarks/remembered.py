"""An embedder that keeps what it made on the disk: benchmarks embed a collection once."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

import trivet
from trivet.query import Query
from trivet.types import DenseVectors, Mode, MultiVectors, Representations, Space, Vectors

CACHE = Path(
    os.environ.get("TRIVET_BENCH_CACHE") or Path(__file__).resolve().parents[1] / ".bench-cache"
)
LEGS: tuple[Mode, ...] = ("dense", "multi")
NO_TOKENS: Vectors = np.zeros((0, 0), dtype=np.float32)

Rows: TypeAlias = dict[str, tuple[Vectors, NDArray[np.float16]]]


class Remembering(trivet.Embedder):
    """A model with a dense leg, and perhaps token vectors, whose vectors of a collection are kept.

    Token vectors are kept in float16.

    Args:
        model: makes what is not kept yet; all legs that it has are kept.
        name: of the collection, which is that of the file.
    """

    def __init__(self, model: trivet.Embedder, name: str) -> None:
        self._model = model
        self.name, self.source, self.recipe = model.name, model.source, model.recipe
        self.spaces: Mapping[Mode, Space] = model.spaces
        self.max_tokens = model.max_tokens
        self._collection = name
        self._rows = _read(self._path)
        self._stored = len(self._rows)

    def save(self) -> None:
        """Keep what was made since."""
        if len(self._rows) == self._stored:
            return
        keys = list(self._rows)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self._path.with_suffix(".new.npz")
        np.savez(
            scratch,
            keys=np.array(keys),
            dense=np.stack([self._rows[key][0] for key in keys]),
            tokens=np.concatenate([self._rows[key][1] for key in keys]),
            lengths=np.array([len(self._rows[key][1]) for key in keys]),
        )
        scratch.replace(self._path)
        self._stored = len(keys)

    @property
    def _path(self) -> Path:
        held = self._model.spaces
        spaces = _key(*(held[mode].fingerprint for mode in LEGS if mode in held))
        return CACHE / f"{self._collection}-{spaces[:8]}.npz"

    @property
    def is_loaded(self) -> bool:
        return self._model.is_loaded

    def load_weights(self) -> None:
        self._model.load_weights()

    @property
    def task(self) -> str:
        return self._model.task

    @property
    def tasks(self) -> tuple[str, ...]:
        return self._model.tasks

    @property
    def takes_titles(self) -> bool:
        return self._model.takes_titles

    def render(self, query: str | Query) -> str:
        return self._model.render(query)

    def render_document(self, text: str, *, title: str = "") -> str:
        return self._model.render_document(text, title=title)

    def count_tokens(
        self, texts: Sequence[str], *, titles: Sequence[str] | None = None
    ) -> list[int]:
        return self._model.count_tokens(texts, titles=titles)

    def _with_spaces(self, spaces: Mapping[Mode, Space]) -> trivet.Embedder:
        narrow = copy.copy(self)
        narrow.spaces = spaces
        return narrow

    def _embed_documents(
        self, texts: Sequence[str], titles: Sequence[str], truncate: bool
    ) -> Representations:
        if any(titles):
            return self._model.embed_documents(texts, titles=titles, truncate=truncate)
        return self._known(
            [_key("document", text) for text in texts],
            lambda at: self._model.embed_documents([texts[i] for i in at], truncate=truncate),
        )

    def _embed_queries(self, queries: Sequence[Query], truncate: bool) -> Representations:
        return self._known(
            [_key("query", query.text) for query in queries],
            lambda at: self._model.embed_queries([queries[i] for i in at], truncate=truncate),
        )

    def _known(
        self, keys: Sequence[str], make: Callable[[Sequence[int]], Representations]
    ) -> Representations:
        missing = [i for i, key in enumerate(keys) if key not in self._rows]
        if missing:
            made = make(missing)
            assert made.dense is not None
            tokens = [NO_TOKENS] * len(missing) if made.multi is None else made.multi.values
            for i, dense, each in zip(missing, made.dense.values, tokens, strict=True):
                self._rows[keys[i]] = (dense, each.astype(np.float16))
        rows = [self._rows[key] for key in keys]
        dense, multi = self.spaces.get("dense"), self.spaces.get("multi")
        vectors = np.stack([vector for vector, _ in rows]) if dense else None
        stored = tuple(tokens.astype(np.float32) for _, tokens in rows) if multi else ()
        return Representations(
            dense=None if dense is None or vectors is None else DenseVectors(dense, vectors),
            multi=None if multi is None else MultiVectors(multi, stored),
        )


def _read(path: Path) -> Rows:
    if not path.is_file():
        return {}
    stored = np.load(path, allow_pickle=False)
    pieces = np.split(stored["tokens"], np.cumsum(stored["lengths"])[:-1])
    rows = zip(stored["dense"], pieces, strict=True)
    return dict(zip(stored["keys"].tolist(), rows, strict=True))


def _key(*texts: str) -> str:
    return hashlib.sha256("\x00".join(texts).encode()).hexdigest()[:24]
