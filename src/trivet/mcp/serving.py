"""The server over stdio and over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from trivet.errors import InvalidInputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_PORTS = 65_535


def parsed_address(address: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT", ":PORT" or "PORT"; without a host, 127.0.0.1.

    Raises:
        InvalidInputError: no such thing.
    """
    host, _, port = address.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= MOST_PORTS:
        raise InvalidInputError(
            f"expected HOST:PORT, such as 127.0.0.1:8000, got {address!r}: name a port from 1 to "
            f"{MOST_PORTS}"
        )
    return host.strip("[]") or LOOPBACK[0], int(port)


def security(host: str, allowed: Sequence[str]) -> TransportSecuritySettings:
    """Which Host and Origin headers are answered: a web page must not reach the server.

    A page's name may be made to point at this machine (DNS rebinding); its requests then carry
    that name, and are refused.

    Args:
        host: that is listened on.
        allowed: names by which clients reach it, beside those of this machine.

    Raises:
        InvalidInputError: reached from elsewhere, and no name given.
    """
    if host not in LOOPBACK and not allowed:
        raise InvalidInputError(
            f"expected the names by which clients reach {host}, got none: give each with "
            "--allow-host, or listen on 127.0.0.1"
        )
    names = [f"[{name}]" if ":" in name else name for name in (*LOOPBACK, *allowed)]
    hosts = [form for name in names for form in (name, f"{name}:*")]
    origins = [f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True, allowed_hosts=hosts, allowed_origins=origins
    )


def serve_stdio(server: MCPServer[Any]) -> None:
    """Answer on stdin and stdout until stdin ends."""
    server.run("stdio")


def serve_http(server: MCPServer[Any], address: str, allowed: Sequence[str]) -> None:
    """Answer at http://HOST:PORT/mcp (streamable HTTP) until the process is stopped.

    Args:
        server: to run.
        address: to listen on, as `parsed_address` reads it.
        allowed: as in `security`.

    Raises:
        InvalidInputError: an address that is none, or as `security`.
    """
    host, port = parsed_address(address)
    # Both tools only read: there is no session to keep.
    server.run(
        "streamable-http",
        host=host,
        port=port,
        stateless_http=True,
        json_response=True,
        transport_security=security(host, allowed),
    )
