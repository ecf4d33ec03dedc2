"""The models of one index: found once, and proved to make the vectors that are stored."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from trivet.drift.files import unpack
from trivet.drift.map import DriftMap
from trivet.embedding import Embedder
from trivet.embedding.reloading import reload
from trivet.errors import IndexDamagedError, ModelError, SpaceMismatchError
from trivet.index.canary import make_canaries, require_same_canaries
from trivet.index.floor import DenseFloor
from trivet.index.guard import ThoughtGuard
from trivet.index.model_match import makes, matching
from trivet.index.once import RecentVectors
from trivet.index.tokens import IndexTokens
from trivet.query import Query
from trivet.store.generations import NATIVE_STATES, Generation, UpgradeRecord
from trivet.store.manifest import Manifest
from trivet.store.store import Store
from trivet.types import Mode, Representations, require_same_space

logger = logging.getLogger(__name__)

# The map from the newer model's space into the older one's.
QUERY_MAP = "query"
# And the other way, by which stored vectors are carried over.
TRANSLATION = "translation"
# From the newer model's token vectors to the older one's.
TOKEN_MAP = "tokens"


class IndexModel:
    """The models of an index: its own, and during an upgrade the other one; thread-safe.

    Attributes:
        floor: the cosine below which a dense score says nothing.
        guard: how like a query its thoughts have to be.
        thoughts: vectors of the last ones.

    Args:
        store: of the index.
        load: finds the model that the index is opened with; called once, when first needed.
        pinned: the generation that the caller opened the index with; None = as stored.
    """

    def __init__(
        self, store: Store, load: Callable[[], Embedder], pinned: Generation | None = None
    ) -> None:
        self._store = store
        self._load = load
        self._loads = pinned or store.manifest.generation
        self._pinned = pinned
        self._brought: list[Embedder] = []
        self._found: dict[str, Embedder] = {}
        self._proved: set[str] = set()
        self._maps: dict[str, DriftMap] = {}
        self._tokens: dict[str, IndexTokens] = {}
        self.floor = DenseFloor(store, self)
        self.guard = ThoughtGuard(store, self)
        self.thoughts = RecentVectors()
        self._loading = threading.RLock()

    @property
    def tokens(self) -> IndexTokens:
        """How token vectors of the index's own model are stored."""
        return self.tokens_of(self._store.manifest.generation)

    def tokens_of(self, generation: Generation) -> IndexTokens:
        """As `tokens`, of one of the two models of an upgrade."""
        with self._loading:
            if generation.canaries not in self._tokens:
                find = partial(self._of, generation)
                self._tokens[generation.canaries] = IndexTokens(self._store, find, generation)
            return self._tokens[generation.canaries]

    @property
    def searched(self) -> Generation:
        """The model whose stored vectors queries are held against.

        The older one of an upgrade, where the index is opened with it and its vectors are there.
        """
        manifest, pinned = self._store.manifest, self._pinned
        record = manifest.upgrade
        if record is None or pinned is None or record.state not in NATIVE_STATES:
            return manifest.generation
        return record.other if pinned.spaces == record.other.spaces else manifest.generation

    def bring(self, embedder: Embedder) -> None:
        """Take an embedder that the caller has for a generation of this index."""
        with self._loading:
            self._brought.append(embedder)

    def begin(self, generation: Generation, embedder: Embedder) -> None:
        """Take the embedder of an upgrade that begins, in place of one that was tried before.

        That may have made the same vectors of documents, and others of queries.
        """
        with self._loading:
            self._brought.insert(0, embedder)
            self._found.pop(generation.canaries, None)
            self._proved.discard(generation.canaries)

    def found(self) -> Embedder:
        """The model, whose spaces are those that are stored; its weights may not be loaded yet.

        Raises:
            ModelNotFoundError, CheckpointError: it cannot be found or read.
            SpaceMismatchError: its vectors are not those that are stored.
        """
        return self.found_of(self._store.manifest.generation)

    def found_of(self, generation: Generation) -> Embedder:
        """As `found`, of one of the two models of an upgrade."""
        return self._of(generation)

    def proved(self) -> Embedder:
        """The model, after it made the same canary vectors as it did for this index before.

        The first model that makes a vector for an index leaves its canaries with it.

        Raises:
            SpaceMismatchError: it makes others.
            ModelError: as in `found`, or the model fails.
        """
        return self.proved_of(self._store.manifest.generation)

    def proved_of(self, generation: Generation) -> Embedder:
        """As `proved`, of one of the two models of an upgrade."""
        embedder = self._of(generation)
        with self._loading:
            if generation.canaries not in self._proved:
                made = make_canaries(embedder)
                kept = self._store.journal.keep(generation.canaries, json.dumps(made).encode())
                require_same_canaries(json.loads(kept), made, embedder.name)
                self._proved.add(generation.canaries)
        return embedder

    def queries(self, queries: Sequence[Query], modes: Sequence[Mode]) -> Representations | None:
        """The vectors of queries, in spaces that are stored; token vectors are not small yet.

        While an upgrade compensates, the newer model's vectors are mapped into the stored spaces;
        a leg without a map that passed is left out.

        Args:
            queries: n of them.
            modes: legs that the index's model makes.

        Returns:
            n representations; None where no leg is left.
        """
        manifest = self._store.manifest
        chosen, record = self._serving(manifest), manifest.upgrade
        if record is None or not record.is_bridged or chosen == manifest.generation:
            left = _there(chosen, manifest, modes)
            return self.proved_of(chosen).only(left).embed_queries(queries) if left else None
        # What both models make alike needs no map.
        own = manifest.generation.spaces
        same = {mode for mode, space in own.items() if chosen.spaces.get(mode) == space}
        can_be = {"dense", *same}
        if "multi" in record.facts.get("mapped", ()):
            can_be.add("multi")
        left = [mode for mode in modes if mode in can_be]
        if not left:
            return None
        made = self.proved_of(chosen).only(left).embed_queries(queries)
        dense, multi = made.dense, made.multi
        if dense is not None:
            dense = self.map_of(record, QUERY_MAP).apply(dense)
        if multi is not None and "multi" not in same:
            multi = self.map_of(record, TOKEN_MAP).apply(multi)
        return Representations(dense=dense, sparse=made.sparse, multi=multi)

    def documents(self, texts: Sequence[str], modes: Sequence[Mode]) -> Representations | None:
        """The vectors of texts that are like documents, in the spaces of `queries`; cut if long.

        While an upgrade compensates, they are the older model's, as what is stored. Where that
        cannot be found any more, the newer one's are mapped, as those of queries are.

        Args:
            texts: n of them.
            modes: legs that the index's model makes.

        Returns:
            n representations; None where no leg is left.
        """
        manifest = self._store.manifest
        chosen, record = self._serving(manifest), manifest.upgrade
        if record is None or not record.is_bridged or chosen == manifest.generation:
            if not (left := _there(chosen, manifest, modes)):
                return None
            return self.proved_of(chosen).only(left).embed_documents(texts, truncate=True)
        try:
            older = self.proved_of(manifest.generation)
        except (ModelError, SpaceMismatchError) as error:
            logger.warning("thoughts are embedded by the newer model and mapped: %s", error)
        else:
            return older.only(modes).embed_documents(texts, truncate=True)
        if "dense" not in modes:
            return None
        newer = self.proved_of(chosen).only(["dense"])
        dense = newer.embed_documents(texts, truncate=True).dense
        assert dense is not None  # the one leg that was asked for
        return Representations(dense=self.map_of(record, QUERY_MAP).apply(dense))

    def mapped_by(self) -> str | None:
        """The map that the vectors of queries go through; None where they go through none."""
        manifest = self._store.manifest
        record = manifest.upgrade
        if record is None or not record.is_bridged:
            return None
        is_own = self._serving(manifest) == manifest.generation
        return None if is_own else record.maps[QUERY_MAP]

    def map_of(self, record: UpgradeRecord, which: str) -> DriftMap:
        """A map that an upgrade has fitted.

        Raises:
            DriftMapFileError: it is damaged.
            IndexDamagedError: it is not there.
            SpaceMismatchError: it leads between other spaces.
        """
        name = record.maps[which]
        with self._loading:
            if name not in self._maps:
                kept = self._store.journal.kept(name)
                if kept is None:
                    raise IndexDamagedError(
                        f"expected the drift map {name!r} in the journal, got none: restore the "
                        "index from a backup, or roll the upgrade back"
                    )
                self._maps[name] = unpack(kept, f"the journal under {name!r}")
            drift = self._maps[name]
        if which != TOKEN_MAP:
            # The record's other model is the newer one until its vectors serve.
            leaves_other = (which == TRANSLATION) == (record.state in NATIVE_STATES)
            end = drift.source if leaves_other else drift.target
            require_same_space(record.other.spaces["dense"], end)
        return drift

    def _serving(self, manifest: Manifest) -> Generation:
        """The model that embeds queries."""
        record = manifest.upgrade
        served = [manifest.generation]
        if record is not None and record.serves_other:
            served.append(record.other)
        if self._pinned is None:
            return served[-1] if record is not None and record.is_bridged else served[0]
        for generation in served:
            if generation.spaces == self._pinned.spaces:
                return generation
        # Finished or rolled back since: the error names the model that the index is of now.
        matching(self._of(self._pinned), manifest.generation)
        return manifest.generation

    def _of(self, generation: Generation) -> Embedder:
        with self._loading:
            if generation.canaries not in self._found:
                self._found[generation.canaries] = self._made(generation)
            return self._found[generation.canaries]

    def _made(self, generation: Generation) -> Embedder:
        for embedder in self._brought:
            if makes(embedder, generation):
                return matching(embedder, generation)
        if generation.spaces == self._loads.spaces:
            return matching(self._load(), generation)
        modes = tuple(generation.spaces) or None
        return matching(reload(generation.model, generation.recipe, modes), generation)


def _there(chosen: Generation, manifest: Manifest, modes: Sequence[Mode]) -> list[Mode]:
    """Those of the legs that points have a model's vectors of; an older model's are all there."""
    if chosen == manifest.generation:
        return manifest.complete(modes)
    return [mode for mode in modes if mode in chosen.spaces]
