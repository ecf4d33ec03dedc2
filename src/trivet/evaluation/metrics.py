"""What a ranking is worth to each query, by the measures of ir_measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from subprocess import SubprocessError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trivet.errors import InvalidInputError
from trivet.evaluation.extra import of_extra

# Judged documents beyond this rank are not looked for, where a metric names no cutoff.
DEPTH = 100
MAX_DEPTH = 10_000
# How ir_measures says that it does not know a measure, its parameters, or anything to compute it
# by; some of its measures run programs.
UNKNOWN = (
    AssertionError,
    KeyError,
    NameError,
    OSError,
    RuntimeError,
    SubprocessError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Metric:
    """A measure of ir_measures: how it is written, the measure, and how many hits it looks at."""

    name: str
    measure: Any
    depth: int


def parsed_metrics(names: Sequence[str]) -> tuple[Metric, ...]:
    """Metrics by the names that ir_measures gives them.

    Raises:
        InvalidInputError: none, one twice, one that there is not or that cannot be computed.
        MissingExtraError: ir_measures is not installed.
    """
    if isinstance(names, str) or not names:
        raise InvalidInputError(f'expected a list of metrics, such as ["nDCG@10"], got {names!r}')
    metrics = tuple(_metric(name) for name in names)
    if len({metric.name for metric in metrics}) < len(metrics):
        raise InvalidInputError(f"expected each metric once, got {', '.join(names)}")
    return metrics


def _metric(name: str) -> Metric:
    library = of_extra("ir_measures")
    example = 'write it as in "nDCG@10", "R@100", "RR@10", "AP" or "P@5"'
    try:
        measure = library.parse_measure(name)
        cutoff = measure.params.get("cutoff", DEPTH)
        # Checked before anything is computed: pytrec_eval dies of a cutoff of 0.
        if isinstance(cutoff, int) and 1 <= cutoff <= MAX_DEPTH:
            # What knows the measure's name does not know yet whether anything computes it.
            list(library.iter_calc([measure], {"query": {"a": 1}}, {"query": {"a": 1.0}}))
            return Metric(str(measure), measure, cutoff)
    except UNKNOWN as error:
        raise InvalidInputError(f"expected a metric, got {name!r} ({error}): {example}") from error
    raise InvalidInputError(f"expected a cutoff from 1 to {MAX_DEPTH:,}, got {name!r}")


def judged(
    metrics: Sequence[Metric],
    qrels: Mapping[str, Mapping[str, int]],
    rankings: Mapping[str, Sequence[str]],
) -> NDArray[np.float64]:
    """The value of each metric for each query.

    Args:
        metrics: to compute.
        qrels: grades by query and document.
        rankings: of the same queries, document ids, best first: their order counts, not their
            scores, so that ties are judged as they were shown. One without documents has 0 of
            every metric.

    Returns:
        (queries, metrics), in the order of `rankings` and `metrics`.
    """
    run = {
        query: {id: float(len(ids) - rank) for rank, id in enumerate(ids)}
        for query, ids in rankings.items()
        if ids  # by which some measures would divide
    }
    rows = {query: row for row, query in enumerate(rankings)}
    columns = {metric.measure: column for column, metric in enumerate(metrics)}
    values = np.zeros((len(rows), len(columns)))
    for found in of_extra("ir_measures").iter_calc(list(columns), qrels, run):
        values[rows[found.query_id], columns[found.measure]] = found.value
    return values
