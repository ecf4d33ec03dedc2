"""Weights that are loaded once, at the first text, and what they make in its spaces."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trivet.embedding.batching import TOKEN_BUDGET
from trivet.embedding.coalescing import Coalescer
from trivet.embedding.spec import EncoderSpec, VocabularyWeights
from trivet.embedding.tokenizing import TokenisedText
from trivet.types import DenseVectors, Mode, MultiVectors, Representations, Space, SparseVectors

if TYPE_CHECKING:
    from trivet.embedding.job import Job, Made, Represents
    from trivet.embedding.static import StaticQueries


class Weights:
    """The weights of a checkpoint, shared by all embedders of it that were made of one another.

    Args:
        spec: the checkpoint.
        modes: the legs whose heads are loaded.
        precision: of the backbone.
        runner: the weights themselves, where they had to be loaded to learn what the model is.
        backbone_of: weights of the same checkpoint whose backbone is taken; None = its own.
    """

    def __init__(
        self,
        spec: EncoderSpec,
        modes: Sequence[Mode],
        precision: str,
        runner: Represents | None = None,
        backbone_of: Weights | None = None,
    ) -> None:
        self.precision = precision
        self._spec = spec
        self._modes = tuple(modes)
        self._backbone_of = backbone_of
        self._runner = runner
        self._static: StaticQueries | None = None
        self._lock = threading.Lock()
        self._coalescer = Coalescer(self._run, limit=TOKEN_BUDGET)

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
                from trivet.embedding.runner import Runner, load_runner

                of = None if self._backbone_of is None else self._backbone_of.runner()
                shared = of.backbone if isinstance(of, Runner) else None
                self._runner = load_runner(self._spec, self._modes, self.precision, shared)
            return self._runner

    def represent(self, texts: Sequence[TokenisedText], job: Job) -> Made:
        """The legs of n ≥ 1 texts, together with other calls where that is of use (`Coalescer`).

        Raises:
            CheckpointError: weights are missing, damaged or of an unknown architecture.
            EmbeddingError: the model failed on a batch.
        """
        alone = self.precision == "float32" or not self.runner().gains_by_company
        return (self._run if alone else self._coalescer.represent)(texts, job)

    def with_heads(self, spec: EncoderSpec, modes: Sequence[Mode]) -> Weights:
        """Other heads over the same backbone, which is loaded once for both."""
        return Weights(spec, modes, self.precision, backbone_of=self)

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

    def _run(self, texts: Sequence[TokenisedText], job: Job) -> Made:
        return self.runner().represent(texts, job)


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
