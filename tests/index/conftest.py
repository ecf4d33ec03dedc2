"""Indexes on every engine, embedded by the tiny checkpoint."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qdrant_client import QdrantClient
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
    opened: list[trivet.Index] = []
    place = {"collection": f"trivet-test-{uuid.uuid4().hex}"} if "://" in location else {}

    def open_it(**options: object) -> trivet.Index:
        opened.append(trivet.open(location, **{"model": tiny_embedder, **place, **options}))
        return opened[-1]

    yield open_it
    for index in opened:
        index.close()
    if place and opened:
        drop_collections(location, place["collection"])


def drop_collections(url: str, name: str) -> None:
    client = QdrantClient(url, check_compatibility=False)
    for collection in (name, f"{name}__journal"):
        client.delete_collection(collection)
    client.close()


@pytest.fixture
def index(open_index: Callable[..., trivet.Index]) -> trivet.Index:
    return open_index()
