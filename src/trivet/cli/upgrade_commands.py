"""The commands of `trivet upgrade` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivet.cli.options import AsJson

if TYPE_CHECKING:
    from trivet.index.upgrade import Upgrade
    from trivet.index.upgrade.values import UpgradeStatus

upgrade_app = typer.Typer(
    help="Go over to another embedding model while the index serves.",
    epilog="Exit codes: 0 pass, 2 review, 3 refused, 1 it could not be done.",
    rich_markup_mode="markdown",
    no_args_is_help=True,
)

IndexPlace = Annotated[
    str,
    typer.Option("--index", metavar="DIR|URL", help="Its folder, or URL/collections/NAME."),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="MODEL", help="The newer model; default: of the one under way."),
]


@upgrade_app.command("plan")
def plan_command(index: IndexPlace, to: To = None, as_json: AsJson = False) -> None:
    """Say what the upgrade would cost, and which aim and mode suit it."""
    from trivet.cli.upgrading import run_step

    run_step(index, to, lambda upgrade: upgrade.plan(), as_json=as_json)


@upgrade_app.command("fit")
def fit_command(
    index: IndexPlace,
    to: To = None,
    aim: Annotated[
        str | None, typer.Option(metavar="AIM", help="keep or gain; default: as planned.")
    ] = None,
    queries: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, help="Queries, one a line.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fit the maps to documents of the index."""
    from trivet.cli.upgrading import read_queries, run_step

    def step(upgrade: Upgrade) -> UpgradeStatus:
        upgrade.fit(aim, queries=read_queries(queries))
        return upgrade.status()

    run_step(index, to, step, as_json=as_json)


@upgrade_app.command("verify")
def verify_command(
    index: IndexPlace,
    to: To = None,
    judged: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, help="JSON: {query: {document id: grade}}."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report there, as HTML.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure both modes and judge them; the exit code is the better mode's verdict."""
    from trivet.cli.upgrading import verify_upgrade

    raise typer.Exit(verify_upgrade(index, to, judged, report, as_json=as_json))


@upgrade_app.command("cutover")
def cutover_command(
    mode: Annotated[str, typer.Argument(metavar="MODE", help="query or translate.")],
    index: IndexPlace,
    to: To = None,
    accept_review: Annotated[
        bool, typer.Option("--accept-review", help="Go ahead on REVIEW.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Go ahead whatever the verdict.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let the newer model answer queries."""
    from trivet.cli.upgrading import cut_over

    code = cut_over(index, to, mode, accept_review=accept_review, force=force, as_json=as_json)
    raise typer.Exit(code)


@upgrade_app.command("migrate")
def migrate_command(
    index: IndexPlace,
    to: To = None,
    rate: Annotated[float | None, typer.Option(help="Chunks a second at most.")] = None,
    budget: Annotated[float | None, typer.Option(help="Seconds after which to stop.")] = None,
    as_json: AsJson = False,
) -> None:
    """Embed documents by the newer model; run again to resume."""
    from trivet.cli.upgrading import run_step

    def step(upgrade: Upgrade) -> UpgradeStatus:
        upgrade.migrate("id", rate=rate, budget=budget)
        return upgrade.status()

    run_step(index, to, step, as_json=as_json)


@upgrade_app.command("status")
def status_command(index: IndexPlace, to: To = None, as_json: AsJson = False) -> None:
    """Say how far the upgrade is."""
    from trivet.cli.upgrading import run_step

    run_step(index, to, lambda upgrade: upgrade.status(), as_json=as_json)


@upgrade_app.command("finish")
def finish_command(
    index: IndexPlace,
    to: To = None,
    grace: Annotated[float, typer.Option(help="Seconds that a way back is kept.")] = 0.0,
    force: Annotated[
        bool, typer.Option("--force", help="Also while documents are translated.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Drop the older model's vectors."""
    from trivet.cli.upgrading import run_step

    run_step(index, to, lambda upgrade: upgrade.finish(grace=grace, force=force), as_json=as_json)


@upgrade_app.command("rollback")
def rollback_command(index: IndexPlace, to: To = None, as_json: AsJson = False) -> None:
    """Go back to the older model."""
    from trivet.cli.upgrading import run_step

    run_step(index, to, lambda upgrade: upgrade.rollback(), as_json=as_json)
