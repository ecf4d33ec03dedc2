"""Weights that are loaded once, at the first text, and what they make in its spaces."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trivet.embedding.batching import TOKEN_BUDGET
from trivet.embedding.coalescing import Coalescer
from trivet.embedding.processes import ENOUGH_TOKENS, DeviceProcesses
from trivet.embedding.spec import EncoderSpec, VocabularyWeights
from trivet.embedding.tokenizing import TokenisedText
from trivet.errors import CheckpointError
from trivet.own_process import OwnProcess
from trivet.types import DenseVectors, Mode, MultiVectors, Representations, Space, SparseVectors

if TYPE_CHECKING:
    from trivet.embedding.job import Job, Made, Represents
    from trivet.embedding.static import StaticQueries
    from trivet.embedding.tokenizing import TokenisedText


class Weights:
    """The weights of a checkpoint, shared by all embedders of it that were made of one another.

    Args:
        spec: the checkpoint.
        modes: the legs whose heads are loaded.
        precision: of the backbone.
        devices: that compute; None = the best one.
        runner: the weights themselves, where they had to be loaded to learn what the model is.
        backbone_of: weights of the same checkpoint whose backbone is taken; None = its own.
    """

    def __init__(
        self,
        spec: EncoderSpec,
        modes: Sequence[Mode],
        precision: str,
        devices: Sequence[str] | None = None,
        runner: Represents | None = None,
        backbone_of: Weights | None = None,
    ) -> None:
        self.precision = precision
        self._spec = spec
        self._modes = tuple(modes)
        self._device = None if devices is None else devices[0]
        self._processes: DeviceProcesses | None = None
        if devices is not None and len(devices) > 1:
            self._processes = DeviceProcesses(spec, self._modes, precision, devices)
        self._backbone_of = backbone_of
        self._runner = runner
        self._owner = None if runner is None else _this_process()
        self._static: StaticQueries | None = None
        self._lock = threading.Lock()
        self._coalescer = Coalescer(self._run, limit=TOKEN_BUDGET)
        self._stamps = _stamps(spec)

    @property
    def are_loaded(self) -> bool:
        """Whether the weights are in memory, here or in processes of their own."""
        running = self._processes is not None and self._processes.are_running
        return self._runner is not None or running

    def load(self) -> None:
        """Load the weights, where the texts of a bulk go; errors as in `runner`."""
        self._require_own()
        if self._processes is None:
            self.runner()
        else:
            self._require_unchanged()
            self._processes.start()

    def close(self) -> None:
        """End the processes, if there are any."""
        if self._processes is not None:
            self._processes.close()

    def represent(self, texts: Sequence[TokenisedText], job: Job) -> Made:
        """Embed n ≥ 1 texts: in processes of several devices if they run or there is much to do.

        On one device, together with other calls where that is of use (`Coalescer`).

        Raises:
            CheckpointError: as in `runner`.
            EmbeddingError: the model failed on a batch, or a process died.
            ForkedProcessError: this process was forked from one in which they are loaded.
        """
        self._require_own()
        processes = self._processes
        if processes is None:
            alone = self.precision == "float32" or not self.runner().gains_by_company
            return (self._run if alone else self._coalescer.represent)(texts, job)
        if not processes.are_running:
            if sum(len(text.ids) for text in texts) < ENOUGH_TOKENS:
                return self.runner().represent(texts, job)
            self._require_unchanged()
        return processes.represent(texts, job)

    def runner(self) -> Represents:
        """The loaded weights; whoever comes first loads them.

        Raises:
            CheckpointError: weights are missing, damaged, of an unknown architecture, or not those
                any more that the checkpoint was read with.
        """
        with self._lock:
            if self._runner is None:
                self._require_unchanged()
                # The door to torch and transformers: seconds and hundreds of megabytes.
                from trivet.embedding.runner import Runner, load_runner

                of = None if self._backbone_of is None else self._backbone_of.runner()
                shared = of.backbone if isinstance(of, Runner) else None
                self._runner = load_runner(
                    self._spec, self._modes, self.precision, self._device, shared
                )
            return self._runner

    def with_heads(self, spec: EncoderSpec, modes: Sequence[Mode]) -> Weights:
        """Other heads over the same backbone, which is loaded once for both."""
        return Weights(spec, modes, self.precision, backbone_of=self)

    def _require_own(self) -> None:
        """Refuse to compute in a process that was forked from the one that began to."""
        if self._owner is None:
            self._owner = _this_process()
        if not self._owner.is_this:
            # A door: where weights are, torch is.
            from trivet.embedding.kernels.hardware import computes_in_one_thread

            if not computes_in_one_thread():  # which would wait for those that were not forked
                self._owner.require()

    def _require_unchanged(self) -> None:
        """Refuse files that were replaced since their sums became the spaces' facts."""
        now = _stamps(self._spec)
        changed = [file for file, stamp in self._stamps.items() if now.get(file) != stamp]
        if changed:
            raise CheckpointError(
                f"expected {changed[0]} as it was when the model was opened, got another: open the "
                "model again"
            )

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


def _this_process() -> OwnProcess:
    return OwnProcess(
        "a loaded model",
        "load the model there, after the fork, or call torch.set_num_threads(1) in both",
    )


def _stamps(spec: EncoderSpec) -> dict[Path, tuple[int, int]]:
    """Size and time of each file that is read with the weights."""
    found = {}
    for file in spec.files:
        if file.is_file():
            stat = file.stat()
            found[file] = (stat.st_size, stat.st_mtime_ns)
    return found


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
