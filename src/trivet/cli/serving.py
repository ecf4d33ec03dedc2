"""`trivet mcp`: an index as a server of the Model Context Protocol."""

from __future__ import annotations

import os
from collections.abc import Sequence

from trivet.cli import render
from trivet.cli.places import open_existing
from trivet.cli.searching import of_tenant
from trivet.errors import MissingExtraError
from trivet.mcp.limits import Limits

PACKAGES = ("anyio", "mcp", "mcp_types")


def serve_index(
    location: str | os.PathLike[str],
    *,
    http: str | None,
    allowed: Sequence[str] | None,
    limits: Limits,
    about: str,
    tenant: str | None,
) -> None:
    """Answer the tools `search` and `fetch` until stdin ends, or over HTTP.

    Args:
        location: a folder, or of a server, as `open_existing` takes it.
        http: "HOST:PORT" to listen on; None = stdio.
        allowed: names by which clients reach the host.
        limits: of every answer.
        about: what the documents are about.
        tenant: whose documents; None in an index without tenants.

    Raises:
        NotAnIndexError: there is no index.
        InvalidInputError: an address that is none, or that others reach by no name given.
        MissingExtraError: the extra `mcp` is not installed.
    """
    try:
        from trivet.mcp.server import build_server
        from trivet.mcp.serving import parsed_address, security, serve_http, serve_stdio
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES:
            raise
        raise MissingExtraError(
            f"expected the package {package!r} for `trivet mcp`, got none installed: "
            'pip install "trivet[mcp]"'
        ) from error
    if http is not None:
        security(parsed_address(http)[0], allowed or ())  # wrong ones show before the index opens
    with open_existing(location) as index:
        server = build_server(of_tenant(index, tenant), limits=limits, about=about)
        if http is None:
            serve_stdio(server)
        else:
            host, port = parsed_address(http)
            shown = f"[{host}]" if ":" in host else host
            render.complain(f"serving at http://{shown}:{port}/mcp; Ctrl-C stops")
            serve_http(server, http, allowed or ())
