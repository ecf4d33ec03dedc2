"""What searches are made of is loaded by the first of them, and never in an event loop's thread."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from trivet.errors import SearchTimeoutError
from trivet.index import loading

PROGRAM = """
import asyncio, json, sys, threading
import trivet

loaded, threads = [], []

class Watching:
    def find_spec(self, name, path, target=None):
        if name == "qdrant_client":
            threads.append(threading.current_thread() is threading.main_thread())

def look():
    loaded.append("qdrant_client" in sys.modules)

async def ask(index):
    return await asyncio.gather(*(index.asearch("the anchor", k=1) for _ in range(5)))

sys.meta_path.insert(0, Watching())
with trivet.open(sys.argv[1], model=sys.argv[2]) as index:
    look()
    index.add(["an anchor holds", "bread is food"], ids=["a", "b"])
    index.get(["a"]), index.count(), index.describe()
    look()
    hits = asyncio.run(ask(index))
print(json.dumps([loaded, threads, [found[0].id for found in hits]]))
"""


def test_a_folder_is_filled_without_it_and_a_loop_loads_it_beside(
    tiny_model: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "index"), str(tiny_model)],
        capture_output=True, check=True,
    )  # fmt: skip
    loaded, in_main_thread, ids = json.loads(done.stdout)
    assert loaded == [False, False]
    assert in_main_thread == [False]
    assert ids == ["a"] * 5


async def test_loading_is_part_of_the_time_that_a_search_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await loading.search_loaded(None)
    assert await loading.search_loaded(0.5) == 0.5
    monkeypatch.setattr(loading, "_is_loaded", lambda: False)
    now = 100.0

    def load(_: str) -> None:
        nonlocal now
        now += 7.0

    monkeypatch.setattr(importlib, "import_module", load)
    with monkeypatch.context() as patch:
        patch.setattr(loading, "time", SimpleNamespace(monotonic=lambda: now))
        assert await loading.search_loaded(60.0) == 53.0
    assert await loading.search_loaded(None) is None
    with pytest.raises(SearchTimeoutError, match="within 1e-09 s"):
        await loading.search_loaded(1e-9)
