"""The whole pipeline as a search model of mteb: chunks, all legs, a plan, one real engine."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import trivet
from trivet.config import Lexical, Settings
from trivet.embedding import Embedder
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.errors import InvalidInputError
from trivet.evaluation.extra import of_extra
from trivet.index import Index
from trivet.plan import MAX_DEPTH, Plan
from trivet.query import text_problem
from trivet.types import Document, Hit

if TYPE_CHECKING:
    from mteb.models.model_meta import ModelMeta

logger = logging.getLogger(__name__)

# The metadata field that holds a document's id: in the index, its id is its place in the corpus, so
# that hits of one score come in the corpus's order.
OWN_ID = "mteb_id"
REQUEST_QUERIES = 1_000


class MtebSearch:
    """What `mteb.evaluate` takes as a model: it indexes each corpus in a folder, and searches it.

    Documents are cut into chunks, titles are embedded with them, and a query that is longer than
    the model reads is cut at its end. Hits are judged in the order in which they come: mteb puts
    those of one score in an order of its own, by their ids backwards, and here those of one score
    come in the order of the corpus. What mteb says of batches and processes is passed over.

    Args:
        model: a name, a folder or an `Embedder`; None = all-MiniLM-L6-v2.
        modes: the legs of the index; None = as `trivet.open` has it.
        plan: a plan or a preset's name; None = the default one of the index.
        settings: of the index.
        lexical: language and weighting of its BM25 leg; None = as `trivet.open` has it.

    Raises:
        MissingExtraError: the extra `eval` is not installed.
        ModelError: the model cannot be found.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Embedder | None = None,
        *,
        modes: Sequence[str] | None = None,
        plan: Plan | str | None = None,
        settings: Settings | None = None,
        lexical: Lexical | None = None,
    ) -> None:
        of_extra("mteb")
        self._embedder = (
            model if isinstance(model, Embedder) else Embedder.load(model or DEFAULT_MODEL)
        )
        self._modes = modes
        self._plan = plan
        self._settings = settings
        self._lexical = lexical
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._index: Index | None = None

    @property
    def mteb_model_meta(self) -> ModelMeta:
        """What mteb keeps results under: other vectors, legs, plans or settings are another."""
        facts = (
            version("trivet"),
            [space.fingerprint for space in self._embedder.spaces.values()],
            self._modes,
            self._plan,
            self._settings,
            self._lexical,
        )
        name = Path(self._embedder.name).name
        meta: ModelMeta = of_extra("mteb.models.model_meta").ModelMeta.create_empty(
            overwrites={
                "name": f"trivet/{name}",
                "revision": hashlib.sha256(repr(facts).encode()).hexdigest()[:16],
            }
        )
        return meta

    def index(self, corpus: Iterable[Mapping[str, Any]], **_: object) -> None:
        """Index a corpus (rows with `id`, `text` and perhaps `title`) in place of the last one.

        Documents that the index refuses, such as empty ones, are left out with a warning.
        """
        self.close()
        self._folder = tempfile.TemporaryDirectory(prefix="trivet-mteb-")
        self._index = trivet.open(
            Path(self._folder.name) / "index",
            model=self._embedder,
            modes=self._modes,
            settings=self._settings,
            lexical=self._lexical,
        )
        report = self._index.add(_document(place, row) for place, row in enumerate(corpus))
        if report.failed:
            first = report.failed[0]
            logger.warning(
                "%d documents were left out, such as the one at place %d: %s",
                len(report.failed), first.position, first.error,
            )  # fmt: skip

    def search(
        self,
        queries: Iterable[Mapping[str, Any]],
        *,
        top_k: int,
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        **_: object,
    ) -> dict[str, dict[str, float]]:
        """The best documents of each query (rows with `id`, `text` and perhaps `instruction`).

        Args:
            queries: to search.
            top_k: hits of each.
            top_ranked: the documents, by query, that a reranking task orders; None = all.

        Returns:
            Scores by query id and document id, each less than the one before; of a query without
            a text, which is warned of, none.

        Raises:
            InvalidInputError: nothing was indexed.
            TrivetError: as `Index.search_many`.
        """
        if self._index is None:
            raise InvalidInputError("expected a corpus to search, got none: call index first")
        whole = {str(row["id"]): _query(row) for row in queries}
        texts = self._fitted(whole)
        found: dict[str, dict[str, float]] = {id: {} for id in whole}
        k = min(top_k, MAX_DEPTH)
        if top_ranked is not None:
            return found | {
                id: self._among(self._index, text, top_ranked.get(id, ()), k)
                for id, text in texts.items()
            }
        ids = list(texts)
        for start in range(0, len(ids), REQUEST_QUERIES):
            part = ids[start : start + REQUEST_QUERIES]
            asked = [texts[id] for id in part]
            every = self._index.search_many(asked, k=k, plan=self._deep(k))
            found |= {id: _falling(hits) for id, hits in zip(part, every, strict=True)}
        return found

    def close(self) -> None:
        """Delete the index of the last corpus; a second call does nothing."""
        if self._index is not None:
            self._index.close()
            self._index = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _among(self, index: Index, text: str, ids: Sequence[str], k: int) -> dict[str, float]:
        if not ids:
            return {}
        wanted = {OWN_ID: {"in": list(ids)}}
        hits = index.search(text, k=k, plan=self._deep(k), filter=wanted)
        return _falling(hits)

    def _deep(self, k: int) -> Plan | str | None:
        """The plan, deep enough for what a task asks."""
        if not isinstance(self._plan, Plan):
            return self._plan
        wanted = k + self._plan.offset
        return replace(
            self._plan, depths={mode: max(n, wanted) for mode, n in self._plan.depths.items()}
        )

    def _fitted(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Queries that can be asked, by id; those that are too long cut at their end."""
        problems = {id: text_problem(text) for id, text in texts.items()}
        refused = [id for id, problem in problems.items() if problem]
        if refused:
            logger.warning(
                "%d queries find nothing, such as %r: expected a text, %s",
                len(refused), refused[0], problems[refused[0]],
            )  # fmt: skip
        return {
            id: text if self._fits(text) else self._cut(text)
            for id, text in texts.items()
            if problems[id] is None
        }

    def _fits(self, text: str) -> bool:
        # The query as the model reads it, counted with what a document has around it: never less.
        (count,) = self._embedder.count_tokens([self._embedder.render(text)])
        return count <= self._embedder.max_tokens

    def _cut(self, text: str) -> str:
        fits, too_long = 1, len(text)
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            if self._fits(text[:middle]):
                fits = middle
            else:
                too_long = middle
        return text[:fits]


def _document(place: int, row: Mapping[str, Any]) -> Document:
    """A title without a text is the text: a document has to have one."""
    title, text = row.get("title") or "", row["text"]
    if not text.strip():
        title, text = "", title
    return Document(text, f"{place:012d}", title, {OWN_ID: str(row["id"])})


def _falling(hits: Sequence[Hit]) -> dict[str, float]:
    """Scores by the corpus's ids, each less than the one before by a float32 bit at least.

    trec_eval, by which mteb judges, compares them as float32.
    """
    scores: dict[str, float] = {}
    least = np.float32(np.inf)
    for hit in hits:
        least = min(np.float32(hit.score), np.nextafter(least, np.float32(-np.inf)))
        scores[str(hit.metadata[OWN_ID])] = float(least)
    return scores


def _query(row: Mapping[str, Any]) -> str:
    """As mteb writes it for other models: the instruction after the text."""
    instruction = row.get("instruction")
    return f"{row['text']} {instruction}" if instruction else str(row["text"])
