"""The model of one index: found once, and proved to make the vectors that are stored."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

from trivet.embedding import Embedder
from trivet.index.canary import make_canaries, require_same_canaries
from trivet.index.guard import ThoughtGuard
from trivet.index.tokens import IndexTokens, stored_space
from trivet.store.manifest import Manifest
from trivet.store.store import Store
from trivet.types import require_same_space

_KEPT_AS = "canaries"


class IndexModel:
    """The model of an index; thread-safe.

    Attributes:
        tokens: how its token vectors are stored.
        guard: how like a query its thoughts have to be.

    Args:
        store: of the index.
        load: finds the model; called once, when it is first needed.
    """

    def __init__(self, store: Store, load: Callable[[], Embedder]) -> None:
        self._store = store
        self._load = load
        self._embedder: Embedder | None = None
        self._proved = False
        self.tokens = IndexTokens(store, self.found)
        self.guard = ThoughtGuard(store, self)
        self._loading = threading.Lock()

    def found(self) -> Embedder:
        """The model, whose spaces are those that are stored; its weights may not be loaded yet.

        Raises:
            ModelNotFoundError, CheckpointError: it cannot be found or read.
            SpaceMismatchError: its vectors are not those that are stored.
        """
        with self._loading:
            if self._embedder is None:
                manifest = self._store.manifest
                self._embedder = matching(self._load(), manifest)
            return self._embedder

    def proved(self) -> Embedder:
        """The model, after it made the same canary vectors as it did for this index before.

        The first model that makes a vector for an index leaves its canaries with it.

        Raises:
            SpaceMismatchError: it makes others.
            ModelError: as in `found`, or the model fails.
        """
        embedder = self.found()
        with self._loading:
            if not self._proved:
                made = make_canaries(embedder)
                first = self._store.journal.keep(_KEPT_AS, json.dumps(made).encode())
                require_same_canaries(json.loads(first), made, embedder.name)
                self._proved = True
        return embedder


def matching(embedder: Embedder, manifest: Manifest) -> Embedder:
    """An embedder that makes the legs of an index that come from its model, and no other.

    Raises:
        MissingHeadError: it does not make one of them.
        SpaceMismatchError: its vectors are not those that are stored.
    """
    modes = manifest.model_modes
    if not modes:
        return embedder
    wanted = embedder.only(modes)
    for mode in modes:
        stored = manifest.spaces[mode]
        require_same_space(stored, stored_space(wanted.spaces[mode], like=stored))
    return wanted
