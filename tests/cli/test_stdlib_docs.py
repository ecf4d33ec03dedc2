"""The corpus of the demo."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from trivet.cli.stdlib_docs import source_documents, standard_library
from trivet.errors import InvalidInputError
from trivet.query import text_problem

SOURCE = '''
"""A module."""
import sys

class Anchor:
    """An anchor."""
    def drop(self, depth=3):
        """Drop it."""
    def _hidden(self):
        """Nobody looks here."""
    class Chain:
        """Of many links."""

def silent(): pass

if sys.platform == "win32":
    def moor(ship): "Moor a ship on Windows."
else:
    async def moor(ship): """Moor a ship elsewhere."""
'''


@pytest.fixture(scope="module")
def documents():
    return standard_library()


def test_there_are_thousands_of_documents_each_with_its_own_id(documents):
    assert len(documents) >= 4_500  # some 5,500, and fewer with newer versions of Python
    assert len({document.id for document in documents}) == len(documents)
    assert not [document for document in documents if text_problem(document.text)]
    assert {document.metadata["kind"] for document in documents} == {
        "module",
        "class",
        "function",
        "method",
    }


def test_some_modules_alone_are_read_where_they_are_named(documents):
    some = standard_library(["zipfile", "math"])
    assert some == [d for d in documents if d.id.split(".")[0] in ("math", "zipfile")]
    with pytest.raises(InvalidInputError, match="got 'zipfle'"):
        standard_library(["math", "zipfle"])


def test_every_process_finds_the_same_documents():
    some = ["builtins", "datetime", "functools", "math", "os", "socket", "ssl", "sys", "zipfile"]
    script = (
        "from trivet.cli.stdlib_docs import standard_library; import hashlib; "
        f"print(hashlib.sha256(repr(standard_library({some})).encode()).hexdigest())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
        )
        for seed in ("1", "2")
    ]
    first, second = (process.communicate(timeout=600)[0] for process in processes)
    assert first
    assert first == second


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("zipfile.ZipFile.namelist", "method", "Return a list of file names in the archive."),
        ("subprocess.run", "function", "Run command with arguments"),
        ("tempfile", "module", "Temporary files."),
        ("bz2.BZ2File", "class", "A file object providing"),
        ("os.mkdir", "function", "Create a directory."),
        ("math.sqrt", "function", "Return the square root of x."),
        ("builtins.str.split", "method", "Return a list of the substrings"),
    ],
)
def test_names_that_everyone_knows_are_found(documents, name, kind, text):
    found = {document.id: document for document in documents}
    assert found[name].text.startswith(text)
    assert found[name].metadata == {"module": name.split(".")[0], "kind": kind}
    assert found[name].title.startswith(name)


def test_sources_are_read_without_being_run(tmp_path):
    (tmp_path / "ship.py").write_text(SOURCE)
    (tmp_path / "_private.py").write_text(SOURCE)
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "tests.py").write_text(SOURCE)
    (tmp_path / "port").mkdir()
    (tmp_path / "port" / "__init__.py").write_text('"""A package."""\nraise SystemExit')
    (tmp_path / "broken.py").write_text("def (:")
    found = [(d.id, d.title, d.text, d.metadata["kind"]) for d in source_documents(tmp_path)]
    assert found == [
        ("port", "port", "A package.", "module"),
        ("ship", "ship", "A module.", "module"),
        ("ship.Anchor", "ship.Anchor", "An anchor.", "class"),
        ("ship.Anchor.drop", "ship.Anchor.drop(self, depth=3)", "Drop it.", "method"),
        ("ship.Anchor.Chain", "ship.Anchor.Chain", "Of many links.", "class"),
        ("ship.moor", "ship.moor(ship)", "Moor a ship on Windows.", "function"),
        ("ship.moor", "ship.moor(ship)", "Moor a ship elsewhere.", "function"),
    ]
