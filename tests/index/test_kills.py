"""Killed at any moment of writing, an index loses nothing that was committed and doubles nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from indexes import contents, make_index, require_clean
from waiting import until

import trivet

from .killing import BESIDE, POOL, do, steps

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")

MOMENTS = 50
STEP_S = 0.03  # about what a step takes


class Killer:
    """Starts children on an index, kills them, and knows what the index may hold afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.caught_midway = 0
        self.done = 0
        self._seed = 0
        self._texts: dict[str, str] = {}
        self._program = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("killing.py")), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill_after(self, many: int, delay_s: float, job: str) -> None:
        """Start a child and kill it so long after so many steps."""
        child = self._start(job)
        until(lambda: len(self._ended()) >= many)
        time.sleep(delay_s)
        self._kill(child)

    def _start(self, job: str) -> int:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._seed += 1
        self._program.stdin.write(f"{self._seed} {job}\n")
        self._program.stdin.flush()
        return int(self._program.stdout.readline())

    def _kill(self, child: int) -> None:
        assert self._program.stdout is not None
        os.kill(child, signal.SIGKILL)
        assert self._program.stdout.readline() == "gone\n"

    def _logged(self, what: str) -> set[int]:
        """The numbers of the steps that the last child has begun, or ended."""
        log = Path(f"{self.folder}.log")
        lines = log.read_text().splitlines() if log.is_file() else []
        mine = (line.split() for line in lines if line.startswith(f"{what} {self._seed} "))
        return {int(n) for _, _, n in mine}

    def _ended(self) -> set[int]:
        return self._logged("end")

    def require_whole(self, index: trivet.Index) -> None:
        """Fail unless the index holds what was committed, and of the last step all or nothing."""
        stored = contents(index, POOL)
        ended = self._ended()
        under_way = self._logged("begin") - ended
        self.done += len(ended)
        self.caught_midway += bool(under_way)
        for n, step in enumerate(steps(self._seed)):
            if n in ended:
                self._texts = after(self._texts, *step)
            elif n in under_way:
                maybe = after(self._texts, *step)
                for id in POOL:
                    assert stored.get(id) in (self._texts.get(id), maybe.get(id)), (id, step)
                self._texts = stored
        assert stored == self._texts

    def close(self) -> None:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.close()
        self._program.wait()
        self._program.stdout.close()


def after(texts: dict[str, str], verb: str, ids: list[str], new: list[str]) -> dict[str, str]:
    """What an index holds after a step, worked out without one."""
    changed = dict(texts)
    for id, text in zip(ids, new, strict=True):
        if verb == "delete":
            changed.pop(id, None)
        elif verb == "upsert" or id not in changed:
            changed[id] = text
    return changed


@pytest.fixture
def killer(tmp_path: Path) -> Iterator[Killer]:
    make_index(tmp_path / "index").close()
    made = Killer(tmp_path / "index")
    yield made
    made.close()


@pytest.mark.slow
def test_sigkill_at_fifty_random_moments_of_adding_editing_and_deleting(killer: Killer) -> None:
    draw = random.Random(7)
    for _ in range(MOMENTS):
        killer.kill_after(draw.randrange(6), draw.uniform(0.0, STEP_S), "write")
        with trivet.open(killer.folder) as index:
            killer.require_whole(index)
            require_clean(index)
    # The moments must have been worth it.
    assert killer.caught_midway >= MOMENTS / 4
    assert killer.done >= MOMENTS / 4
    with trivet.open(killer.folder) as index:
        for step in islice(steps(0), 20):
            do(index, *step)
        require_clean(index)


@pytest.mark.slow
@pytest.mark.parametrize("job", ["optimize", "backup"])
def test_sigkill_at_random_moments_of_upkeep_under_writes(killer: Killer, job: str) -> None:
    draw, shards = random.Random(11), killer.folder / "shards"
    before = set(shards.iterdir())
    for many in (BESIDE + 1, *(draw.randrange(2, 3 * BESIDE) for _ in range(6))):
        killer.kill_after(many, draw.uniform(0.0, STEP_S), job)
        with trivet.open(killer.folder) as index:
            killer.require_whole(index)
            require_clean(index)
            assert len(list(shards.iterdir())) == 1
    assert killer.done > 0
    backups = sorted(killer.folder.parent.glob("index.backup-*"))
    assert bool(backups) == (job == "backup")
    assert before.isdisjoint(shards.iterdir()) == (job == "optimize")
    for backup in draw.sample(backups, min(5, len(backups))):
        restored = backup.with_name(f"restored {backup.name}")
        trivet.restore(backup, restored)
        with trivet.open(restored) as index:
            require_clean(index)


@pytest.mark.slow
def test_sigkill_at_random_moments_of_a_repair(killer: Killer) -> None:
    with trivet.open(killer.folder) as index:
        for step in islice(steps(0), 40):
            do(index, *step)
        expected = contents(index, POOL)
    draw = random.Random(13)
    for _ in range(8):
        (killer.folder / "journal.sqlite").unlink(missing_ok=True)
        killer.kill_after(0, draw.uniform(0.0, 0.2), "repair")
    trivet.repair(killer.folder)
    with trivet.open(killer.folder) as index:
        assert contents(index, POOL) == expected
        require_clean(index)
