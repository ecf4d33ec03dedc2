"""Runs command lines in this process, on the tiny checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from trivet.cli import running
from trivet.cli.indexing import index_paths


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def trivet_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """`trivet_run("search", "kedge", "--index", folder)` as if typed in a shell."""
    for name, setting in running.QUIET.items():
        monkeypatch.setenv(name, setting)

    def run(*arguments: object) -> Result:
        code = running.run([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run


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
    return shutil.copytree(made_index, tmp_path / "index")


def write_library(folder: Path) -> Path:
    folder.mkdir()
    (folder / "kedge.md").write_text("# Kedge\n\nA kedge is a light anchor.\n")
    (folder / "leeway.txt").write_text("Leeway is sideways drift.")
    (folder / "rows.jsonl").write_text('{"text": "Tide and current.", "id": "tide"}\n')
    return folder
