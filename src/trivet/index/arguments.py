"""The arguments of an index's calls, checked at the door."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias, cast

from trivet.errors import (
    InvalidInputError,
    InvalidPlanError,
    InvalidQueryError,
    UnknownModeError,
)
from trivet.plan import DEPTH, Plan, best_plan, checked_plan
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


def checked_timeout(timeout_s: object) -> float | None:
    """Seconds to wait; None = as long as it takes.

    Raises:
        InvalidInputError: no finite number above 0.
    """
    if timeout_s is None:
        return None
    is_number = isinstance(timeout_s, (int, float)) and not isinstance(timeout_s, bool)
    if not is_number or not 0 < cast(float, timeout_s) < math.inf:
        raise InvalidInputError(
            f"expected timeout_s to be a number of seconds above 0, got {timeout_s!r}: leave it "
            "out to wait as long as it takes"
        )
    return cast(float, timeout_s)


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
    asked = list(queries)
    if len(asked) == 1:
        return [_query(asked[0])]
    return [
        _query(query, f"query at position {position}: ") for position, query in enumerate(asked)
    ]


def _query(query: object, place: str = "") -> Query:
    """A query as a value; an error begins with its place among others."""
    if isinstance(query, Query):
        return query
    try:
        return Query(query)  # type: ignore[arg-type]  # it looks what it is given
    except InvalidQueryError as error:
        raise InvalidQueryError(f"{place}{error}") from error


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


def chosen_plan(
    plan: Plan | str | None,
    modes: Sequence[str] | None,
    manifest: Manifest,
    k: int,
    depth: int | None,
    *,
    foreign: bool,
) -> Plan:
    """The plan of a search.

    Args:
        plan: a plan, or a preset's name; None = the best one for the modes.
        modes: the legs to search; None = all that the index holds.
        manifest: of the index.
        k: hits wanted.
        depth: candidates of each leg, where no plan says; None = as measured.
        foreign: whether something else has made the vectors: the scale of its scores is unknown.

    Raises:
        InvalidPlanError: no such preset, a leg that the index lacks, or a depth below k.
        UnknownModeError: a mode that does not exist, or that the index lacks.
        InvalidInputError: both a plan and modes.
    """
    if plan is None:
        return _default_plan(held_modes(modes, manifest), manifest, depth, foreign)
    if modes is not None:
        raise InvalidInputError(
            f"expected a plan or modes, got both ({plan!r}, {modes!r}): a plan names its legs"
        )
    chosen = checked_plan(plan, tuple(manifest.spaces))
    wanted = k + chosen.offset
    shallow = [mode for mode, n in chosen.depths.items() if n < wanted]
    if isinstance(plan, Plan) and shallow:
        raise InvalidPlanError(
            f"expected a depth of {wanted} or more for {wanted} hits, got "
            f"{chosen.depths[shallow[0]]} of {shallow[0]}: go deeper, or ask for fewer"
        )
    return chosen


def require_chunks(plan: Plan, chunks: bool) -> None:
    """Refuse a plan for chunks where documents are wanted.

    Raises:
        InvalidPlanError: it is one.
    """
    if plan.per_document is not None and not chunks:
        raise InvalidPlanError(
            f"expected chunks=True with per_document={plan.per_document}, got a search for "
            "documents: it has one hit of each"
        )


def _default_plan(
    modes: Sequence[Mode], manifest: Manifest, depth: int | None, foreign: bool
) -> Plan:
    is_known = "sparse" not in modes or (manifest.spaces["sparse"].is_lexical and not foreign)
    if len(modes) > 1 and not is_known:
        # The scores of a model's own sparse leg have no common scale: 0.2 of BGE-M3 is much, and
        # little of SPLADE. Elsewhere words are weighed by any average, with IDF or without.
        depths: dict[Mode, int] = {mode: depth or DEPTH for mode in modes if mode != "multi"}
        return Plan(depths, dict.fromkeys(modes, 1.0), fuse="dbsf")
    return best_plan(modes, depth)


def is_of_chunks(plan: Plan | str | None) -> bool:
    """Whether a plan is for searches of chunks alone."""
    return isinstance(plan, Plan) and plan.per_document is not None
