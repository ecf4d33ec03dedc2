"""`trivet upgrade take-over`: another program's collection copied to an index of our own."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import trivet
from trivet.cli import render
from trivet.cli.places import COLLECTIONS
from trivet.cli.texts_file import opened_texts
from trivet.config import Lexical
from trivet.errors import InvalidInputError
from trivet.index.open import is_url
from trivet.index.upgrade.texts import count_textless


def take_over_collection(
    place: str,
    target: str,
    model: str,
    alias: str | None,
    vector: str | None,
    bm25: str | None,
    texts: Path | None,
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
        texts: those that the collection does not hold; of which nobody has the text is copied
            without.
        as_json: print JSON and nothing else.

    Raises:
        TrivetError: as `trivet.adopt` and `Index.take_over`.
    """
    url, _, collection = place.partition(COLLECTIONS)
    if not is_url(url) or not collection:
        raise InvalidInputError(f"expected URL{COLLECTIONS}NAME to take over, got {place!r}")
    location, _, named = target.partition(COLLECTIONS) if is_url(target) else (target, "", "")
    lexical = None if bm25 is None else Lexical(bm25)
    loaded = trivet.Embedder.load(model)
    # Learned sparse vectors cannot be read back; the dense ones beside them can be copied.
    made_by = loaded.only([mode for mode in loaded.modes if mode != "sparse"])
    with (
        opened_texts(texts) as resolver,
        trivet.adopt(url, collection, model=made_by, lexical=lexical, vector=vector) as adopted,
        render.waiting(f"Copying {adopted.count():,} documents"),
        adopted.take_over(
            location, collection=named or None, alias=alias, text_resolver=resolver
        ) as own,
    ):
        told = asdict(own.describe())
        # Without --texts, no point may lack its text.
        textless = 0 if resolver is None else count_textless(own._store)
    if textless:
        told["textless"] = textless
    if as_json:
        render.output().print_json(json.dumps(told, default=str))
    else:
        line = f"{told['documents']:,} documents are in {told['location']}, by {told['model']}"
        if textless:
            line += f"; {textless:,} of them without a text, found by their dense vectors alone"
        render.output().print(render.one_line(line), soft_wrap=True)
        render.remarks().print(
            f"next: trivet upgrade plan --index {told['location']} --to MODEL", soft_wrap=True
        )
