"""Processes that start in milliseconds, and what they do until they are killed."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path

import trivet


@cache
def forkserver() -> BaseContext:
    """Forks processes from one that has loaded torch, which takes seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sentence_transformers", "trivet.embedding.runner", __name__])
    return context


class Writer:
    """A process that adds texts to an index, their numbers being their ids, and tells how far it is.

    Args:
        location: of the index.
        texts: to be added.
        batch_chunks: how many at a time.
        stops_after: so many committed batches, and waits to be killed; None = never.
        options: further ones of `trivet.open`, which can be pickled.
    """

    def __init__(
        self,
        location: Path | str,
        texts: Sequence[str],
        batch_chunks: int,
        *,
        stops_after: int | None = None,
        **options: object,
    ) -> None:
        self._told, self._tell = forkserver().Pipe(duplex=False)
        given = (self._tell, str(location), list(texts), batch_chunks, stops_after, options)
        self.process = forkserver().Process(target=_write, args=given)

    def start(self) -> None:
        self.process.start()
        self._tell.close()

    def wait_for(self, batches: int) -> None:
        """Until its model is loaded, and so many batches are committed."""
        for _ in range(1 + batches):
            self._told.recv()

    def committed(self) -> int:
        """How many documents it called committed; waits for its end."""
        last = 0
        with suppress(EOFError, OSError):
            while True:
                last = self._told.recv()
        self.process.join()
        self._told.close()
        return last


def _write(
    tell: Connection,
    location: str,
    texts: Sequence[str],
    batch_chunks: int,
    stops_after: int | None,
    options: dict[str, object],
) -> None:
    batches = 0

    def told(report: trivet.IngestReport) -> None:
        nonlocal batches
        tell.send(report.added + report.skipped)
        batches += 1
        if batches == stops_after:
            threading.Event().wait()

    settings = trivet.Settings(batch_chunks=batch_chunks)
    index = trivet.open(location, settings=settings, **options)
    index.search("load the weights")
    tell.send(0)
    index.add(texts, ids=[str(n) for n in range(len(texts))], progress=told)
