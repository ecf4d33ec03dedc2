"""The command `trivet mcp` and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from trivet.cli.options import IndexPlace, Tenant


def mcp_command(
    index: IndexPlace,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Listen at http://HOST:PORT/mcp.",
            show_default="stdin and stdout",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name by which clients reach another host; may be repeated.",
            show_default="names of this machine alone",
        ),
    ] = None,
    max_hits: Annotated[
        int, typer.Option(metavar="N", min=1, max=100, help="The most passages of an answer.")
    ] = 10,
    max_bytes: Annotated[
        int, typer.Option(metavar="N", min=2000, help="The most bytes of an answer.")
    ] = 40_000,
    about: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="What the documents are about, for the model.",
            show_default="nothing",
        ),
    ] = "",
    tenant: Tenant = None,
) -> None:
    """Serve an index to agents (Model Context Protocol): tools that search and read, no more.

    Needs the extra `trivet[mcp]`.
    """
    from trivet.cli.serving import serve_index
    from trivet.mcp.limits import Limits

    limits = Limits(max_hits, max_bytes)
    serve_index(index, http=http, allowed=allow_host, limits=limits, about=about, tenant=tenant)
