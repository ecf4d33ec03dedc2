"""`trivet explain`: why a document has its score for a query."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from trivet.cli import render
from trivet.cli.places import open_existing
from trivet.cli.searching import of_tenant
from trivet.errors import InvalidInputError

HEAD = '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>trivet explain</title>\n'


def explain_document(
    query: str,
    id: str,
    location: str | os.PathLike[str],
    *,
    plan: str | None,
    modes: Sequence[str] | None,
    page: Path | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Print why a document has its score.

    Args:
        query: a question, or words.
        id: of a stored document.
        location: a folder, or of a server, as `open_existing` takes it.
        plan: name of a preset; None = the index's own.
        modes: the legs to explain; None or empty = all of the plan.
        page: file to write it to as HTML; None = none.
        tenant: whose document; None in an index without tenants.
        as_json: print one object with the fields of `Explanation`.

    Raises:
        NotAnIndexError: there is no index.
        InvalidInputError: a page in a folder that is not there.
        TrivetError: as `Index.explain`.
    """
    if page is not None and (page.is_dir() or not page.parent.is_dir()):
        raise InvalidInputError(f"expected a file to write the page to, got {page}")
    with open_existing(location) as index, render.waiting("Loading the model"):
        why = of_tenant(index, tenant).explain(query, id, plan=plan, modes=modes or None)
    if page is not None:
        page.write_text(f"{HEAD}{why._repr_html_()}\n</html>\n", "utf-8", "xmlcharrefreplace")
    if as_json:
        sys.stdout.write(json.dumps(asdict(why), indent=2) + "\n")
        return
    console = render.output()
    for line in str(why).splitlines():
        console.print(line, soft_wrap=True)
