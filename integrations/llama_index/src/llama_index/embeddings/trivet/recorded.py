"""An embedder as the few words that load it again: what goes to another process in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trivet import Embedder
from trivet.embedding.hosted import WRAPPED
from trivet.embedding.reloading import reload
from trivet.errors import InvalidInputError, SpaceMismatchError


@dataclass(frozen=True)
class RecordedEmbedder:
    """What loads an embedder again, and by what it is known to be the same.

    Attributes:
        source: of the embedder, like `recipe`.
        recipe: JSON.
        fingerprints: of its spaces, by mode.
    """

    source: str
    recipe: Mapping[str, Any]
    fingerprints: Mapping[str, str]

    @classmethod
    def of(cls, embedder: Embedder) -> RecordedEmbedder:
        """The record of an embedder.

        Raises:
            InvalidInputError: it is wrapped, or a part of it is: no file holds its calls.
        """
        if _is_wrapped(embedder.source, embedder.recipe):
            raise InvalidInputError(
                f"expected a model that a name or a folder loads again, got {embedder.name!r}, "
                "which is wrapped: its calls cannot go to another process; run the pipeline "
                "without num_workers"
            )
        return cls(embedder.source, dict(embedder.recipe), _fingerprints(embedder))

    def loaded(self) -> Embedder:
        """The embedder.

        Raises:
            ModelNotFoundError, CheckpointError: it cannot be found or read here.
            SpaceMismatchError: what is found there now makes other vectors.
        """
        embedder = reload(self.source, self.recipe, list(self.fingerprints))
        if _fingerprints(embedder) != self.fingerprints:
            raise SpaceMismatchError(
                f"expected the model at {self.source!r} as it was, got one with other vectors: "
                "its files have changed"
            )
        return embedder


def _fingerprints(embedder: Embedder) -> dict[str, str]:
    return {mode: space.fingerprint for mode, space in embedder.spaces.items()}


def _is_wrapped(source: str, recipe: Mapping[str, Any]) -> bool:
    parts = recipe.get("parts", {}).values()
    return source.startswith(WRAPPED) or any(_is_wrapped(p["source"], p["recipe"]) for p in parts)
