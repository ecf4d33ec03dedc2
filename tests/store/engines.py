"""The places that an index may lie in, for tests that run on each of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from stored import collection_of_its_own
from stub_server import StubServer

import trivet

LASTING = [
    "folder",
    pytest.param("stub", marks=pytest.mark.loopback),
    pytest.param("server", marks=pytest.mark.server),
]
ALL = ["memory", *LASTING]


@contextmanager
def location_of(engine: str, folder: Path) -> Iterator[str]:
    """What `trivet.open` calls a place on that engine."""
    if engine == "stub":
        with StubServer() as server:
            yield server.url
    elif engine == "server":
        yield os.environ["TRIVET_QDRANT_URL"]
    else:
        yield str(folder) if engine == "folder" else ":memory:"


@contextmanager
def opening(location: str, **usual: object) -> Iterator[Callable[..., trivet.Index]]:
    """A function that opens one index, as often as it is called; in the end all are closed."""
    with ExitStack() as stack:
        if "://" in location:
            usual["collection"] = stack.enter_context(collection_of_its_own(location))

        def open_it(**options: object) -> trivet.Index:
            return stack.enter_context(trivet.open(location, **{**usual, **options}))

        yield open_it
