"""The commands, their options and their exit codes.

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
from pathlib import Path
from typing import Annotated

import typer

from trivet.cli.demo_command import demo_command
from trivet.cli.explain_command import explain_command
from trivet.cli.finetune_command import finetune_command
from trivet.cli.options import AsJson, IndexFolder
from trivet.cli.upgrade_commands import upgrade_app

EXIT_CODES = """\
Exit codes:

- 0: done
- 1: it could not be done; one line on stderr says why
- 2: the command line itself is wrong
- 3: done, but for some documents, which are named on stderr
- 130: stopped with Ctrl-C
"""

app = typer.Typer(
    help="Search texts by meaning and by word, in a real Qdrant engine in a folder.",
    epilog=EXIT_CODES,
    add_completion=False,
    rich_markup_mode="markdown",
)

Tenant = Annotated[
    str | None, typer.Option("--tenant", metavar="NAME", help="Whose documents, if it has tenants.")
]


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


@app.command("index")
def index_command(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", exists=True, help="Files and folders.")
    ],
    index: IndexFolder,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Model of a new index: a name or a folder."),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help='BM25\'s, of a new index: "de", "none". [by the texts]'),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete every document that PATH does not hold.")
    ] = False,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Index text, Markdown, reStructuredText, Python and JSONL files (.jsonl, .jsonl.gz).

    A file's path relative to PATH is its id. A line of JSONL is an object with "text" and, if
    wanted, "id", "title" and "metadata". Run again to resume, or to replace what has changed.
    With --tenant, a new index has tenants, and each sees its own documents only.
    Hidden files, links that leave PATH and other kinds of files are passed over.
    """
    from trivet.cli.indexing import index_paths

    code = index_paths(
        paths,
        index,
        model=model,
        tenant=tenant,
        as_json=as_json,
        language=language,
        prune=prune,
    )
    raise typer.Exit(code)


@app.command("search")
def search_command(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="A question, or words.")],
    index: IndexFolder,
    k: Annotated[int, typer.Option("-k", metavar="N", min=1, help="How many documents.")] = 10,
    mode: Annotated[
        list[str] | None,
        typer.Option(metavar="MODE", help="Search with these legs only: dense, sparse, multi."),
    ] = None,
    tenant: Tenant = None,
    think_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Thoughts about queries (JSONL), to search with."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search an index, and say which legs found each document."""
    from trivet.cli.searching import search_index

    search_index(
        query, index, k=k, modes=mode, tenant=tenant, think_file=think_file, as_json=as_json
    )


@app.command("info")
def info_command(
    index: IndexFolder,
    tenant: Tenant = None,
    recall: Annotated[
        bool, typer.Option("--recall", help="Measure the dense search against an exact one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what an index holds; no model is loaded."""
    from trivet.cli.searching import show_index

    show_index(index, tenant=tenant, recall=recall, as_json=as_json)


@app.command("eval")
def eval_command(
    index: IndexFolder,
    queries: Annotated[
        Path, typer.Option(metavar="FILE", help="JSONL with _id and text, or id, tab, text.")
    ],
    qrels: Annotated[
        Path, typer.Option(metavar="FILE", help="Judgements: TREC qrels, BEIR's TSV or JSONL.")
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Of ir-measures; the first decides. [nDCG@10, RR@10, R@100]"
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a picture (.png, .svg).")
    ] = None,
    per_query: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write each query's scores (TSV)."),
    ] = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Judge every leg and preset on your own queries, and say whether to leave the default."""
    from trivet.cli.judging import judge_index

    judge_index(
        index,
        queries,
        qrels,
        metrics=metric,
        picture=plot,
        per_query=per_query,
        tenant=tenant,
        as_json=as_json,
    )


@app.command("mcp")
def mcp_command(
    index: IndexFolder,
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Listen at http://HOST:PORT/mcp. [else stdio]"),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name by which clients reach another host."),
    ] = None,
    max_hits: Annotated[
        int, typer.Option(metavar="N", min=1, max=100, help="The most passages of an answer.")
    ] = 10,
    max_bytes: Annotated[
        int, typer.Option(metavar="N", min=2000, help="The most bytes of an answer.")
    ] = 40_000,
    about: Annotated[
        str, typer.Option(metavar="TEXT", help="What the documents are about, for the model.")
    ] = "",
    tenant: Tenant = None,
) -> None:
    """Serve an index to agents (Model Context Protocol): tools that search and read, no more."""
    from trivet.cli.serving import serve_index
    from trivet.mcp.limits import Limits

    limits = Limits(max_hits, max_bytes)
    serve_index(index, http=http, allowed=allow_host, limits=limits, about=about, tenant=tenant)


@app.command("optimize")
def optimize_command(
    index: IndexFolder,
    force: Annotated[
        bool, typer.Option("--force", help="Also where the index is small or hardly grew.")
    ] = False,
) -> None:
    """Make searches of a large index fast, by graph instead of by scan."""
    from trivet.cli.upkeep import optimize_index

    optimize_index(index, force=force)


@app.command("backup")
def backup_command(
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A folder that is not there, or is empty.")
    ],
    index: IndexFolder,
) -> None:
    """Copy an index, with checksums, to a folder that `trivet restore` reads."""
    from trivet.cli.upkeep import back_up_index

    back_up_index(index, target)


@app.command("restore")
def restore_command(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="What `trivet backup` made.")],
    index: IndexFolder,
) -> None:
    """Make an index of a backup, in a folder that is not there, or is empty."""
    from trivet.cli.upkeep import restore_index

    restore_index(backup, index)


@app.command("verify")
def verify_command(index: IndexFolder, as_json: AsJson = False) -> None:
    """Compare every chunk with what the journal says; exit code 1 if something is wrong."""
    from trivet.cli.upkeep import verify_index

    raise typer.Exit(verify_index(index, as_json=as_json))


@app.command("repair")
def repair_command(index: IndexFolder) -> None:
    """Put a damaged index right again; documents that are no longer whole are named on stderr."""
    from trivet.cli.upkeep import repair_index

    raise typer.Exit(repair_index(index))


@app.command("doctor", epilog="Exit codes: 0 healthy, 2 something to look at, 3 broken.")
def doctor_command(
    index: Annotated[
        str, typer.Option("--index", metavar="DIR|URL", help="Folder of the index, or a server.")
    ],
    collection: Annotated[
        str | None, typer.Option(metavar="NAME", help="On a server; default: trivet.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for what is wrong with an index, and say what to do."""
    from trivet.cli.doctoring import examine_index

    raise typer.Exit(examine_index(index, collection, as_json=as_json))


app.add_typer(upgrade_app, name="upgrade")
app.command("explain")(explain_command)
app.command("finetune")(finetune_command)
app.command("demo")(demo_command)
