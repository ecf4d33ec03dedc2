"""One process for each device, which share the texts of a call."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from trivet.embedding.batching import TOKEN_BUDGET, plan_batches
from trivet.embedding.job import Job, Made
from trivet.embedding.spec import EncoderSpec
from trivet.embedding.tokenizing import TokenisedText
from trivet.errors import EmbeddingError, TrivetError
from trivet.types import Mode

logger = logging.getLogger(__name__)

# Tokens of a call that start the processes, which takes seconds: the first of a bulk of texts.
ENOUGH_TOKENS = 16_384
# Pieces of a call for each process: the quick ones take more of them.
_SHARES = 4
_GOODBYE_S = 5.0


@dataclass(frozen=True, eq=False)
class _Worker:
    device: str
    process: BaseProcess
    connection: Connection[Any, Any]


class DeviceProcesses:
    """The weights of a checkpoint in processes of their own, started when they are first needed.

    Calls of several threads take turns. The processes end with this object, or by `close`.

    Args:
        spec: the checkpoint.
        modes: the legs whose heads are loaded.
        precision: of the backbone.
        devices: one process each.
    """

    def __init__(
        self, spec: EncoderSpec, modes: Sequence[Mode], precision: str, devices: Sequence[str]
    ) -> None:
        self._facts = (spec, tuple(modes), precision)
        self._devices = tuple(devices)
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _stop, self._workers)

    @property
    def are_running(self) -> bool:
        """Whether they hold the weights now."""
        return bool(self._workers)

    def start(self) -> None:
        """Start them, if they do not run.

        Raises:
            CheckpointError: the weights cannot be loaded.
            InvalidInputError: a device that is not there.
            EmbeddingError: a process died.
        """
        with self._lock:
            self._start()

    def close(self) -> None:
        """End them; the next texts start them anew."""
        with self._lock:
            _stop(self._workers)

    def represent(self, texts: Sequence[TokenisedText], job: Job) -> Made:
        """Embed n ≥ 1 texts, in pieces of about as many tokens; errors as in `start`."""
        lengths = [len(text.ids) for text in texts]
        share = sum(lengths) // (_SHARES * len(self._devices))
        pieces = plan_batches(lengths, budget=max(TOKEN_BUDGET, share))
        with self._lock:
            self._start()
            try:
                parts = self._share_out([[texts[i] for i in piece] for piece in pieces], job)
            except TrivetError:
                raise
            except BaseException:  # an interrupt: what they are at is no answer to the next call
                _stop(self._workers)
                raise
        return Made.joined(parts, pieces)

    def _start(self) -> None:
        if self._workers and all(worker.process.is_alive() for worker in self._workers):
            return
        _stop(self._workers)
        logger.info("starting a process on each of %s", ", ".join(self._devices))
        neighbours = self._devices.count("cpu")
        try:
            for device in self._devices:
                self._workers.append(_begin(device, (*self._facts, device, neighbours)))
            for worker in self._workers:
                _heard(worker)
        except BaseException:
            _stop(self._workers)
            raise

    def _share_out(self, pieces: Sequence[Sequence[TokenisedText]], job: Job) -> list[Made]:
        """Give each process a piece whenever it has none, and collect what they make."""
        made: dict[int, Made] = {}
        failed: list[TrivetError] = []
        left = iter(enumerate(pieces))
        busy: dict[int, tuple[_Worker, int]] = {}
        for worker in self._workers:
            self._give(worker, left, job, busy)
        while busy:
            watched = [worker for worker, _ in busy.values()]
            wait([w.connection for w in watched] + [w.process.sentinel for w in watched])
            for worker in watched:
                if not worker.connection.poll() and worker.process.is_alive():
                    continue
                _, number = busy.pop(id(worker))
                try:
                    answer = _heard(worker)
                    assert isinstance(answer, Made)  # says `_serve`
                    made[number] = answer
                except _DeathError:
                    _stop(self._workers)
                    raise
                except TrivetError as error:  # the others' answers still have to be heard
                    failed.append(error)
                if not failed:
                    self._give(worker, left, job, busy)
        if failed:
            raise failed[0]
        return [made[number] for number in range(len(pieces))]

    def _give(
        self,
        worker: _Worker,
        left: Iterator[tuple[int, Sequence[TokenisedText]]],
        job: Job,
        busy: dict[int, tuple[_Worker, int]],
    ) -> None:
        piece = next(left, None)
        if piece is None:
            return
        number, texts = piece
        try:
            worker.connection.send((texts, job))
        except OSError:
            died = _death(worker)
            _stop(self._workers)
            raise died from None
        busy[id(worker)] = (worker, number)


class _DeathError(EmbeddingError):
    """A process that ended unasked."""


def _begin(device: str, facts: tuple[Any, ...]) -> _Worker:
    context = multiprocessing.get_context("spawn")  # a GPU cannot be shared by a fork
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, *facts), daemon=True)
    try:
        process.start()
    except Exception as error:  # of the system, or of what may not start processes
        raise EmbeddingError(
            f"expected a process on {device}, got {type(error).__name__} ({error}): leave devices "
            "out, or name one"
        ) from error
    theirs.close()  # so that its death ends our reading
    return _Worker(device, process, ours)


def _heard(worker: _Worker) -> object:
    """What a process says next, raised where it is an error."""
    try:
        said = worker.connection.recv()
    except (EOFError, OSError):
        raise _death(worker) from None
    if isinstance(said, TrivetError):
        raise said
    return said


def _death(worker: _Worker) -> _DeathError:
    worker.process.join(_GOODBYE_S)
    return _DeathError(
        f"expected vectors from the process on {worker.device}, which ended with code "
        f"{worker.process.exitcode}: check that there is memory for a model on each device, and "
        'that a script keeps its own code under if __name__ == "__main__":'
    )


def _stop(workers: list[_Worker]) -> None:
    """End processes and forget them."""
    for worker in workers:
        worker.connection.close()
        worker.process.terminate()
    for worker in workers:
        worker.process.join(_GOODBYE_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.process.close()
    workers.clear()


def _serve(
    connection: Connection[Any, Any],
    spec: EncoderSpec,
    modes: tuple[Mode, ...],
    precision: str,
    device: str,
    neighbours: int,
) -> None:
    """What a process does: load the weights, and answer each piece with its legs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asks is interrupted, and ends us
    # The door to torch and transformers.
    import torch

    from trivet.embedding.runner import load_runner

    if device == "cpu":
        torch.set_num_threads(max(1, torch.get_num_threads() // neighbours))
    try:
        runner = load_runner(spec, modes, precision, device)
        connection.send(None)
        while True:
            texts, job = connection.recv()
            try:
                connection.send(runner.represent(texts, job))
            except TrivetError as error:
                connection.send(_plain(error))
    except TrivetError as error:
        connection.send(_plain(error))
    except (EOFError, OSError):
        return  # the one who asks is gone


def _plain(error: TrivetError) -> TrivetError:
    """An error as it can be sent: without what it came from."""
    return type(error)(str(error))
