"""`trivet eval`: every plan of an index on the user's own judged queries."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from trivet.cli import render
from trivet.cli.places import open_existing
from trivet.cli.searching import of_tenant
from trivet.errors import InvalidInputError
from trivet.evaluation import METRICS, Estimate, Evaluation, evaluate, read_qrels, read_queries
from trivet.evaluation.metrics import parsed_metrics
from trivet.evaluation.plot import checked_picture, plot

WORST = 5
NAME_WIDTH = 24


def judge_index(
    location: str | os.PathLike[str],
    queries: Path,
    qrels: Path,
    *,
    metrics: Sequence[str] | None,
    picture: Path | None,
    per_query: Path | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Judge every leg and preset of an index, and print how they compare.

    Args:
        location: a folder, or of a server, as `open_existing` takes it.
        queries: file of queries.
        qrels: file of judgements.
        metrics: names of ir_measures, the first decides; None or empty = the usual three.
        picture: file to draw to (.png, .svg); None = none.
        per_query: file to write every query's score by every plan to, as a table with tabs.
        tenant: whose documents; None in an index without tenants.
        as_json: print the `Evaluation` as one object.

    Raises:
        NotAnIndexError: there is no index.
        InvalidInputError: a picture or a table that cannot be written where it is to be.
        TrivetError: as `evaluate`.
    """
    names = tuple(metrics or METRICS)
    parsed_metrics(names)  # what is wrong shows before anything is searched
    if picture is not None:
        checked_picture(picture)
    if per_query is not None:
        _require_place(per_query)
    with open_existing(location) as index:
        asked, judgements = read_queries(queries), read_qrels(qrels)
        with render.waiting("Searching with every plan"):
            evaluation = evaluate(of_tenant(index, tenant), asked, judgements, metrics=names)
    if picture is not None:
        plot(evaluation, picture)
    if per_query is not None:
        _write_table(evaluation, per_query)
    if as_json:
        sys.stdout.write(json.dumps(evaluation.to_json(), indent=2) + "\n")
    else:
        _print(evaluation)


def _print(evaluation: Evaluation) -> None:
    console = render.output()
    metric = evaluation.metrics[0]
    console.print(_head(evaluation), soft_wrap=True)
    console.print()
    console.print(_table(evaluation))
    console.print()
    console.print(render.one_line(evaluation.reason), style="bold", soft_wrap=True)
    for line in _left_out(evaluation):
        console.print(line, style="dim", soft_wrap=True)
    console.print()
    console.print(f"Lowest {metric} of {evaluation.default}, and the best plan there:")
    for row in _worst_rows(evaluation):
        row.truncate(console.width, overflow="ellipsis")
        console.print(row, no_wrap=True)


def _head(evaluation: Evaluation) -> str:
    count = len(evaluation.queries)
    return (
        f"{count:,} judged {'query' if count == 1 else 'queries'}, {evaluation.depth} hits each; "
        "intervals of 95 % by paired bootstrap"
    )


def _table(evaluation: Evaluation) -> Table:
    """A row for each plan, the best first."""
    metric = evaluation.metrics[0]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("plan", overflow="ellipsis", max_width=NAME_WIDTH, no_wrap=True)
    for name in evaluation.metrics:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(f"{metric}: difference to default", no_wrap=True)
    ordered = sorted(evaluation.plans, key=lambda plan: -plan.means[metric].mean)
    for plan in ordered:
        is_default = plan.name == evaluation.default
        means = [f"{plan.means[name].mean:.4f}" for name in evaluation.metrics]
        gain = Text("default") if is_default else _gain(plan.gains[metric])
        table.add_row(
            render.one_line(plan.name), *means, gain, style="bold" if is_default else None
        )
    for name in evaluation.refused:
        unknown = ["–"] * len(evaluation.metrics)
        table.add_row(render.one_line(name), *unknown, "left out", style="dim")
    return table


def _gain(gain: Estimate) -> Text:
    style = "green" if gain.low > 0 else "red" if gain.high < 0 else "dim"
    return Text(f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]", style=style)


def _left_out(evaluation: Evaluation) -> list[str]:
    left = evaluation.left
    counts = (
        ("queries without judgements, left out", left.unjudged),
        ("queries without a relevant document, left out", left.without_relevant),
        ("judged queries whose text is not given", left.without_text),
        ("relevant documents that the index lacks, never found", left.unknown_documents),
    )
    lines = [f"{what}: {count:,}" for what, count in counts if count]
    for name, reason in evaluation.refused.items():
        lines.append(f"{render.one_line(name)}: left out, {render.one_line(reason)}")
    return lines


def _worst_rows(evaluation: Evaluation) -> list[Text]:
    table = evaluation.table(evaluation.metrics[0])
    rows = []
    for id, scores in list(table.items())[:WORST]:
        best = max(scores, key=lambda name: scores[name])
        rows.append(
            Text.assemble(
                f"  {scores[evaluation.default]:.3f}  ",
                (f"{scores[best]:.3f} {render.one_line(best)[:NAME_WIDTH]:<12}", "cyan"),
                "  ",
                (render.one_line(id), "bold"),
                "  ",
                render.snippet(evaluation.queries[id]),
            )
        )
    return rows


def _require_place(table: Path) -> None:
    """Refuse a file that cannot be made, before minutes of searching."""
    if table.is_dir() or not table.parent.is_dir():
        came = "a folder" if table.is_dir() else f"no folder {table.parent}"
        raise InvalidInputError(f"expected a file to write scores to in {table}, got {came}")


def _write_table(evaluation: Evaluation, path: Path) -> None:
    """A line for each query: its id, its score by each plan, and its text."""
    plans = [plan.name for plan in evaluation.plans]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, dialect="excel-tab", lineterminator="\n")
        writer.writerow(["query", *plans, "text"])
        for id, scores in evaluation.table(evaluation.metrics[0]).items():
            text = " ".join(evaluation.queries[id].split())
            writer.writerow([id, *(f"{scores[name]:.4f}" for name in plans), text])
