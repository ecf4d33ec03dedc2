"""`trivet doctor`: what is wrong with an index, and what to do about it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from trivet.cli import render
from trivet.cli.places import open_existing
from trivet.errors import (
    IndexDamagedError,
    IndexLockedError,
    NotAnIndexError,
    ServerAccessError,
    ServerUnavailableError,
    StoreError,
)
from trivet.reports import Finding, HealthReport, Level

EXIT_CODES: dict[Level, int] = {"note": 0, "look": 2, "broken": 3}


def examine_index(location: str, collection: str | None, *, as_json: bool) -> int:
    """Examine an index, and print what was found.

    Opening it finishes or takes back what a crash left, as every opening does; nothing else is
    written.

    Args:
        location: a folder, or the URL of a server, also with /collections/NAME.
        collection: on a server; None = "trivet".
        as_json: print one object with the fields of `HealthReport` and "level".

    Returns:
        The exit code: 0 healthy, 2 something to look at, 3 broken.

    Raises:
        NotAnIndexError: there is no index.
        IndexLockedError, ServerAccessError, ServerUnavailableError: it cannot be looked at now.
    """
    try:
        with open_existing(location, collection) as index:
            report = index.doctor()
    except (IndexLockedError, NotAnIndexError, ServerAccessError, ServerUnavailableError):
        raise
    except StoreError as error:
        report = HealthReport("unknown", (), (_unreadable(error),))
    if as_json:
        sys.stdout.write(json.dumps({**asdict(report), "level": report.level}, indent=2) + "\n")
    else:
        _print(report)
    return EXIT_CODES[report.level]


def _unreadable(error: StoreError) -> Finding:
    if isinstance(error, IndexDamagedError):
        action = "run `trivet repair`, or restore a backup (`trivet restore`)"
    else:
        action = "put right what it names, and look again"
    return Finding("broken", "documents", f"the index cannot be read: {error}", action)


def _print(report: HealthReport) -> None:
    for leg in report.legs:
        role = "serves" if leg.serves else "does not serve"
        carried = f", translated {leg.translated:,}" if leg.translated else ""
        _line(f"{leg.vector_name} ({leg.model}, {role}): documents {leg.native:,}{carried}")
        _line(f"  fingerprint {leg.fingerprint}")
    for found in report.findings:
        _line(f"{found.level}: {found.subject}: {found.problem}")
        _line(f"→ {found.action}")
    if report.level == "note":
        _line("nothing is wrong")


def _line(text: str) -> None:
    render.output().print(render.one_line(text), soft_wrap=True, markup=False, highlight=False)
