"""The commands `trivet index`, `search`, `info` and `eval`, and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trivet.cli.options import AsJson, IndexPlace, Tenant


def index_command(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", exists=True, help="Files and folders.")
    ],
    index: IndexPlace,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Model of a new index: a name or a folder.",
            show_default="all-MiniLM-L6-v2; an index that is there keeps its own",
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help='Of BM25 in a new index: "de", or "none".',
            show_default="that of its first texts",
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete every document that PATH does not hold.")
    ] = False,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Index text, Markdown, reStructuredText, Python and JSONL files (.jsonl, .jsonl.gz).

    The index is made if it is not there. A file's path relative to PATH is its id. A line of JSONL
    is an object with "text" and, if wanted, "id", "title" and "metadata". Run again to resume, or
    to replace what has changed. With --tenant, a new index has tenants, and each sees its own
    documents only. Hidden files, links that leave PATH and other kinds of files are passed over.
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


def search_command(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="A question, or words.")],
    index: IndexPlace,
    k: Annotated[int, typer.Option("-k", metavar="N", min=1, help="How many documents.")] = 10,
    mode: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODE",
            help="Search with this leg only: dense, sparse or multi; may be repeated.",
            show_default="all that the index has",
        ),
    ] = None,
    tenant: Tenant = None,
    think_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Thoughts about queries (JSONL), to search with.",
            show_default="none",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search an index, and say which legs found each document."""
    from trivet.cli.searching import search_index

    search_index(
        query, index, k=k, modes=mode, tenant=tenant, think_file=think_file, as_json=as_json
    )


def info_command(
    index: IndexPlace,
    tenant: Tenant = None,
    recall: Annotated[
        bool, typer.Option("--recall", help="Measure the dense search against an exact one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what an index holds; no model is loaded.

    A server does not say how many bytes an index takes.
    """
    from trivet.cli.searching import show_index

    show_index(index, tenant=tenant, recall=recall, as_json=as_json)


def eval_command(
    index: IndexPlace,
    queries: Annotated[
        Path, typer.Option(metavar="FILE", help="JSONL with _id and text, or id, tab, text.")
    ],
    qrels: Annotated[
        Path, typer.Option(metavar="FILE", help="Judgements: TREC qrels, BEIR's TSV or JSONL.")
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Of ir-measures; may be repeated, the first decides.",
            show_default="nDCG@10, RR@10, R@100",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw a picture (.png, .svg).", show_default="none"),
    ] = None,
    per_query: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write each query's scores (TSV).", show_default="none"),
    ] = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Judge every leg and preset on your own queries, and say whether to leave the default.

    Needs the extra `trivet[eval]`.
    """
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
