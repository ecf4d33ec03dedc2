"""The program `killed.py`, as tests ask it for children."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


class Killer:
    """Lets children take a step in a copy of an index, and die in it."""

    def __init__(self) -> None:
        self._program = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("killed.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill(self, folder: Path, step: str, count: int) -> bool:
        """Whether the child died before the step was done."""
        return self._was_killed(f"{folder} {step} {count}")

    def take_over(self, place: Path | str, count: int) -> bool:
        """Whether the child died before the copy was done."""
        return self._was_killed(f"{place} take-over {count}")

    def interrupt(self, place: Path | str, errors: Path) -> int:
        """The exit status of a migration that Ctrl-C has stopped."""
        done, status = self.ask(f"{place} interrupt {errors}")
        assert done == "done"
        return os.waitstatus_to_exitcode(int(status))

    def _was_killed(self, line: str) -> bool:
        answer = self.ask(line)
        assert answer in (["killed"], ["done", "0"])
        return answer == ["killed"]

    def migrate_for(self, folder: Path, seconds: float, model: Path) -> float | None:
        """The processor time that it took to migrate all; None if the child died before."""
        answer = self.ask(f"{folder} migrate-for {seconds} {model}")
        assert answer == ["killed"] or answer[:2] == ["done", "0"]
        return None if answer == ["killed"] else float(answer[2])

    def ask(self, line: str) -> list[str]:
        """What became of a child."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(f"{line}\n")
        self._program.stdin.flush()
        return self._program.stdout.readline().split()

    def close(self) -> None:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.close()
        self._program.wait()
        self._program.stdout.close()
