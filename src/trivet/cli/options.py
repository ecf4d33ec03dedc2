"""Options that commands of several files share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def index_folder(named: str | Path) -> Path:
    """The folder that is named; a URL would be taken for the path of one.

    Raises:
        BadParameter: a URL.
    """
    from trivet.index.open import is_url

    if is_url(str(named)):
        raise typer.BadParameter(
            f"expected a folder, got the URL {named}: this command works on folders; from Python, "
            "trivet.open(url, collection=...) opens an index on a server"
        )
    return Path(named)


IndexFolder = Annotated[
    Path,
    typer.Option("--index", metavar="DIR", parser=index_folder, help="Folder of the index."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
