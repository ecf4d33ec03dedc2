"""Each distribution names every package that it imports, with a range and a tested version."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
PROJECTS = [ROOT, *sorted(path.parent for path in ROOT.glob("integrations/*/pyproject.toml"))]
OWN = {"trivet", "langchain_trivet"}


def plain(name: str) -> str:
    """The name of a distribution, as all its spellings are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(project: Path) -> Iterator[Requirement]:
    """What a distribution states that it needs, with its extras."""
    stated = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    extras = stated.get("optional-dependencies", {})
    for each in [stated["dependencies"], *extras.values()]:
        yield from map(Requirement, each)


def imported(project: Path) -> set[str]:
    """The packages that the sources of a distribution import, but for Python's own."""
    names: set[str] = set()
    for path in (project / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module or "")
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - OWN


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_every_package_that_is_imported_is_named(project: Path) -> None:
    named = {plain(each.name) for each in requirements(project)}
    makers = packages_distributions()
    packages = imported(project)
    assert len(packages) >= 3
    unnamed = {p for p in packages if not named & {plain(maker) for maker in makers[p]}}
    assert unnamed == set()


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_every_requirement_has_a_range_and_a_version_that_was_tested(project: Path) -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if "==" in line)
    versions = {plain(name): version for name, version in tested.items()}
    for each in requirements(project):
        bounds = {one.operator for one in each.specifier}
        assert bounds == {"=="} or {">=", "<"} <= bounds, each
        if plain(each.name) != "trivet":
            assert each.specifier.contains(versions[plain(each.name)]), each
