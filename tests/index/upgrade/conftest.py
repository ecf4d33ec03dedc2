"""A model, the same after it drifted, an index of the first, and another program's collection."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import engines
import numpy as np
import pytest
from checkpoints import WORDS
from qdrant_client import QdrantClient, models
from safetensors.numpy import load_file, save_file
from stub_server import StubServer

import trivet
from trivet import Embedder

from .killer import Killer


@pytest.fixture(scope="session")
def drifted_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_model` after its weights moved a little."""
    folder = tmp_path_factory.mktemp("drifted") / "tiny"
    shutil.copytree(tiny_model, folder)
    random = np.random.default_rng(1)
    weights = {
        name: (v + 0.02 * np.abs(v).mean() * random.standard_normal(v.shape)).astype(v.dtype)
        for name, v in load_file(folder / "model.safetensors").items()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    random = np.random.default_rng(0)
    return {f"d{i}": " ".join(random.choice(WORDS, size=12)) for i in range(240)}


@pytest.fixture(params=engines.LASTING)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with engines.location_of(request.param, tmp_path / "index") as location:
        yield location


@pytest.fixture
def open_old(location: str) -> Iterator[Callable[..., trivet.Index]]:
    """Opens the index of a location; the first time with the old model."""
    with engines.opening(location) as open_it:
        yield open_it


@pytest.fixture
def index(
    open_old: Callable[..., trivet.Index], tiny_model: Path, texts: dict[str, str]
) -> trivet.Index:
    """Of two legs; what becomes of a third is in test_legs and test_three_legs."""
    index = open_old(model=tiny_model, modes=["dense", "sparse"])
    index.add(list(texts.values()), ids=list(texts), on_error="raise")
    return index


@pytest.fixture(scope="session")
def killer() -> Iterator[Killer]:
    killer = Killer()
    yield killer
    killer.close()


@pytest.fixture
def server() -> Iterator[StubServer]:
    with StubServer() as made:
        yield made


@pytest.fixture
def foreign(server: StubServer, tiny_model: Path, texts: dict[str, str]) -> Iterator[QdrantClient]:
    """A collection as langchain-qdrant makes it, behind the alias "notes"."""
    client = QdrantClient(url=server.url, check_compatibility=False)
    client.create_collection(
        "notes-1", models.VectorParams(size=32, distance=models.Distance.COSINE)
    )
    dense = Embedder.load(tiny_model, modes=["dense"]).embed_documents(list(texts.values())).dense
    assert dense is not None
    points = [
        models.PointStruct(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
            vector=row.tolist(),
            payload={"page_content": text, "metadata": {"name": name}},
        )
        for (name, text), row in zip(texts.items(), dense.values, strict=True)
    ]
    client.upsert("notes-1", points)
    lead = models.CreateAlias(collection_name="notes-1", alias_name="notes")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=lead)])
    yield client
    client.close()
