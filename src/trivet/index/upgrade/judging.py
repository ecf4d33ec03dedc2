"""Judged queries: read from the caller, and nDCG@10 of documents over their chunks' scores."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from trivet.drift.measures import K, PerQuery, Scores
from trivet.errors import InvalidInputError
from trivet.query import text_problem
from trivet.store.keys import SEPARATOR

logger = logging.getLogger(__name__)


def checked_judgements(
    judged: Mapping[str, Mapping[str, int]] | None,
) -> dict[str, dict[str, int]]:
    """Judgements by query text and document; queries without a relevant document are left out.

    Raises:
        InvalidInputError: something else, or no query with a relevant document.
    """
    if judged is None:
        return {}
    if not isinstance(judged, Mapping):
        raise InvalidInputError(
            f"expected judged queries as {{query: {{document id: grade}}}}, got "
            f"{type(judged).__name__}"
        )
    checked = {query: _grades(query, grades) for query, grades in judged.items()}
    relevant = {query: grades for query, grades in checked.items() if grades}
    if not relevant:
        raise InvalidInputError(
            "expected judged queries with documents of grade 1 or more, got none: leave judged out"
        )
    return relevant


def judged_within(
    judged: Mapping[str, Mapping[str, int]], keys: Collection[str]
) -> dict[str, dict[str, int]]:
    """Judgements of documents that are there; nobody finds another, and that says nothing.

    Args:
        judged: as `checked_judgements` returns them.
        keys: of the documents that are measured on.

    Raises:
        InvalidInputError: there were judgements, and none is left.
    """
    there = {q: {key: g for key, g in of.items() if key in keys} for q, of in judged.items()}
    left = {query: grades for query, grades in there.items() if grades}
    missing = sorted({key for grades in judged.values() for key in grades} - set(keys))
    if judged and not left:
        tenants = any(SEPARATOR in key for key in keys)
        raise InvalidInputError(
            f"expected judged documents that are in the index, got {len(missing)} that are not, "
            f"such as {missing[0]!r}: judge by the ids that documents were added with"
            + (", each after its tenant's name and U+001F" if tenants else "")
        )
    if missing:
        logger.warning(
            "%d judged documents are not in the index, or have no text, and are left out, such as "
            "%r", len(missing), missing[0],
        )  # fmt: skip
    return left


def ndcg(scores: Scores, keys: Sequence[str], grades: Sequence[Mapping[str, int]]) -> PerQuery:
    """nDCG@10 of each query, a document being as good as its best chunk.

    Args:
        scores: (q, m) of queries and chunks.
        keys: the document of each chunk.
        grades: of each query, by document.
    """
    values = np.zeros(len(grades))
    for row, (line, wanted) in enumerate(zip(scores, grades, strict=True)):
        order = dict.fromkeys(keys[position] for position in np.argsort(-line, kind="stable"))
        gained = [wanted.get(key, 0) for key in list(order)[:K]]
        values[row] = _discounted(gained) / _discounted(sorted(wanted.values(), reverse=True)[:K])
    return values


def _discounted(gains: Sequence[int]) -> float:
    return float(sum(gain / np.log2(rank + 2) for rank, gain in enumerate(gains)))


def _grades(query: object, grades: object) -> dict[str, int]:
    problem = text_problem(query)
    if problem:
        raise InvalidInputError(f"expected a judged query, {problem}")
    if not isinstance(grades, Mapping) or not all(
        isinstance(key, str) and isinstance(grade, int) for key, grade in grades.items()
    ):
        raise InvalidInputError(
            f"expected whole grades by document id for the query {query!r}, got {grades!r}"
        )
    return {key: grade for key, grade in grades.items() if grade > 0}
