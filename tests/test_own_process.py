"""An index and a loaded model are refused in a process that was forked, where they would hang."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import trivet

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork"),
    # What Python 3.12 and later say of a fork beside threads: that is what is tried here.
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def told_by_fork(does: Callable[[], object]) -> str:
    """What a call in a forked process came to: the name of its error and the message."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(300)  # against a hang: what is told then is nothing
        try:
            told = f"done: {does()}"
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent hears of it
            told = f"{type(error).__name__}: {error}"
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


def test_an_index_in_a_folder_is_refused_and_the_parents_goes_on(
    tmp_path: Path, tiny_model: Path
) -> None:
    with trivet.open(tmp_path / "index", model=tiny_model) as index:
        index.add(["a kedge is an anchor"], ids=["kedge"])
        calls = {
            "search": lambda: index.search("anchor"),
            "asearch": lambda: asyncio.run(index.asearch("anchor")),
            "add": lambda: index.add(["another"], ids=["child"]),
            "delete": lambda: index.delete(["kedge"]),
            "count": index.count,
            "describe": index.describe,
        }
        for name, call in calls.items():
            told = told_by_fork(call)
            assert told.startswith("ForkedProcessError: expected the index"), (name, told)
            assert "open it there, after the fork" in told
        assert told_by_fork(index.close) == "done: None"
        index.add(["leeway is a drift"], ids=["leeway"])
        assert {hit.id for hit in index.search("anchor")} == {"kedge", "leeway"}
    with trivet.open(tmp_path / "index", model=tiny_model) as index:
        assert index.count() == 2


def test_a_model_that_has_computed_is_refused(tiny_model: Path) -> None:
    embedder = trivet.Embedder.load(tiny_model)
    embedder.embed_queries(["anchor"])
    told = told_by_fork(lambda: embedder.embed_queries(["anchor"]))
    assert told.startswith("ForkedProcessError: expected a loaded model")
    assert "load the model there" in told
