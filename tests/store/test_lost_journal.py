"""An index whose journal is lost is made whole from its points, whenever the repair is broken off."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from indexes import anchors, contents, index_of, put, require_clean

import trivet
from trivet.errors import IndexDamagedError

TEXTS = anchors(60)
IDS = list(TEXTS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def index(folder: Path) -> Iterator[trivet.Index]:
    with index_of(folder, TEXTS) as index:
        yield index


def truncate(journal: Path) -> None:
    os.truncate(journal, journal.stat().st_size // 2)


def scribble(journal: Path) -> None:
    journal.write_bytes(b"not a database at all" * 300)


@pytest.mark.parametrize("damage", [truncate, scribble, Path.unlink, lambda j: j.write_bytes(b"")])
def test_a_lost_journal_is_written_anew(
    index: trivet.Index, folder: Path, damage: Callable[[Path], None]
) -> None:
    totals = index._store.journal.totals()
    entries = index._store.journal.entries(IDS)
    index.close()
    damage(folder / "journal.sqlite")
    with pytest.raises(IndexDamagedError, match="trivet repair"):
        trivet.open(folder)
    report = trivet.repair(folder)
    assert (report.lost, report.orphans, report.journal_rebuilt) == ((), 0, True)
    with trivet.open(folder) as again:
        assert again._store.journal.totals() == totals
        assert again._store.journal.entries(IDS) == entries
        require_clean(again)
        assert contents(again, IDS) == TEXTS
        put(again, {"7": "changed", "new": "a keel"})
        require_clean(again)


def test_the_side_files_of_a_lost_journal_do_no_harm(index: trivet.Index, folder: Path) -> None:
    """SQLite would replay the old write-ahead log into the new file."""
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import trivet
from indexes import put
index = trivet.open({str(folder)!r})
put(index, {{"late": "a late keel"}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    index.close()
    assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
    assert (folder / "journal.sqlite-wal").stat().st_size > 0
    scribble(folder / "journal.sqlite")
    report = trivet.repair(folder)
    assert (report.lost, report.journal_rebuilt, report.documents) == ((), True, 61)
    with trivet.open(folder) as again:
        assert contents(again, [*IDS, "late"]) == {**TEXTS, "late": "a late keel"}


@pytest.mark.parametrize("redo", [b"", b"no archive"])
def test_an_unfinished_write_that_is_unreadable_is_given_up(
    index: trivet.Index, folder: Path, redo: bytes
) -> None:
    index.close()
    with closing(sqlite3.connect(folder / "journal.sqlite")) as journal:
        journal.execute("INSERT INTO pending VALUES ('7', 'replace', 'x', 1, 2, 3, 1, ?)", (redo,))
        journal.commit()
    with pytest.raises(IndexDamagedError, match="trivet repair"):
        trivet.open(folder)
    assert trivet.repair(folder).lost == ()
    with trivet.open(folder) as again:
        assert contents(again, IDS) == TEXTS


def test_a_repair_that_dies_can_be_run_again(index: trivet.Index, folder: Path) -> None:
    index.close()
    (folder / "journal.sqlite").unlink()
    program = """
import os, signal, sys, trivet
from pathlib import Path
from trivet.store import repairing
def dying(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(*{0: (repairing, "_put_in_place"), 1: (Path, "rename")}[int(sys.argv[2])], dying)
trivet.repair(sys.argv[1])
"""
    for moment in ("0", "1"):
        done = subprocess.run([sys.executable, "-c", program, str(folder), moment])
        assert done.returncode == -signal.SIGKILL
        with pytest.raises(IndexDamagedError, match="trivet repair"):
            trivet.open(folder)
    assert trivet.repair(folder).documents == 60
    with trivet.open(folder) as again:
        assert contents(again, IDS) == TEXTS
        require_clean(again)
