"""Where an index is, as it is named in a shell: a folder, or a collection of a server."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import trivet
from trivet.cli.searching import require_index
from trivet.config import ServerSettings
from trivet.errors import NotAnIndexError
from trivet.index import Index
from trivet.index.open import is_url

COLLECTIONS = "/collections/"


def open_existing(location: str, collection: str | None = None) -> Index:
    """Open an index that is there; none is made.

    Args:
        location: a folder, the URL of a server, or URL/collections/NAME as `trivet info` shows it.
        collection: on a server; None = as in the location, else "trivet".

    Raises:
        NotAnIndexError: there is none.
    """
    if not is_url(location):
        require_index(Path(location))
        return trivet.open(location)
    from trivet.store.connecting import ServerIndex

    url, _, named = location.partition(COLLECTIONS)
    name = collection if collection is not None else named or None
    with closing(ServerIndex(url, name, ServerSettings())) as place:
        if not place.exists():
            raise NotAnIndexError(f"expected an index at {place.location}, got none")
    return trivet.open(url, collection=name)
