"""The command `trivet`: its own options, and the commands of the other files.

Exit codes:
    0: done.
    1: it could not be done; one line on stderr says why.
    2: the command line itself is wrong.
    3: done, but for some documents, which are named on stderr.
    130: stopped with Ctrl-C.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from trivet.cli.demo_command import demo_command
from trivet.cli.explain_command import explain_command
from trivet.cli.finetune_command import finetune_command
from trivet.cli.index_commands import eval_command, index_command, info_command, search_command
from trivet.cli.options import epilog
from trivet.cli.serve_command import mcp_command
from trivet.cli.upgrade_commands import upgrade_app
from trivet.cli.upkeep_commands import (
    backup_command,
    doctor_command,
    optimize_command,
    repair_command,
    restore_command,
    verify_command,
)

EPILOG = """\
Examples:

- `trivet demo`
- `trivet index ./docs --index ./notes`
- `trivet search "how do I rotate a key?" --index ./notes`
- `trivet info --index https://qdrant.example:6333/collections/notes`

An index on a Qdrant server is named by its URL; the API key comes from the environment variable
QDRANT_API_KEY, never from the command line.

Exit codes:

- 0: done
- 1: it could not be done; one line on stderr says why
- 2: the command line itself is wrong
- 3: done, but for some documents, which are named on stderr
- 130: stopped with Ctrl-C

`doctor` and `upgrade` have codes of their own: see their help.
"""

app = typer.Typer(
    help="Search texts by meaning and by word, in a Qdrant engine in a folder or on a server.",
    epilog=EPILOG,
    add_completion=False,
    rich_markup_mode="markdown",
)


def show_version(asked: bool) -> None:
    """Print the version and stop, if it was asked for."""
    if asked:
        sys.stdout.write(f"trivet {version('trivet')}\n")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, before or after.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=show_version, is_eager=True),
    ] = False,
) -> None:
    """Take the options that are no command's own (`run` reads them)."""


PARTLY = (
    "0 done; 3 done, but for documents that are named on stderr; 1 it could not be done; 2 a wrong "
    "command line; 130 Ctrl-C, run again to resume"
)
ON_SERVER = "https://qdrant.example:6333/collections/notes"

app.command(
    "index",
    epilog=epilog(
        "trivet index ./docs README.md --index ./notes",
        "trivet index ./docs --index ./notes --prune",
        f"trivet index rows.jsonl.gz --index {ON_SERVER}",
        status=PARTLY,
    ),
)(index_command)
app.command(
    "search",
    epilog=epilog(
        'trivet search "how do I rotate a key?" --index ./notes -k 3',
        f'trivet search "rotate key" --mode sparse --json --index {ON_SERVER}',
    ),
)(search_command)
app.command(
    "explain",
    epilog=epilog(
        'trivet explain "rotate a key" security.md --index ./notes',
        'trivet explain "rotate a key" security.md --index ./notes --html why.html',
    ),
)(explain_command)
app.command(
    "info",
    epilog=epilog("trivet info --index ./notes --recall", f"trivet info --index {ON_SERVER}"),
)(info_command)
app.command(
    "eval",
    epilog=epilog(
        "trivet eval --index ./notes --queries queries.jsonl --qrels qrels.tsv",
        "trivet eval --index ./notes --queries q.jsonl --qrels q.tsv --plot plans.png",
    ),
)(eval_command)
app.command(
    "mcp",
    epilog=epilog(
        'trivet mcp --index ./notes --about "My notes on sailing."',
        f"trivet mcp --index {ON_SERVER} --http 127.0.0.1:8000",
    ),
)(mcp_command)
app.command(
    "optimize",
    epilog=epilog("trivet optimize --index ./notes", "trivet optimize --force --index ./notes"),
)(optimize_command)
app.command("backup", epilog=epilog("trivet backup ./notes-backup --index ./notes"))(backup_command)
app.command("restore", epilog=epilog("trivet restore ./notes-backup --index ./notes-again"))(
    restore_command
)
app.command(
    "verify",
    epilog=epilog(
        "trivet verify --index ./notes",
        f"trivet verify --json --index {ON_SERVER}",
        status="0 nothing is wrong; 1 something is, or it could not be done; 2 a wrong command "
        "line; 130 Ctrl-C",
    ),
)(verify_command)
app.command("repair", epilog=epilog("trivet repair --index ./notes", status=PARTLY))(repair_command)
app.command(
    "doctor",
    epilog=epilog(
        "trivet doctor --index ./notes",
        f"trivet doctor --json --index {ON_SERVER}",
        status="0 healthy; 2 something to look at, or a wrong command line; 3 broken; 1 it could "
        "not be looked at; 130 Ctrl-C",
    ),
)(doctor_command)
app.add_typer(upgrade_app, name="upgrade")
app.command(
    "finetune",
    epilog=epilog(
        "trivet finetune --model all-MiniLM-L6-v2 --pairs pairs.jsonl --out ./tuned",
        "trivet upgrade plan --to ./tuned --index ./notes",
    ),
)(finetune_command)
app.command(
    "demo",
    epilog=epilog("trivet demo", "trivet demo --module zipfile --index ./elsewhere", status=PARTLY),
)(demo_command)
