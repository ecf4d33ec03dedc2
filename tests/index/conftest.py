"""Indexes on every engine, embedded by the tiny checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import engines
import pytest

import trivet


@pytest.fixture(scope="session")
def tiny_embedder(tiny_model: Path) -> trivet.Embedder:
    return trivet.Embedder.load(tiny_model)


@pytest.fixture(params=engines.ALL)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with engines.location_of(request.param, tmp_path / "index") as location:
        yield location


@pytest.fixture
def open_index(
    location: str, tiny_embedder: trivet.Embedder
) -> Iterator[Callable[..., trivet.Index]]:
    with engines.opening(location, model=tiny_embedder) as open_it:
        yield open_it


@pytest.fixture
def index(open_index: Callable[..., trivet.Index]) -> trivet.Index:
    """Of two legs, for tests that would learn nothing from token vectors."""
    return open_index(modes=["dense", "sparse"])
