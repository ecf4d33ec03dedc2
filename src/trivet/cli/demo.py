"""`trivet demo`: the documentation of Python's standard library, indexed and asked questions."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

import trivet
from trivet.cli import render
from trivet.cli.indexing import as_failure
from trivet.cli.places import open_or_make
from trivet.cli.progress import watched
from trivet.types import Document

QUESTIONS = (
    "open a zip archive and list its members",
    "run a command and capture its output",
    "read a CSV file as dictionaries",
    "make a temporary folder that is deleted afterwards",
    "send an e-mail over an encrypted connection",
    "cache the results of a function",
    "find all files whose names match a pattern",
    "parse a date from a string",
    "split a string on every comma",
    "measure how long a piece of code takes",
)
HITS = 3


def run_demo(
    location: str | os.PathLike[str],
    *,
    corpus: Callable[[], Sequence[Document]],
    model: str | None = None,
) -> int:
    """Index the corpus, ask the questions, and say what to try next.

    Args:
        location: of the index, as `open_or_make` takes it; a second run resumes.
        corpus: reads the documents.
        model: model of a new index; None = as stored, or the default.

    Returns:
        The exit code: 3 if a document failed, else 0.
    """
    console = render.output()
    with render.waiting("Opening the index"):
        index = open_or_make(location, model=model)
    with index:
        with render.waiting("Reading docstrings"):
            documents = corpus()
        console.print(
            f"{render.plural(len(documents), 'docstring')} in the standard library of "
            f"Python {platform.python_version()}",
            soft_wrap=True,
        )
        with watched(len(documents), lambda report: report.total) as watch:
            report = index.upsert(documents, progress=watch)
        console.print(render.ingested(report, len(report.failed)), soft_wrap=True)
        render.print_failures(map(as_failure, report.failed))
        with render.waiting("Loading the model"):
            index.search(QUESTIONS[0], k=1)  # so that no question is timed with the loading
        for question in QUESTIONS:
            _ask(index, question, console)
    _what_next(location, console)
    return 3 if report.failed else 0


def _ask(index: trivet.Index, question: str, console: Console) -> None:
    """Print a question, the time it took and the best hits."""
    started = time.perf_counter()
    hits = index.search(question, k=HITS)
    elapsed_ms = 1000 * (time.perf_counter() - started)
    console.print()
    console.print(Text.assemble((question, "bold green"), (f"  {elapsed_ms:.0f} ms", "dim")))
    render.print_hit_rows(hits)


def _what_next(location: str | os.PathLike[str], console: Console) -> None:
    """Print three commands that work as they stand."""
    program, folder = _program(), shlex.quote(os.fspath(location))
    console.print()
    console.print("Try next:", style="bold")
    for command in (
        f'{program} search "compress a file" --index {folder}',
        f"{program} info --index {folder}",
        f"{program} index . --index my-index",
    ):
        console.print(Text(f"  {render.one_line(command)}", style="cyan"), soft_wrap=True)


def _program() -> str:
    """How the user can call the program that is running: by its name if that finds it."""
    running = Path(sys.argv[0])
    if running.name == "__main__.py":
        return "python -m trivet"
    on_path = shutil.which("trivet")
    if on_path is not None and running.exists() and running.samefile(on_path):
        return "trivet"
    return shlex.quote(os.path.relpath(running))
