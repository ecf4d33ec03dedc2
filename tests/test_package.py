"""What the package shows to the world, and what importing it costs."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import trivet
from trivet import errors

ROOT = Path(__file__).parents[1]
# All that is read by people: the sources, their tests, and what is measured and shown with them.
FOLDERS = ("src", "tests", "benchmarks", "cookbook", "integrations/*/src", "integrations/*/tests")
SOURCES = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/**/*.py"))
HEAVY = ("torch", "transformers", "sentence_transformers", "qdrant_client", "qdrant_edge")


def test_importing_loads_nothing_heavy() -> None:
    program = f"""
import json, sys, time
start = time.process_time()
import numpy, pydantic
given = time.process_time()
import trivet
own = time.process_time() - given
print(json.dumps([own / (given - start), [m for m in {HEAVY!r} if m in sys.modules]]))
"""
    # Half a second of CPU with NumPy and pydantic, of which our modules take about twice what those
    # take, on a machine of any speed; the best of ten, since what else runs there adds to it.
    shares: list[float] = []
    while len(shares) < 10 and min(shares, default=9.0) >= 4.0:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        share, loaded = json.loads(done.stdout)
        assert loaded == []
        shares.append(share)
    assert min(shares) < 4.0


def test_the_public_names_are_those_that_are_there() -> None:
    public = {
        name
        for name, value in vars(trivet).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public == set(trivet.__all__)
    assert trivet.__all__ == sorted(trivet.__all__)


def test_every_distribution_carries_the_licence() -> None:
    licence = ROOT / "LICENSE"
    for project in (ROOT, *(path.parent for path in ROOT.glob("integrations/*/pyproject.toml"))):
        stated = (project / "pyproject.toml").read_text("utf-8")
        assert 'license-files = ["LICENSE"]' in stated
        assert (project / "LICENSE").read_bytes() == licence.read_bytes()


def test_every_error_is_a_trivet_error_and_drawn_in_the_tree() -> None:
    classes = [c for c in vars(errors).values() if inspect.isclass(c)]
    assert len(classes) > 15
    for error in classes:
        assert issubclass(error, errors.TrivetError)
        assert error.__name__ in (errors.__doc__ or "")
        assert error.__doc__


def test_public_calls_have_docstrings_and_annotations() -> None:
    for name in trivet.__all__:
        value = getattr(trivet, name)
        assert value.__doc__, name
        for part, function in inspect.getmembers(value, inspect.isfunction):
            if not part.startswith("_") and function.__module__.startswith("trivet"):
                assert function.__doc__, f"{name}.{part}"
                assert "return" in function.__annotations__, f"{name}.{part}"


def test_every_file_says_what_it_is_for_and_is_read_in_one_go() -> None:
    assert len(SOURCES) > 600
    for path in SOURCES:
        source = path.read_text("utf-8")
        tree = ast.parse(source)
        assert ast.get_docstring(tree), path
        assert len(source.splitlines()) <= 300, path
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert body_lines(node) <= 40, f"{path}: {node.name}"


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How long a function is: its lines less those of its docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        text = function.body[0]
        lines -= (text.end_lineno or 0) - text.lineno + 1
    return lines
