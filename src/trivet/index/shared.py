"""What an index works with: its store, its model, its settings and its search thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from trivet.config import Settings
from trivet.embedding import Embedder
from trivet.index.ladder import PlanLadder
from trivet.index.model import IndexModel
from trivet.index.worker import SearchWorker
from trivet.own_process import OwnProcess
from trivet.store.generations import Generation
from trivet.store.keys import document_key
from trivet.store.store import Store
from trivet.thinking.threads import DaemonThreads
from trivet.types import Hit

if TYPE_CHECKING:
    from trivet.index.search import Asked


class Shared:
    """What all calls of an index have in common.

    Attributes:
        location: as given to `trivet.open`.
        model: found at the first embed.
        settings: of this opening.
        ladder: of plans, where a server does not run the best one.
        worker: answers the searches of event loops.
        found: how often each document was found, by its key, while an upgrade is under way.
        settled: of these, those that a migration is done with, by what it is of.
        warned: payload paths of filters without an index that were warned of.
        thinking: the threads that thinkers run in.

    Args:
        location: as above.
        store: as above.
        load_embedder: finds the model; called at the first embed.
        settings: as above.
        pinned: the model that it was opened with; None = as stored.
    """

    def __init__(
        self,
        location: str,
        store: Store,
        load_embedder: Callable[[], Embedder],
        settings: Settings,
        pinned: Generation | None = None,
    ) -> None:
        self.location = location
        self._store = store
        self._process = OwnProcess(
            f"the index {location}",
            "open it there, after the fork (several processes share an index on a server only)",
        )
        self.model = IndexModel(store, load_embedder, pinned)
        self.settings = settings
        self.ladder = PlanLadder(store)
        self.found: Counter[str] = Counter()
        self.settled: dict[str, set[str]] = {}
        self.warned: set[str] = set()
        self.worker = SearchWorker(self.answer)
        self.thinking = DaemonThreads()

    @property
    def store(self) -> Store:
        """Holds the documents.

        Raises:
            ForkedProcessError: this process was forked from the one that opened the index.
        """
        self._process.require()
        return self._store

    def answer(self, asked: Sequence[Asked]) -> list[list[Hit]]:
        """The hits of each query, of one forward pass and one request to the engine."""
        # The door to qdrant_client: half a second that count, get and add do without.
        from trivet.index.search import answer

        hits = self.ladder.answer(asked, lambda some: answer(self.store, self.model, some))
        if self.store.manifest.upgrade is not None:
            self.found.update(document_key(hit.tenant, hit.document) for row in hits for hit in row)
        return hits

    def prepare_thinking(self) -> None:
        """Find the guard of thoughts, once, while a thinker thinks."""
        if self.model.guard.begins():
            self.thinking.start(self.model.guard.prepare)

    def close(self) -> None:
        """Answer what waits, then flush and release everything; a second call does nothing.

        Nor does a call in a process that was forked: what there is to flush is not its own.
        """
        if self._process.is_this:
            self.worker.close()
            self._store.close()
