"""Batches that are embedded, on their way into the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trivet.errors import (
    DocumentBusyError,
    InvalidDocumentError,
    ServerRefusedError,
    ServerUnavailableError,
    SpaceMismatchError,
    TrivetError,
)
from trivet.index import lexicon
from trivet.index.planning import Planner
from trivet.index.tally import Tally
from trivet.index.vectors import CutDocument, EmbeddedDocument, VectorSource
from trivet.index.writes import document_write
from trivet.store.journal import JournalEntry
from trivet.store.store import Store


@dataclass(frozen=True)
class Embedded:
    """A document that can be stored: its pieces and their vectors."""

    cut: CutDocument
    vectors: EmbeddedDocument

    @property
    def key(self) -> str:
        """What the journal knows it by."""
        return self.cut.document.key


@dataclass(frozen=True)
class _Ready:
    """A document that can be written now, over what is stored under its id."""

    embedded: Embedded
    existing: JournalEntry | None


class Committer:
    """Stores batches one after the other, in whatever thread it is called.

    Args:
        store: where the documents go.
        planner: says again which of them have to be written.
        tally: told what became of each.
        source: embeds documents again whose vectors an upgrade has made those of the wrong model.
    """

    def __init__(self, store: Store, planner: Planner, tally: Tally, source: VectorSource) -> None:
        self._source = source
        self._store = store
        self._planner = planner
        self._tally = tally
        self._batches_lost = 0

    def commit(self, batch: Sequence[Embedded]) -> None:
        """Store a batch; what cannot be stored is told to the tally.

        Raises:
            StoreError: the engine failed; what was committed before stays. A server that does not
                answer for a while costs the batch, which is reported, and not the call.
        """
        waiting = batch
        while waiting:
            chunks = self._tally.chunks
            waiting = self._embedded_anew(waiting)
            with self._store.writing:
                fitting = [one for one in waiting if self._fits(one)]
                stale = [one for one in waiting if not self._fits(one)]
                held = [ready.embedded for ready in self._write_free(self._planned(fitting))]
                if self._tally.chunks > chunks and lexicon.has_lexical_leg(self._store.manifest):
                    lexicon.keep_up(self._store, at_end=False)
            waiting = [*self._released(held), *stale]

    def _fits(self, one: Embedded) -> bool:
        """Whether its vectors are those that points have now; the caller's own are not judged."""
        if self._source.are_given:
            return True
        spaces = self._store.manifest.vector_spaces
        wanted = {name for name, space in spaces.items() if not space.is_lexical}
        return one.vectors.model_names == wanted

    def _embedded_anew(self, batch: Sequence[Embedded]) -> list[Embedded]:
        """The batch; what was embedded before a step of an upgrade is embedded again."""
        renewed = []
        for one in batch:
            vectors = one.vectors if self._fits(one) else self._source.embed([one.cut])[0]
            if isinstance(vectors, TrivetError):
                self._fail(one, vectors)
            else:
                renewed.append(Embedded(one.cut, vectors))
        return renewed

    def _planned(self, batch: Sequence[Embedded]) -> list[_Ready]:
        """Another thread or machine may have stored one of them since it was planned."""
        wanted = {d.key: e for d, e in self._planner.wanted([one.cut.document for one in batch])}
        return [_Ready(one, wanted[one.key]) for one in batch if one.key in wanted]

    def _write_free(self, documents: Sequence[_Ready]) -> list[_Ready]:
        """Write the documents that no other writer holds; returns the others."""
        held: list[_Ready] = []
        end = self._tally.end
        ready = [r for r in documents if r.embedded.cut.document.position < end]
        while ready:
            try:
                self._write(ready)
                break
            except DocumentBusyError as error:
                held += [r for r in ready if r.embedded.key in error.documents]
                ready = [r for r in ready if r.embedded.key not in error.documents]
            except (InvalidDocumentError, ServerRefusedError) as error:
                if len(ready) > 1:
                    for one in ready:
                        held += self._write_free([one])
                else:
                    self._fail(ready[0].embedded, error)
                break
            except ServerUnavailableError as error:
                self._give_up(ready, error)
                break
        return held

    def _released(self, held: Sequence[Embedded]) -> Sequence[Embedded]:
        """Wait for the other writers; those that are not worth waiting for have failed."""
        try:
            if held:
                self._store.journal.wait([one.key for one in held])
        except DocumentBusyError as error:
            for one in held:
                self._fail(one, error)
            return []
        return held

    def _give_up(self, batch: Sequence[_Ready], error: ServerUnavailableError) -> None:
        """Report a batch that a server did not take; go on, unless it is the second on end.

        Raises:
            ServerUnavailableError: it is.
        """
        for ready in batch:
            self._fail(ready.embedded, error)
        self._batches_lost += 1
        if self._batches_lost > 1:
            raise error

    def _write(self, documents: Sequence[_Ready]) -> None:
        manifest = self._store.manifest
        writes = [
            document_write(manifest, r.embedded.cut, r.existing, r.embedded.vectors)
            for r in documents
        ]
        try:
            self._store.write(writes)
        except SpaceMismatchError as error:
            if self._store.manifest is manifest:
                raise
            # Another machine has weighted the index anew since, and a search has found out.
            raise DocumentBusyError(str(error), [w.entry.id for w in writes]) from error
        self._batches_lost = 0
        replaced = sum(write.replaces is not None for write in writes)
        chunks = sum(write.entry.chunks for write in writes)
        self._tally.store(len(writes) - replaced, replaced, chunks)

    def _fail(self, one: Embedded, error: Exception) -> None:
        self._tally.fail(one.cut.document.id, one.cut.document.position, error)
