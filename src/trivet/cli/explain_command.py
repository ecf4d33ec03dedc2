"""The command `trivet explain` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trivet.cli.options import AsJson, IndexPlace, Tenant


def explain_command(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="As it was searched with.")],
    id: Annotated[str, typer.Argument(metavar="ID", help="Of a document, as `search` shows it.")],
    index: IndexPlace,
    plan: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A preset, such as rrf.", show_default="the index's own"),
    ] = None,
    mode: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODE",
            help="With this leg only: dense, sparse or multi; may be repeated.",
            show_default="all of the plan",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it as a page.", show_default="none"),
    ] = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Say why a document has its score: what each leg gives, by which words and tokens."""
    from trivet.cli.explaining import explain_document

    explain_document(
        query, id, index, plan=plan, modes=mode, page=html, tenant=tenant, as_json=as_json
    )
