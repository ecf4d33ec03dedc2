"""`trivet index`: files and folders into an index."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence, Set
from pathlib import Path

import trivet
from trivet.cli import render
from trivet.cli.files import SUFFIXES, Failure, Found, find_files
from trivet.cli.places import open_or_make
from trivet.cli.progress import watched
from trivet.cli.searching import of_tenant
from trivet.cli.sources import read_files
from trivet.errors import InvalidInputError
from trivet.index.open import is_url
from trivet.reports import FailedDocument, IngestReport
from trivet.store.scope import checked_tenant
from trivet.types import Document


class Intake:
    """Hands documents out of files to an index, and counts what else was in them.

    Args:
        found: the files to read.

    Attributes:
        failed: what could not be read, so far.
        empty_files: files without any text, so far.
        ids: of the documents, so far.
    """

    def __init__(self, found: Found) -> None:
        self.failed = list(found.failed)
        self.empty_files = 0
        self.ids: set[str] = set()
        self._files = found.files
        self._read_bytes = [0]  # after so many documents

    def documents(self) -> Iterator[Document]:
        """The documents, one by one as they are asked for."""
        read_bytes = 0
        for reading in read_files(self._files):
            read_bytes += reading.size_bytes
            if isinstance(reading.outcome, Document):
                self._read_bytes.append(read_bytes)
                self.ids.add(reading.outcome.id or "")
                yield reading.outcome
            elif reading.outcome is None:
                self.empty_files += 1
            else:
                self.failed.append(reading.outcome)

    def read_bytes(self, report: IngestReport) -> int:
        """How much of the files is done when a report has come."""
        return self._read_bytes[min(report.total, len(self._read_bytes) - 1)]


def index_paths(
    paths: Sequence[Path],
    location: str | os.PathLike[str],
    *,
    model: str | None,
    tenant: str | None = None,
    as_json: bool,
    language: str | None = None,
    prune: bool = False,
) -> int:
    """Index files and folders; what an index holds already is not embedded again.

    Args:
        paths: files and folders.
        location: of the index, as `open_or_make` takes it; made if it is not there.
        model: model of a new index; None = as stored, or the default.
        tenant: whose documents they are; a new index then has tenants.
        as_json: print the summary as JSON.
        language: of BM25 in a new index; None = as stored, or by its documents.
        prune: delete all documents that the paths do not hold, unless one of theirs failed.

    Returns:
        The exit code: 3 if a document failed, else 0.

    Raises:
        InvalidInputError: there is nothing to index, or two files have the same id.
        TenantError: the index has tenants and none is named, or the other way round.
        TrivetError: as `trivet.open`.
    """
    if tenant is not None:
        checked_tenant(tenant)  # before an index is made for it
    place = os.fspath(location)
    found = find_files(paths, outside=None if is_url(place) else Path(place))
    if not found.files and not found.failed:
        raise InvalidInputError(
            f"expected files that end in {', '.join(SUFFIXES)}, got none of them under "
            f"{', '.join(map(str, paths))}: name other files or folders"
        )
    intake = Intake(found)
    work = sum(file.size_bytes for file in found.files)
    with render.waiting("Opening the index"):
        lexical = None if language is None else trivet.Lexical(language)
        has_tenants = tenant is not None or None
        index = open_or_make(place, model=model, lexical=lexical, tenants=has_tenants)
    with index:
        documents = of_tenant(index, tenant)
        report = _stored(documents, intake, work)
        failures = [*intake.failed, *map(as_failure, report.failed)]
        # What failed may be there from before, under an id that could not be read.
        removed = _prune(documents, intake.ids) if prune and not failures else 0
    if as_json:
        _print_json(report, failures, intake, found, removed)
    else:
        _print_summary(report, len(failures), intake, found)
        _print_pruned(removed, skipped=prune and bool(failures))
    render.print_failures(failures)
    return 3 if failures else 0


def _stored(index: trivet.Index, intake: Intake, work: int) -> IngestReport:
    """Store the documents; whoever stops it is told what is stored by then."""
    last = IngestReport()

    def follow(report: IngestReport) -> None:
        nonlocal last
        last = report
        watch(report)

    try:
        with watched(work, intake.read_bytes) as watch:
            return index.upsert(intake.documents(), progress=follow)
    except KeyboardInterrupt:
        failed = len(last.failed) + len(intake.failed)
        done = render.ingested(last, failed) if last.total else "nothing is stored yet"
        render.complain(done)
        raise


def _prune(index: trivet.Index, ids: Set[str]) -> int:
    """Delete the documents that have none of these ids."""
    return index.delete([d.id for d in index.documents() if d.id and d.id not in ids])


def as_failure(failed: FailedDocument) -> Failure:
    """A document that the index refused, like one that could not be read."""
    name = failed.id or f"document {failed.position + 1}"
    return Failure(name, str(failed.error).removeprefix(f"document {failed.id!r}: "))


def _print_json(
    report: IngestReport,
    failures: Sequence[Failure],
    intake: Intake,
    found: Found,
    removed: int,
) -> None:
    summary = {
        "added": report.added,
        "replaced": report.replaced,
        "skipped": report.skipped,
        "removed": removed,
        "failed": [{"id": failure.id, "error": failure.reason} for failure in failures],
        "chunks": report.chunks,
        "elapsed_s": round(report.elapsed_s, 3),
        "files": len(found.files),
        "empty_files": intake.empty_files,
        "other_files": found.other_files,
        "links": found.links,
    }
    sys.stdout.write(json.dumps(summary, indent=2) + "\n")


def _print_summary(report: IngestReport, failed: int, intake: Intake, found: Found) -> None:
    console = render.output()
    console.print(render.ingested(report, failed), soft_wrap=True)
    passed_over = [
        render.plural(count, noun)
        for count, noun in (
            (found.other_files, "file of another kind"),
            (intake.empty_files, "empty file"),
            (found.links, "link"),
        )
        if count
    ]
    if passed_over:
        console.print(f"passed over: {', '.join(passed_over)}", soft_wrap=True)


def _print_pruned(removed: int, *, skipped: bool) -> None:
    console = render.output()
    if skipped:
        console.print("nothing was pruned, since documents failed", soft_wrap=True)
    elif removed:
        console.print(f"pruned: {render.plural(removed, 'document')}", soft_wrap=True)
