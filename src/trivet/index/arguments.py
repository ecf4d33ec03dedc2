"""The arguments of an index's calls, checked at the door."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from trivet.errors import InvalidInputError, InvalidQueryError, UnknownModeError
from trivet.query import Query, text_problem
from trivet.reports import IngestReport
from trivet.store.manifest import Manifest
from trivet.types import Mode, checked_modes

Progress: TypeAlias = Callable[[IngestReport], None]

MAX_K = 10_000


def checked_folder(location: object) -> Path:
    """A path of a folder, absolute; it need not be there.

    Raises:
        InvalidInputError: no path.
    """
    try:
        place = os.fspath(location)  # type: ignore[call-overload]
    except TypeError:
        place = None
    if not isinstance(place, str) or not place.strip() or "\x00" in place:
        raise InvalidInputError(f"expected a path of a folder, got {location!r}")
    return Path(place).expanduser().absolute()


def checked_k(k: object) -> int:
    """How many hits are wanted.

    Raises:
        InvalidInputError: no whole number, below 1, or beyond 10,000.
    """
    try:
        number = 0 if isinstance(k, bool) else operator.index(k)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if not 1 <= number <= MAX_K:
        raise InvalidInputError(f"expected k to be a whole number from 1 to {MAX_K}, got {k!r}")
    return number


def checked_ids(ids: object) -> list[str]:
    """Ids of documents.

    Raises:
        InvalidInputError: one id instead of a list, or an id that is no text.
    """
    if isinstance(ids, (str, bytes)) or not isinstance(ids, Iterable):
        raise InvalidInputError(f"expected a list of ids, got {ids!r}: put it in a list")
    asked = list(ids)
    for id in asked:
        if not isinstance(id, str):
            raise InvalidInputError(f"expected ids to be str, got {id!r} ({type(id).__name__})")
        problem = text_problem(id)
        if problem:
            raise InvalidInputError(f"expected ids with text in them, {problem}")
    return asked


def checked_queries(queries: object) -> list[Query]:
    """Queries as values.

    Raises:
        InvalidQueryError: one query instead of a list, or one that is no text or blank.
    """
    if isinstance(queries, (str, Query)) or not isinstance(queries, Iterable):
        raise InvalidQueryError(
            f"expected a list of queries, got one {type(queries).__name__}: use search, or put "
            "it in a list"
        )
    return [query if isinstance(query, Query) else Query(query) for query in queries]


def checked_on_error(on_error: str) -> bool:
    """Whether the first document that fails is raised.

    Raises:
        InvalidInputError: neither "report" nor "raise".
    """
    if on_error not in ("report", "raise"):
        raise InvalidInputError(f'expected on_error to be "report" or "raise", got {on_error!r}')
    return on_error == "raise"


def checked_progress(progress: Progress | None) -> Progress | None:
    """What is to be called with every report.

    Raises:
        InvalidInputError: it cannot be called.
    """
    if progress is not None and not callable(progress):
        raise InvalidInputError(f"expected progress to be callable, got {progress!r}")
    return progress


def held_modes(modes: Sequence[str] | None, manifest: Manifest) -> tuple[Mode, ...]:
    """The legs to search; None = all that the index holds.

    Raises:
        UnknownModeError: a mode that does not exist, or that the index lacks.
    """
    held = tuple(manifest.spaces)
    if modes is None:
        return held
    asked = checked_modes(modes)
    missing = [mode for mode in asked if mode not in held]
    if missing:
        raise UnknownModeError(
            f"expected modes that the index holds ({', '.join(held)}), got {missing[0]!r}"
        )
    return asked
