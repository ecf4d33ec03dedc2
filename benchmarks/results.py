"""The folder benchmarks/results: one JSON file a table, and the page that shows them all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.figures import Figure, markdown_table, plain_table

FOLDER = Path(__file__).parent / "results"
PAGE = FOLDER / "README.md"
INTRODUCTION = """\
# Results

Written by `make bench` (`python -m benchmarks`); don't edit. A bar is what the project promises;
a figure without one is there for information.
"""


def report(name: str, title: str, method: str, figures: Sequence[Figure]) -> None:
    """Print a table and merge its figures into results/<name>.json and the page.

    Figures of other versions or of another machine are dropped: one table, one machine.

    Args:
        name: of the table's file.
        title: over the table.
        method: how the figures were measured, in a sentence or two.
        figures: that this run measured; each replaces the one of its name.
    """
    failed = sum(figure.verdict == "FAIL" for figure in figures)
    print(f"\n{title}\n{plain_table(figures)}\n{_summary(figures, failed)}\n", flush=True)
    today = datetime.now(timezone.utc).date().isoformat()
    here = machine.facts()
    file = FOLDER / f"{name}.json"
    stored: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    old = stored.get("figures", []) if stored.get("machine") == here else []
    merged = {row["what"]: row for row in old}
    merged.update({figure.what: {**asdict(figure), "date": today} for figure in figures})
    table = {"title": title, "method": method, "machine": here, "figures": list(merged.values())}
    FOLDER.mkdir(exist_ok=True)
    file.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(_page(), "utf-8")


def _summary(figures: Sequence[Figure], failed: int) -> str:
    held = sum(figure.bar is not None for figure in figures)
    return f"{held - failed} of {held} bars hold" + (f", {failed} FAIL" if failed else "")


def _page() -> str:
    sections = [INTRODUCTION]
    for file in sorted(FOLDER.glob("*.json")):
        table = json.loads(file.read_text("utf-8"))
        figures = [Figure.from_json(row) for row in table["figures"]]
        dates = sorted({row["date"] for row in table["figures"]})
        when = " to ".join(dict.fromkeys([dates[0], dates[-1]]))
        sections.append(
            f"## {table['title']}\n\n{table['method']}\n\n{markdown_table(figures)}\n\n"
            f"{when}, {machine.sentence(table['machine'])}.\n"
        )
    return "\n".join(sections)
