"""Where an index is, as it is named in a shell: a folder, or a collection of a server."""

from __future__ import annotations

import os
import shlex
from contextlib import closing
from pathlib import Path

from pydantic import SecretStr

import trivet
from trivet.config import Lexical, ServerSettings
from trivet.errors import InvalidInputError, NotAnIndexError
from trivet.index import Index, exists
from trivet.index.open import is_url

COLLECTIONS = "/collections/"
# As Qdrant's own tools name it. A key in the arguments could be read by anyone who lists processes.
KEY = "QDRANT_API_KEY"
INSECURE = "TRIVET_ALLOW_INSECURE"
SAID = {"": False, "0": False, "false": False, "1": True, "true": True}


def split_place(location: str) -> tuple[str, str | None]:
    """The URL of a server, and the collection that is named behind it, if one is.

    Args:
        location: the URL of a server, or URL/collections/NAME.

    Raises:
        InvalidInputError: more than that; it is not repeated, since it may be a secret.
    """
    url, _, collection = location.partition(COLLECTIONS)
    if "@" in url or "?" in location or "#" in location:
        raise InvalidInputError(
            f"expected URL or URL{COLLECTIONS}NAME, got one with a user, a query or a fragment: "
            f"leave these out, and give a key in the environment variable {KEY}"
        )
    return url, collection.rstrip("/") or None


def server_settings() -> ServerSettings:
    """How a server is reached from a shell: the key, if any, is in the environment.

    Raises:
        InvalidInputError: a variable whose value cannot be meant.
    """
    said = os.environ.get(INSECURE, "").strip().lower()
    if said not in SAID:
        raise InvalidInputError(f"expected {INSECURE} to be true or false, got {said!r}")
    key = os.environ.get(KEY, "").strip()  # files that keys are read from often end in a line end
    return ServerSettings(api_key=SecretStr(key) if key else None, allow_insecure=SAID[said])


def settings_for(location: str) -> ServerSettings | None:
    """How the server of a location is reached; None for a folder, which takes no settings."""
    return server_settings() if is_url(location) else None


def open_existing(location: str | os.PathLike[str], collection: str | None = None) -> Index:
    """Open an index that is there; none is made.

    Args:
        location: a folder, the URL of a server, or URL/collections/NAME as `trivet info` shows it.
        collection: on a server; None = as in the location, else "trivet".

    Raises:
        NotAnIndexError: there is none.
        TrivetError: as `trivet.open`.
    """
    place = os.fspath(location)
    if not is_url(place):
        require_index(Path(place))
        return trivet.open(place)
    from trivet.store.connecting import ServerIndex

    url, named = split_place(place)
    name = named if collection is None else collection
    settings = server_settings()
    with closing(ServerIndex(url, name, settings)) as there:
        if not there.exists():
            raise NotAnIndexError(
                f"expected an index at {there.location}, got none: make one with `trivet index "
                f"PATH --index {there.location}`, or name another as URL{COLLECTIONS}NAME"
            )
    return trivet.open(url, collection=name, server=settings)


def open_or_make(
    location: str | os.PathLike[str],
    *,
    model: str | None = None,
    lexical: Lexical | None = None,
    tenants: bool | None = None,
) -> Index:
    """Open an index, or make one where there is none.

    Args:
        location: as for `open_existing`.
        model: of a new index; None = as stored, or the default.
        lexical: BM25 of a new index; None = as stored, or by its documents.
        tenants: whether a new index has tenants; None = as stored, or without.

    Raises:
        TrivetError: as `trivet.open`.
    """
    place = os.fspath(location)
    url, collection = split_place(place) if is_url(place) else (place, None)
    return trivet.open(
        url,
        collection=collection,
        server=settings_for(place),
        model=model,
        lexical=lexical,
        tenants=tenants,
    )


def require_folder(location: str | os.PathLike[str], action: str, instead: str) -> Path:
    """The folder that is named; a URL would be taken for the path of one.

    Args:
        location: as it was given.
        action: what works on folders alone.
        instead: what to do on a server.

    Raises:
        InvalidInputError: a URL.
    """
    place = os.fspath(location)
    if is_url(place):
        url, collection = split_place(place)
        shown = f"{url}{COLLECTIONS}{collection}" if collection else url
        raise InvalidInputError(f"expected a folder to {action}, got {shown}: {instead}")
    return Path(place)


def require_index(location: Path) -> None:
    """Refuse a folder without an index, which would be made by opening it.

    Raises:
        NotAnIndexError: there is none.
    """
    if not exists(location):
        came = "a folder without one" if location.is_dir() else "no such folder"
        came = "a file" if location.is_file() else came
        raise NotAnIndexError(
            f"expected an index in {location}, got {came}: "
            f"make one with `trivet index PATH --index {shlex.quote(str(location))}`"
        )
