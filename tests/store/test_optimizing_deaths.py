"""A process that dies while it optimizes leaves an index that is whole, and no optimizer behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from indexes import anchors, contents, index_of, require_clean
from waiting import until

import trivet

TEXTS = anchors(300)
IDS = list(TEXTS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def index(folder: Path) -> Iterator[trivet.Index]:
    with index_of(folder, TEXTS) as index:
        yield index


def shards(folder: Path) -> list[str]:
    return [path.name for path in (folder / "shards").iterdir()]


# Prints each stage, and that the optimizer has been started, and waits for a line on stdin before
# it goes on.
OPTIMIZER = """
import subprocess, sys
sys.path.insert(0, {tests!r})
import trivet
from indexes import put
index = trivet.open({folder!r})
def pause(stage):
    put(index, {{stage: "written while " + stage}})
    tell(stage)
def tell(stage):
    print(stage, flush=True)
    sys.stdin.readline()
start = subprocess.Popen
def started(*given, **options):
    process = start(*given, **options)
    tell("under way")
    return process
subprocess.Popen = started
index.optimize(force=True, progress=pause)
"""


@pytest.mark.parametrize("stage", ["copying", "under way", "catching up"])
def test_a_process_that_dies_while_it_optimizes_loses_nothing(
    index: trivet.Index, folder: Path, stage: str
) -> None:
    index.close()
    program = OPTIMIZER.format(tests=str(Path(__file__).parents[1]), folder=str(folder))
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    expected = dict(TEXTS)
    while True:
        came = process.stdout.readline().strip()
        assert came, "it ended by itself"
        if came == "under way":
            time.sleep(0.4)  # into the optimizer, or after it: its process waits for us
        else:
            expected[came] = f"written while {came}"
        if came == stage:
            break
        process.stdin.write("go on\n")
        process.stdin.flush()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    with trivet.open(folder) as again:
        assert len(shards(folder)) == 1
        assert contents(again, [*expected, "catching up"]) == expected
        require_clean(again)


# In the place of Edge, in the optimizer's process alone: an optimizer that does not end.
ENDLESS = """
import time
from pathlib import Path

class EdgeShard:
    @classmethod
    def load(cls, folder, config):
        return cls()

    def optimize(self):
        Path(__file__).with_name("begun").touch()
        time.sleep(900)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems let it run on")
def test_the_optimizer_dies_with_the_process_that_waits_for_it(
    index: trivet.Index, folder: Path, tmp_path: Path
) -> None:
    index.close()
    (tmp_path / "endless").mkdir()
    (tmp_path / "endless" / "qdrant_edge.py").write_text(ENDLESS)
    program = f"""
import sys, trivet
index = trivet.open({str(folder)!r})
sys.path.insert(0, {str(tmp_path / "endless")!r})  # the optimizer's process gets it
index.optimize(force=True)
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    until((tmp_path / "endless" / "begun").exists)
    assert len(optimizers(folder)) == 1
    process.kill()
    process.wait()
    until(lambda: not optimizers(folder))


def optimizers(folder: Path) -> list[str]:
    """The command lines of optimizers that are at work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text()
        except OSError:
            continue
        if "trivet.store.compaction" in command and str(folder) in command:
            found.append(command)
    return found


def test_a_death_between_the_manifest_and_the_engine_serves_the_new_shard(
    index: trivet.Index, folder: Path
) -> None:
    index.close()
    program = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import trivet
from indexes import put
from trivet.store.edge import EdgeEngine
EdgeEngine.take_over = lambda self, other: os._exit(7)
index = trivet.open({str(folder)!r})
index.optimize(force=True, progress=lambda stage: put(index, {{stage: "written"}}))
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 7
    assert len(shards(folder)) == 2
    stages = ("copying", "optimizing", "catching up")
    expected = {**TEXTS, **dict.fromkeys(stages, "written")}
    with trivet.open(folder) as again:
        assert len(shards(folder)) == 1
        assert again.describe().optimized == 303
        assert contents(again, list(expected)) == expected
        require_clean(again)
