"""`trivet upgrade take-over`: another program's collection copied to an index of our own."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trivet
from trivet.cli import render
from trivet.cli.places import COLLECTIONS, KEY, server_settings, settings_for, split_place
from trivet.cli.texts_file import opened_texts
from trivet.config import Lexical, ServerSettings
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
    url, collection = split_place(place) if is_url(place) else (place, None)
    if not is_url(url) or collection is None:
        raise InvalidInputError(f"expected URL{COLLECTIONS}NAME to take over, got {place!r}")
    location, named = split_place(target) if is_url(target) else (target, None)
    settings = server_settings()
    _require_one_server(url, location, settings)
    lexical = None if bm25 is None else Lexical(bm25)
    with (
        opened_texts(texts) as resolver,
        trivet.adopt(
            url, collection, model=_maker(model), lexical=lexical, vector=vector, server=settings
        ) as adopted,
        render.waiting(f"Copying {adopted.count():,} documents"),
        adopted.take_over(
            location,
            collection=named,
            alias=alias,
            server=settings_for(location),
            text_resolver=resolver,
        ) as own,
    ):
        told = asdict(own.describe())
        # Without --texts, no point may lack its text.
        textless = 0 if resolver is None else count_textless(own._store)
    _tell(told, textless, as_json=as_json)


def _tell(told: dict[str, Any], textless: int, *, as_json: bool) -> None:
    """Print what the new index holds, and what comes next."""
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


def _require_one_server(source: str, target: str, settings: ServerSettings) -> None:
    """Refuse to send one server's key to another.

    Raises:
        InvalidInputError: a key, and two servers.
    """
    is_other = is_url(target) and urlsplit(source).netloc != urlsplit(target).netloc
    if is_other and settings.api_key is not None:
        raise InvalidInputError(
            f"expected one server for the one key in {KEY}, got {source} and {target}: from "
            "Python, trivet.adopt(…, server=) and Index.take_over(…, server=) take a key each"
        )


def _maker(model: str) -> trivet.Embedder:
    """What made the vectors that are copied; learned sparse ones cannot be read back."""
    loaded = trivet.Embedder.load(model)
    return loaded.only([mode for mode in loaded.modes if mode != "sparse"])
