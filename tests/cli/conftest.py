"""A few files, and an index of them by the tiny checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from indexes import copy_index

from trivet.cli.indexing import index_paths


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A few files."""
    return write_library(tmp_path / "library")


@pytest.fixture(scope="session")
def made_index(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """An index of `library`, made once."""
    folder = tmp_path_factory.mktemp("made")
    index_paths(
        [write_library(folder / "library")],
        folder / "index",
        model=str(tiny_model),
        tenant=None,
        as_json=False,
    )
    return folder / "index"


@pytest.fixture
def indexed(made_index: Path, tmp_path: Path) -> Path:
    """A copy of that index, for one test to work on."""
    return copy_index(made_index, tmp_path / "index")


def write_library(folder: Path) -> Path:
    folder.mkdir()
    (folder / "kedge.md").write_text("# Kedge\n\nA kedge is a light anchor.\n")
    (folder / "leeway.txt").write_text("Leeway is sideways drift.")
    (folder / "rows.jsonl").write_text('{"text": "Tide and current.", "id": "tide"}\n')
    return folder
