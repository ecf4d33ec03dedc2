"""`trivet upgrade take-over`: another program's collection copied to an index of our own."""

from __future__ import annotations

import json
from dataclasses import asdict

import trivet
from trivet.cli import render
from trivet.cli.places import COLLECTIONS
from trivet.config import Lexical
from trivet.errors import InvalidInputError
from trivet.index.open import is_url


def take_over_collection(
    place: str,
    target: str,
    model: str,
    alias: str | None,
    vector: str | None,
    bm25: str | None,
    *,
    as_json: bool,
) -> None:
    """Adopt a collection, copy it, and print what the copy holds.

    Args:
        place: URL/collections/NAME.
        target: of the new index: a folder, or the same with another name.
        model: what made the dense vectors.
        alias: that is to lead to the new index.
        vector: name of the dense vector, where there are several.
        bm25: the language of the BM25 that made the sparse vectors; None = they are left alone.
        as_json: print JSON and nothing else.

    Raises:
        TrivetError: as `trivet.adopt` and `Index.take_over`.
    """
    url, _, collection = place.partition(COLLECTIONS)
    if not is_url(url) or not collection:
        raise InvalidInputError(f"expected URL{COLLECTIONS}NAME to take over, got {place!r}")
    location, _, named = target.partition(COLLECTIONS) if is_url(target) else (target, "", "")
    lexical = None if bm25 is None else Lexical(bm25)
    with (
        trivet.adopt(url, collection, model=model, lexical=lexical, vector=vector) as adopted,
        render.waiting(f"Copying {adopted.count():,} documents"),
        adopted.take_over(location, collection=named or None, alias=alias) as own,
    ):
        told = asdict(own.describe())
    if as_json:
        render.output().print_json(json.dumps(told, default=str))
    else:
        line = f"{told['documents']:,} documents are in {told['location']}, by {told['model']}"
        render.output().print(render.one_line(line), soft_wrap=True)
        render.remarks().print(
            f"next: trivet upgrade plan --index {told['location']} --to MODEL", soft_wrap=True
        )
