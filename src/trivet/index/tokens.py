"""The token vectors of an index: how they are made small, the same way for ever."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from trivet.embedding import Embedder
from trivet.embedding.compact import TokenCodec, calibration_texts, compact_space, fit_codec
from trivet.errors import IndexDamagedError
from trivet.store.carried import may_lack
from trivet.store.generations import FIRST_CANARIES, Generation
from trivet.store.store import Store
from trivet.thinking.combine import WeightedTokens
from trivet.types import Representations, Space, Vectors, require_same_space

_KEPT_AS = "token-codec"


class IndexTokens:
    """Token vectors of a model, as an index stores them; thread-safe.

    The principal axes that vectors are projected on are found once, on a text that is always the
    same, and kept with the index: found again on another machine, they could be turned.

    Args:
        store: of the index.
        find_embedder: finds the model.
        generation: the model, as the index knows it.
    """

    def __init__(
        self, store: Store, find_embedder: Callable[[], Embedder], generation: Generation
    ) -> None:
        self._store = store
        self._find_embedder = find_embedder
        self._stored = generation.spaces.get("multi")
        self._kept_as = _KEPT_AS
        if self._stored is not None and generation.canaries != FIRST_CANARIES:
            self._kept_as += f"-{self._stored.fingerprint[:16]}"
        self._codec: TokenCodec | None = None
        self._making = threading.Lock()

    def small(self, representations: Representations) -> Representations:
        """The same texts with their token vectors as the index stores them.

        Raises:
            SpaceMismatchError: token vectors of another model.
        """
        multi, stored = representations.multi, self._stored
        if multi is None or stored is None or multi.space == stored:
            return representations
        require_same_space(stored, stored_space(multi.space, like=stored))
        return replace(representations, multi=self._found().encode(multi))

    def affine(self, query_tokens: int) -> tuple[float, float]:
        """What turns the engine's score of a query of so many tokens into the mean MaxSim.

        Returns:
            scale and shift: mean MaxSim, from -1 to 1, = score · scale + shift.
        """
        if self._is_compact:
            return self._found().affine(query_tokens)
        return 1.0 / query_tokens, 0.0

    def weighted(self, tokens: WeightedTokens) -> tuple[Vectors, float, float]:
        """Weighted token vectors of a query as the engine is asked with them.

        Returns:
            The vectors, and scale and shift: the sum of weight · best cosine, from -1 to 1, =
            score · scale + shift.
        """
        if self._is_compact:
            return self._found().weighted(tokens.vectors, tokens.weights)
        weighted: Vectors = (tokens.vectors * tokens.weights[:, None]).astype(np.float32)
        return weighted, 1.0, 0.0

    @property
    def may_lack(self) -> bool:
        """Whether there may be chunks without token vectors, such as a forced end leaves."""
        return self._stored is not None and may_lack(self._store, self._stored.vector_name)

    @property
    def _is_compact(self) -> bool:
        return self._stored is not None and is_compact(self._stored)

    def _found(self) -> TokenCodec:
        with self._making:
            if self._codec is None:
                kept = self._store.journal.kept(self._kept_as) or self._of_the_same_leg()
                self._codec = self._made() if kept is None else _read(kept)
            return self._codec

    def _of_the_same_leg(self) -> bytes | None:
        """The axes of the index's first model, where an upgrade leaves its token vectors alone."""
        manifest = self._store.manifest
        both = [manifest.generation, *([manifest.upgrade.other] if manifest.upgrade else [])]
        first = next((each for each in both if each.canaries == FIRST_CANARIES), None)
        kept = self._store.journal.kept(_KEPT_AS)
        if kept is None or first is None or first.spaces.get("multi") != self._stored:
            return None
        return self._store.journal.keep(self._kept_as, kept)

    def _made(self) -> TokenCodec:
        embedder = self._find_embedder().only(["multi"])
        multi = embedder.embed_documents(calibration_texts(), truncate=True).multi
        assert multi is not None  # a mode of the index
        codec = fit_codec(multi)
        buffer = io.BytesIO()
        np.save(buffer, codec.projection, allow_pickle=False)
        # Another process may have been first: what is kept is kept.
        return _read(self._store.journal.keep(self._kept_as, buffer.getvalue()))


def stored_space(made: Space, *, like: Space) -> Space:
    """The space that an index stores vectors of a model's space in."""
    return compact_space(made) if is_compact(like) else made


def is_compact(space: Space) -> bool:
    """Whether a leg's token vectors are stored small."""
    return "compact" in space.facts


def _read(stored: bytes) -> TokenCodec:
    try:
        return TokenCodec(np.load(io.BytesIO(stored), allow_pickle=False))
    except ValueError as error:
        raise IndexDamagedError(
            f"expected the principal axes of the index's token vectors, got {error}: restore the "
            "index from a backup"
        ) from error
