"""Indexes on every engine, embedded by the tiny checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import trivet


@pytest.fixture(scope="session")
def tiny_embedder(tiny_model: Path) -> trivet.Embedder:
    return trivet.Embedder.load(tiny_model)


@pytest.fixture(params=["folder", "memory"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "index") if request.param == "folder" else ":memory:"


@pytest.fixture
def open_index(
    location: str, tiny_embedder: trivet.Embedder
) -> Iterator[Callable[..., trivet.Index]]:
    opened: list[trivet.Index] = []

    def open_it(**options: object) -> trivet.Index:
        opened.append(trivet.open(location, **{"model": tiny_embedder, **options}))
        return opened[-1]

    yield open_it
    for index in opened:
        index.close()


@pytest.fixture
def index(open_index: Callable[..., trivet.Index]) -> trivet.Index:
    return open_index()
