"""What the tests of the plug-in share: the tiny checkpoint of the core's tests, and no network."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_index.vector_stores.trivet import TrivetVectorStore
from pytest_socket import disable_socket

import trivet

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "store"), str(Path(__file__).parent)]


def pytest_runtest_setup() -> None:
    disable_socket(allow_unix_socket=True)


@pytest.fixture(scope="session")
def tiny_embedder(tmp_path_factory: pytest.TempPathFactory) -> trivet.Embedder:
    from checkpoints import Recipe, build_checkpoint

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    return trivet.Embedder.load(build_checkpoint(folder, Recipe(seed=0)))


@pytest.fixture(scope="session")
def tiny_model_other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from checkpoints import Recipe, build_checkpoint

    return build_checkpoint(tmp_path_factory.mktemp("checkpoints") / "other", Recipe(seed=1))


@pytest.fixture(params=["folder", ":memory:"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, tiny_embedder: trivet.Embedder
) -> Iterator[TrivetVectorStore]:
    place = tmp_path / "index" if request.param == "folder" else request.param
    made = TrivetVectorStore(location=place, embedding=tiny_embedder.only(["dense"]))
    yield made
    made.close()


@pytest.fixture
def memory_store(tiny_embedder: trivet.Embedder) -> Iterator[TrivetVectorStore]:
    made = TrivetVectorStore(location=":memory:", embedding=tiny_embedder.only(["dense"]))
    yield made
    made.close()
