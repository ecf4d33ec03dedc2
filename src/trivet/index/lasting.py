"""A figure that an embedder has with an index: found once, and kept in the journal for ever."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable

from trivet.errors import IndexClosedError, StoreError
from trivet.store.store import Store

logger = logging.getLogger(__name__)


class LastingFigure:
    """Keeps a figure of an index under the name of what it depends on; thread-safe.

    Args:
        store: of the index.
        what: the figure, in a word or two for the log.
    """

    def __init__(self, store: Store, what: str) -> None:
        self._store = store
        self._what = what
        self._found: dict[str, float] = {}
        self._finding = threading.Lock()

    def at_hand(self, name: str) -> bool:
        """Whether `kept` reads nothing."""
        return name in self._found

    def kept(self, name: str) -> float | None:
        """The figure, if it was found already."""
        if name not in self._found:
            kept = self._store.journal.kept(name)
            if kept is None:
                return None
            self._found[name] = float(json.loads(kept))
        return self._found[name]

    def figure(self, name: str, make: Callable[[], float]) -> float:
        """The figure; of threads that ask at the same time one makes it, and all have that."""
        with self._finding:
            found = self.kept(name)
            if found is None:
                found = self._found[name] = self._first(name, make())
            return found

    def _first(self, name: str, made: float) -> float:
        """The figure as it is kept: another process may have been first."""
        try:
            kept = self._store.journal.keep(name, json.dumps(made).encode())
        except IndexClosedError:  # by its owner, while this was found beside a search
            logger.info("the %s is not kept: the index was closed meanwhile", self._what)
            return made
        except StoreError as error:  # such as a full disk, on which searches go on
            logger.warning("the %s is not kept, and found again: %s", self._what, error)
            return made
        return float(json.loads(kept))
