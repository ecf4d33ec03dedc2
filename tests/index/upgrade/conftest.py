"""A model, the same after it drifted, an unlike one, and an index of the first."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import engines
import numpy as np
import pytest
from checkpoints import WORDS
from safetensors.numpy import load_file, save_file

import trivet

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
