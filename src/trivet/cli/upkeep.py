"""`trivet optimize`, `backup`, `restore`, `verify` and `repair`: the upkeep of an index."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import trivet
from trivet.cli import render
from trivet.cli.files import Failure
from trivet.cli.places import open_existing, require_folder, require_index
from trivet.index.open import is_url
from trivet.reports import OptimizeReport, VerifyReport
from trivet.store.keys import SEPARATOR

# A server's files are its own: what is done to those of a folder is not done to them from a shell.
TAKE_SNAPSHOT = (
    "a server keeps snapshots, which trivet.Snapshots(url, collection=…).take() makes from Python"
)
RESTORE_SNAPSHOT = (
    "on a server, trivet.Snapshots(url, collection=…).restore(id) makes an index of a snapshot, "
    "from Python"
)
MEND_ON_SERVER = (
    "on a server, opening an index finishes what a crash left; delete the documents that `trivet "
    "verify` names (Index.delete, from Python) and index them again, or restore a snapshot "
    "(trivet.Snapshots)"
)


def optimize_index(location: str | os.PathLike[str], *, force: bool) -> None:
    """Optimize an index, and say what was done.

    Args:
        location: a folder, or of a server, as `open_existing` takes it.
        force: also if it is small.

    Raises:
        NotAnIndexError: there is no index.
    """
    with open_existing(location) as index, _staged("Optimizing") as stage:
        report = index.optimize(force=force, progress=stage)
        about = index.describe()
    if report.reweighed:
        render.output().print("BM25 weighted anew, by the average length as it is", soft_wrap=True)
    line = _optimized(report, about.chunks, is_on_server=is_url(about.location))
    render.output().print(line, soft_wrap=True)


def _optimized(report: OptimizeReport, chunks: int, *, is_on_server: bool) -> str:
    """What was done, in a line."""
    if report.optimized:
        done = f"{render.plural(report.chunks, 'chunk')} optimized"
        return f"{done} in {render.duration(report.elapsed_s)}"
    if is_on_server:
        return "nothing else to do: a server optimizes its vectors by itself"
    new = f"{chunks - report.chunks:,} new of {render.plural(chunks, 'chunk')}"
    return f"nothing to do: {new}; so few are searched as fast as they are (or use --force)"


def back_up_index(location: str | os.PathLike[str], target: Path) -> None:
    """Copy an index to a folder that is not there, or is empty.

    Raises:
        InvalidInputError: an index on a server.
        NotAnIndexError: there is no index.
    """
    folder = require_folder(location, "back up", TAKE_SNAPSHOT)
    require_index(folder)
    with trivet.open(folder) as index, render.waiting("Copying the index"):
        index.backup(target)
        count = index.describe().documents
    line = f"{render.plural(count, 'document')} backed up to {target}"
    render.output().print(render.one_line(line), soft_wrap=True)


def restore_index(backup: Path, location: str | os.PathLike[str]) -> None:
    """Make an index of a backup, in a folder that is not there, or is empty.

    Raises:
        InvalidInputError: a place on a server.
    """
    folder = require_folder(location, "restore a backup to", RESTORE_SNAPSHOT)
    with render.waiting("Restoring the index"):
        trivet.restore(backup, folder)
        with trivet.open(folder) as index:
            count = index.describe().documents
    line = f"{render.plural(count, 'document')} restored to {folder}"
    render.output().print(render.one_line(line), soft_wrap=True)


def verify_index(location: str | os.PathLike[str], *, as_json: bool) -> int:
    """Compare an index with its journal, and print what is wrong.

    Args:
        location: a folder, or of a server, as `open_existing` takes it.
        as_json: print one object with the fields of `VerifyReport` and "is_clean".

    Returns:
        The exit code: 0 if nothing is wrong, else 1.

    Raises:
        NotAnIndexError: there is no index.
    """
    with open_existing(location) as index, render.waiting("Reading every chunk"):
        report = index.verify()
    if as_json:
        found = {**asdict(report), "is_clean": report.is_clean}
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        stored = f"{render.plural(report.documents, 'document')}, {report.chunks:,} chunks"
        console = render.output()
        console.print(f"{stored}, {render.plural(report.points, 'point')}", soft_wrap=True)
        for problem in _problems(report):
            console.print(render.one_line(problem), soft_wrap=True)
    if not report.is_clean:
        render.complain(f"error: {_way_out(os.fspath(location))}")
    return 0 if report.is_clean else 1


def _way_out(location: str) -> str:
    """What to do about an index that is not clean."""
    if is_url(location):
        return f"repair works on folders; {MEND_ON_SERVER}"
    return f"run `trivet repair --index {shlex.quote(location)}`"


def repair_index(location: str | os.PathLike[str]) -> int:
    """Put an index right again, and name the documents that have to be added again.

    Returns:
        The exit code: 3 if a document was lost, else 0.

    Raises:
        InvalidInputError: an index on a server.
        NotAnIndexError: there is no index.
    """
    folder = require_folder(location, "repair", MEND_ON_SERVER)
    require_index(folder)
    with render.waiting("Reading every chunk"):
        report = trivet.repair(folder)
    done = [f"{render.plural(report.documents, 'document')} whole"]
    if report.orphans:
        done.append(f"{render.plural(report.orphans, 'orphaned point')} deleted")
    if report.journal_rebuilt:
        done.append("journal written anew")
    render.output().print(", ".join(done), soft_wrap=True)
    reason = "was not stored whole and is deleted; add it again"
    render.print_failures(Failure(_shown(id), reason) for id in report.lost)
    return 3 if report.lost else 0


def _problems(report: VerifyReport) -> Iterator[str]:
    for id in report.broken:
        yield f"broken: {_shown(id)}"
    if report.orphans:
        yield f"orphans: {render.plural(len(report.orphans), 'point')} of no document"
    if report.average_is_off:
        yield (
            f"BM25's average length is off by {report.average_error:.0%}, as after many deletions: "
            "`trivet optimize` puts it right, or the next addition"
        )


def _shown(document: str) -> str:
    """A document in a report: its id, after the tenant's name if there are tenants."""
    return document.replace(SEPARATOR, ": ", 1)


@contextmanager
def _staged(action: str) -> Iterator[Callable[[str], None]]:
    """A spinner with the stage that is under way; a line for each stage if there is no terminal."""
    console = render.remarks()
    if not console.is_interactive:
        yield lambda stage: console.print(stage, soft_wrap=True)
        return
    with console.status(action) as status:
        yield lambda stage: status.update(f"{action}: {stage}")
