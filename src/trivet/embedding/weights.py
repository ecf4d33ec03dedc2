"""Weights that are loaded once, at the first text, and what they make in its spaces."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trivet.embedding.spec import EncoderSpec, VocabularyWeights
from trivet.types import DenseVectors, Mode, MultiVectors, Representations, Space, SparseVectors

if TYPE_CHECKING:
    from trivet.embedding.job import Made, Represents
    from trivet.embedding.static import StaticQueries


class Weights:
    """The weights of a checkpoint, shared by all embedders of it that were made of one another.

    Args:
        spec: the checkpoint.
        modes: the legs whose heads are loaded.
        precision: of the backbone.
        runner: the weights themselves, where they had to be loaded to learn what the model is.
    """

    def __init__(
        self,
        spec: EncoderSpec,
        modes: Sequence[Mode],
        precision: str,
        runner: Represents | None = None,
    ) -> None:
        self._spec = spec
        self._precision = precision
        self._modes = tuple(modes)
        self._runner = runner
        self._static: StaticQueries | None = None
        self._lock = threading.Lock()

    @property
    def are_loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._runner is not None

    def runner(self) -> Represents:
        """The loaded weights; whoever comes first loads them.

        Raises:
            CheckpointError: weights are missing, damaged or of an unknown architecture.
        """
        with self._lock:
            if self._runner is None:
                # The door to torch and transformers: seconds and hundreds of megabytes.
                from trivet.embedding.runner import load_runner

                self._runner = load_runner(self._spec, self._modes, self._precision)
            return self._runner

    def static_queries(self) -> StaticQueries | None:
        """What makes queries without the model; None where they go the way of documents.

        Raises:
            CheckpointError: its files are missing or damaged.
        """
        head = self._spec.sparse
        if not isinstance(head, VocabularyWeights) or head.query_folder is None:
            return None
        with self._lock:
            if self._static is None:
                # As above: torch reads the file.
                from trivet.embedding.static import StaticQueries

                self._static = StaticQueries.read(head.query_folder)
            return self._static


def in_spaces(made: Made | None, spaces: Mapping[Mode, Space]) -> Representations:
    """The legs that a runner made, each in its space; of None, legs of no text."""
    dense = sparse = multi = None
    if "dense" in spaces:
        space = spaces["dense"]
        rows = None if made is None else made.dense
        empty = np.zeros((0, space.dims or 0), dtype=np.float32)
        dense = DenseVectors(space, empty if rows is None else rows)
    if "sparse" in spaces:
        weights = (made.sparse if made else None) or ()
        sparse = SparseVectors(spaces["sparse"], tuple(weights))
    if "multi" in spaces:
        tokens = (made.multi if made else None) or ()
        multi = MultiVectors(spaces["multi"], tuple(tokens))
    return Representations(dense=dense, sparse=sparse, multi=multi)
