"""The commands of `trivet upgrade` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trivet.cli.options import AsJson, IndexPlace, epilog

VERDICTS = (
    "0 pass, or done; 2 review, or a wrong command line; 3 refused; 1 it could not be done; 130 "
    "Ctrl-C"
)
ON_SERVER = "https://qdrant.example:6333/collections/notes"

upgrade_app = typer.Typer(
    help="Go over to another embedding model while the index serves.",
    epilog=epilog(
        "trivet upgrade plan --index ./notes --to BAAI/bge-m3",
        "trivet upgrade fit --index ./notes",
        "trivet upgrade verify --index ./notes --report page.html",
        "trivet upgrade cutover query --index ./notes",
        "trivet upgrade migrate --index ./notes",
        "trivet upgrade finish --index ./notes",
        status=VERDICTS,
    ),
    rich_markup_mode="markdown",
    no_args_is_help=True,
)

To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="MODEL",
        help="The newer model: a name or a folder.",
        show_default="of the upgrade under way",
    ),
]
Texts = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help='Texts that the index does not hold: JSONL with "id" and "text" (and "tenant").',
        show_default="none",
    ),
]


@upgrade_app.command(
    "plan",
    epilog=epilog(
        "trivet upgrade plan --index ./notes --to BAAI/bge-m3",
        f"trivet upgrade plan --index {ON_SERVER} --to ./tuned",
    ),
)
def plan_command(
    index: IndexPlace, to: To = None, texts: Texts = None, as_json: AsJson = False
) -> None:
    """Say what the upgrade would cost, and which aim and mode suit it."""
    from trivet.cli.upgrading import plan_upgrade

    plan_upgrade(index, to, texts, as_json=as_json)


@upgrade_app.command(
    "fit",
    epilog=epilog(
        "trivet upgrade fit --index ./notes",
        "trivet upgrade fit --index ./notes --aim gain --queries queries.txt",
    ),
)
def fit_command(
    index: IndexPlace,
    to: To = None,
    aim: Annotated[
        str | None,
        typer.Option(
            metavar="AIM",
            help="keep: the same rankings; gain: the newer model's.",
            show_default="as planned",
        ),
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Queries, one a line, to fit to as well.",
            show_default="none",
        ),
    ] = None,
    texts: Texts = None,
    as_json: AsJson = False,
) -> None:
    """Fit the maps to documents of the index."""
    from trivet.cli.upgrading import fit_upgrade

    fit_upgrade(index, to, aim, queries, texts, as_json=as_json)


@upgrade_app.command(
    "verify",
    epilog=epilog(
        "trivet upgrade verify --index ./notes --report page.html",
        "trivet upgrade verify --index ./notes --judged judged.json --json",
        status=VERDICTS,
    ),
)
def verify_command(
    index: IndexPlace,
    to: To = None,
    judged: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Judged queries, JSON: {query: {document id: grade}}.",
            show_default="none",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the report there, as HTML.", show_default="nowhere"
        ),
    ] = None,
    texts: Texts = None,
    as_json: AsJson = False,
) -> None:
    """Measure both modes and judge them; the exit code is the better mode's verdict."""
    from trivet.cli.upgrading import verify_upgrade

    raise typer.Exit(verify_upgrade(index, to, judged, report, texts, as_json=as_json))


@upgrade_app.command(
    "cutover",
    epilog=epilog(
        "trivet upgrade cutover query --index ./notes",
        "trivet upgrade cutover translate --index ./notes --accept-review",
        status=VERDICTS,
    ),
)
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
    """Let the newer model answer queries; exit code 2 or 3 where its verdict forbids it."""
    from trivet.cli.upgrading import cut_over

    code = cut_over(index, to, mode, accept_review=accept_review, force=force, as_json=as_json)
    raise typer.Exit(code)


@upgrade_app.command(
    "migrate",
    epilog=epilog(
        "trivet upgrade migrate --index ./notes",
        "trivet upgrade migrate --index ./notes --rate 50 --budget 3600",
    ),
)
def migrate_command(
    index: IndexPlace,
    to: To = None,
    rate: Annotated[
        float | None, typer.Option(help="Chunks a second at most.", show_default="no bound")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Seconds after which to stop.", show_default="no bound")
    ] = None,
    texts: Texts = None,
    as_json: AsJson = False,
) -> None:
    """Embed documents by the newer model; run again to resume.

    After `finish --force`, it embeds what that left translated.
    """
    from trivet.cli.upgrading import migrate_index

    migrate_index(index, to, rate, budget, texts, as_json=as_json)


@upgrade_app.command("status", epilog=epilog("trivet upgrade status --index ./notes --json"))
def status_command(index: IndexPlace, to: To = None, as_json: AsJson = False) -> None:
    """Say how far the upgrade is; "stable" where none is under way."""
    from trivet.cli.upgrading import show_status

    show_status(index, to, as_json=as_json)


@upgrade_app.command(
    "finish",
    epilog=epilog(
        "trivet upgrade finish --index ./notes",
        "trivet upgrade finish --index ./notes --grace 86400",
    ),
)
def finish_command(
    index: IndexPlace,
    to: To = None,
    grace: Annotated[float, typer.Option(help="Seconds that a way back is kept.")] = 0.0,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also while documents are translated."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Drop the older model's vectors; what `--force` leaves translated, `migrate` embeds later."""
    from trivet.cli.upgrading import finish_upgrade

    finish_upgrade(index, to, grace, force=force, as_json=as_json)


@upgrade_app.command("rollback", epilog=epilog("trivet upgrade rollback --index ./notes"))
def rollback_command(index: IndexPlace, to: To = None, as_json: AsJson = False) -> None:
    """Go back to the older model."""
    from trivet.cli.upgrading import roll_back

    roll_back(index, to, as_json=as_json)


Alias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="On a server: leads to the new index from then on.",
        show_default="none",
    ),
]
Vector = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Its dense vector, of several.", show_default="the only one"),
]
Bm25 = Annotated[
    str | None,
    typer.Option(
        metavar="CODE",
        help="Language of the BM25 that made its sparse vectors.",
        show_default="these are left out",
    ),
]
CopiedTexts = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help='Texts that the collection does not hold: JSONL with "id", of the point, and "text".',
        show_default="none",
    ),
]


@upgrade_app.command(
    "take-over",
    epilog=epilog(
        "trivet upgrade take-over http://localhost:6333/collections/old "
        "--model all-MiniLM-L6-v2 --index http://localhost:6333/collections/notes"
    ),
)
def take_over_command(
    collection: Annotated[
        str, typer.Argument(metavar="URL/collections/NAME", help="What another program made.")
    ],
    model: Annotated[str, typer.Option(metavar="MODEL", help="What made its dense vectors.")],
    index: IndexPlace,
    alias: Alias = None,
    vector: Vector = None,
    bm25: Bm25 = None,
    texts: CopiedTexts = None,
    as_json: AsJson = False,
) -> None:
    """Copy a collection of LangChain or LlamaIndex to a new index, which can be upgraded.

    Its vectors are taken along as they are; nothing in it is changed. Run again to resume.
    With --texts, points of which nobody has the text are copied without, and counted.
    """
    from trivet.cli.taking_over import take_over_collection

    take_over_collection(collection, index, model, alias, vector, bm25, texts, as_json=as_json)
