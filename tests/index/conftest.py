"""Indexes on every engine, embedded by the tiny checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from stored import collection_of_its_own
from stub_server import StubServer

import trivet


@pytest.fixture(scope="session")
def tiny_embedder(tiny_model: Path) -> trivet.Embedder:
    return trivet.Embedder.load(tiny_model)


@pytest.fixture(
    params=[
        "folder",
        "memory",
        pytest.param("stub", marks=pytest.mark.loopback),
        pytest.param("server", marks=pytest.mark.server),
    ]
)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "stub":
        with StubServer() as server:
            yield server.url
    elif request.param == "server":
        yield os.environ["TRIVET_QDRANT_URL"]
    else:
        yield str(tmp_path / "index") if request.param == "folder" else ":memory:"


@pytest.fixture
def open_index(
    location: str, tiny_embedder: trivet.Embedder
) -> Iterator[Callable[..., trivet.Index]]:
    with ExitStack() as stack:
        place = {}
        if "://" in location:
            place = {"collection": stack.enter_context(collection_of_its_own(location))}

        def open_it(**options: object) -> trivet.Index:
            index = trivet.open(location, **{"model": tiny_embedder, **place, **options})
            return stack.enter_context(index)

        yield open_it


@pytest.fixture
def index(open_index: Callable[..., trivet.Index]) -> trivet.Index:
    return open_index()
