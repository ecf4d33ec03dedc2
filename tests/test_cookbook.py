"""The notebooks of the cookbook, as they are stored; `make cookbook` runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

COOKBOOK = Path(__file__).parents[1] / "cookbook"
NOTEBOOKS = sorted(COOKBOOK.glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_no_outputs_are_stored(notebook: Path) -> None:
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_the_readme_names_every_notebook() -> None:
    readme = (COOKBOOK / "README.md").read_text("utf-8")
    assert [path.name for path in NOTEBOOKS if path.name not in readme] == []
