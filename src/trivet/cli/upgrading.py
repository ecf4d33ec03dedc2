"""`trivet upgrade …`: the steps of an upgrade from a shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trivet.cli import render
from trivet.cli.places import open_existing
from trivet.errors import InvalidInputError, UpgradeRefusedError, UpgradeStateError
from trivet.index import Index
from trivet.index.upgrade import Upgrade

# By the worst verdict of the two modes' best.
EXIT_CODES = {"PASS": 0, "REVIEW": 2, "REFUSE": 3}
REFUSED = EXIT_CODES["REFUSE"]


def run_step(
    location: str, to: str | None, step: Callable[[Upgrade], Any], *, as_json: bool
) -> Any:  # noqa: ANN401 - what the step returns
    """Take one step of an upgrade, and print what it says.

    Args:
        location: folder of the index, or URL/collections/NAME.
        to: name or folder of the newer model; None = of the upgrade under way.
        step: returns what is printed: a dataclass or None.
        as_json: print JSON and nothing else.

    Raises:
        NotAnIndexError: there is no index.
        UpgradeStateError: no model is named, and no upgrade is under way.
    """
    with open_existing(location) as index:
        told = step(_upgrade(index, to))
        fields = {} if told is None else asdict(told)
        current = index.current_upgrade
        fields.setdefault("state", "over" if current is None else current.status().state)
    if as_json:
        render.output().print_json(json.dumps(fields, default=str))
    else:
        for name, value in fields.items():
            line = render.one_line(f"{name}: {_shown(value)}")
            render.output().print(line, soft_wrap=True, markup=False)
    return told


def verify_upgrade(
    location: str, to: str | None, judged: Path | None, page: Path | None, *, as_json: bool
) -> int:
    """Measure and judge an upgrade; the exit code is that of the better mode.

    Args:
        location: folder of the index, or URL/collections/NAME.
        to: as in `run_step`.
        judged: a JSON file, {query: {document id: grade}}.
        page: where to write the report as HTML.
        as_json: print the report as JSON.
    """
    grades = None if judged is None else _read_judged(judged)
    report = run_step(location, to, lambda upgrade: upgrade.verify(grades), as_json=as_json)
    if page is not None:
        page.write_text(report.to_html(), "utf-8")
    return min(EXIT_CODES[each.verdict] for each in report.verdicts.values())


def cut_over(
    location: str, to: str | None, mode: str, *, accept_review: bool, force: bool, as_json: bool
) -> int:
    """Let the newer model answer; exit code 3 where the verdict forbids it."""

    def step(upgrade: Upgrade) -> None:
        upgrade.cutover(mode, accept_review=accept_review, force=force)  # type: ignore[arg-type]

    try:
        run_step(location, to, step, as_json=as_json)
    except UpgradeRefusedError as error:
        render.complain(f"refused: {error}")
        return REFUSED
    return 0


def read_queries(file: Path | None) -> list[str]:
    """One query on each line."""
    return [] if file is None else [q for q in file.read_text("utf-8").splitlines() if q.strip()]


def _upgrade(index: Index, to: str | None) -> Upgrade:
    if to is not None:
        return index.upgrade(to)
    current = index.current_upgrade
    if current is None:
        raise UpgradeStateError(
            "expected an upgrade under way, got none: begin with trivet upgrade plan --to MODEL"
        )
    return current


def _read_judged(file: Path) -> Any:  # noqa: ANN401 - checked by `verify`
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise InvalidInputError(
            f"expected JSON as {{query: {{document id: grade}}}} in {file}, got {error}"
        ) from error


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_shown(part) for part in value)
    return str(value)
