"""The guard of an index: how like its query a thought has to be, found once for its embedder."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import numpy as np

from trivet.index.lasting import LastingFigure
from trivet.query import Query
from trivet.store.store import Store
from trivet.thinking.guard import guard_from, guard_texts

if TYPE_CHECKING:
    from trivet.index.model import IndexModel

logger = logging.getLogger(__name__)

_KEPT_AS = "thought-guard"


class ThoughtGuard:
    """Finds the least likeness of a thought for an index, and keeps it with the index.

    Args:
        store: of the index.
        model: of the index.
    """

    def __init__(self, store: Store, model: IndexModel) -> None:
        self._store = store
        self._model = model
        self._lasting = LastingFigure(store, "guard of thoughts")
        self._prepared: set[str] = set()  # being found by a thread of its own
        self._telling = threading.Lock()

    def begins(self) -> bool:
        """Whether nobody has found it yet, nor is preparing it: the caller is to `prepare`."""
        name = self._name()
        with self._telling:
            begins = not self._lasting.at_hand(name) and name not in self._prepared
            self._prepared.add(name)
            return begins

    def prepare(self) -> None:
        """As `least`, for whoever comes later; where it fails, they are told."""
        name = self._name()
        try:
            self.least()
        except Exception as error:  # noqa: BLE001  (a search says why it goes without)
            logger.debug("the guard of thoughts is not found: %s", error)
        finally:
            with self._telling:
                self._prepared.discard(name)

    def least(self) -> float:
        """The threshold, found at the first call: a moment of embedding."""
        return self._lasting.figure(self._name(), self._made)

    def _name(self) -> str:
        """What it is kept under: another embedder has another guard, and so has its map."""
        from trivet.index.thoughts import meaning_mode

        manifest = self._store.manifest
        mode = meaning_mode(manifest)
        if mode is None:
            assert manifest.lexical is not None  # an index has a leg
            return f"{_KEPT_AS}:terms:{manifest.lexical.language}"
        mapped = self._model.mapped_by()
        by = "" if mapped is None else f":{mapped}"
        return f"{_KEPT_AS}:{self._model.searched.spaces[mode].fingerprint[:16]}{by}"

    def _made(self) -> float:
        from trivet.index.thoughts import liken, meaning_mode

        manifest, texts = self._store.manifest, guard_texts()
        mode = meaning_mode(manifest)
        queries = thoughts = None
        if mode is not None and self._model.mapped_by() is not None:
            # In an upgrade that compensates: as searches have them, mapped where they are.
            queries = self._model.queries([Query(text) for text in texts.queries], [mode])
            thoughts = self._model.documents(list(texts.thoughts), [mode])
        elif mode is not None:
            embedder = self._model.found_of(self._model.searched).only([mode])
            queries = embedder.embed_queries(list(texts.queries), truncate=True)
            thoughts = embedder.embed_documents(list(texts.thoughts), truncate=True)
        likenesses = [
            liken(manifest, query, None if queries is None else queries[row], texts.thoughts,
                  thoughts)
            for row, query in enumerate(texts.queries)
        ]  # fmt: skip
        return round(guard_from(np.array(likenesses)[texts.is_foreign]), 4)
