"""Options that commands of several files share, and what stands under a command's help."""

from __future__ import annotations

from typing import Annotated

import typer

STATUS = "0 done; 1 it could not be done, stderr says why; 2 a wrong command line; 130 Ctrl-C"


def epilog(*examples: str, status: str = STATUS) -> str:
    """What stands under a command's help: examples, and the exit statuses.

    Args:
        examples: command lines that can be typed as they stand.
        status: each exit status with what it means.
    """
    listed = "\n".join(f"- `{example}`" for example in examples)
    return f"Examples:\n\n{listed}\n\nExit status: {status}."


def index_place(named: str) -> str:
    """The place of an index, as it was named.

    Raises:
        BadParameter: a URL with more in it than where the index is.
    """
    from trivet.cli.places import split_place
    from trivet.errors import InvalidInputError
    from trivet.index.open import is_url

    if is_url(named):
        try:
            split_place(named)
        except InvalidInputError as error:
            raise typer.BadParameter(str(error)) from error
    return named


IndexPlace = Annotated[
    str,
    typer.Option(
        "--index",
        metavar="DIR|URL",
        parser=index_place,
        help="Its folder; or URL/collections/NAME on a Qdrant server (URL alone: trivet), whose "
        "key comes from QDRANT_API_KEY.",
    ),
]
IndexFolder = Annotated[
    str,
    typer.Option("--index", metavar="DIR", parser=index_place, help="Folder of the index."),
]
Tenant = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        metavar="NAME",
        help="Whose documents, in an index with tenants.",
        show_default="none",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
