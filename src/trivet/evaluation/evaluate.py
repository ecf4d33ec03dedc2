"""Every plan of an index on judged queries, and whether another than the default is better."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trivet.errors import JudgementsError, TextTooLongError
from trivet.evaluation.bootstrap import interval, resampled_means
from trivet.evaluation.candidates import candidates
from trivet.evaluation.judgements import checked_grade
from trivet.evaluation.metrics import Metric, judged, parsed_metrics
from trivet.evaluation.refusals import scores_of_all
from trivet.evaluation.results import Estimate, Evaluation, Left, PlanResult
from trivet.index import Index
from trivet.plan import Plan
from trivet.query import text_problem

METRICS = ("nDCG@10", "RR@10", "R@100")
# Below, the standard error itself is a guess: the best of several plans on 20 queries is often not
# the best on others.
MIN_QUERIES = 20
ERRORS = 2.0
# One request for all queries of most judged sets, and none that outgrows a server's limits.
REQUEST_QUERIES = 1_000
LOOKUP = 1_000


@dataclass(frozen=True)
class Judged:
    """The queries to ask, with their judgements, and what was left out."""

    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    left: Left


def evaluate(
    index: Index,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    *,
    metrics: Sequence[str] = METRICS,
    plans: Mapping[str, Plan] | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Judge every leg and every preset that an index's legs allow.

    Each query asks for as many hits as the deepest metric looks at, 100 where it does not say.
    Another plan than the default is recommended only if its mean gain in the first metric is more
    than two standard errors above zero, on 20 judged queries or more. A plan that a server refuses
    is left out and named; the default is then what a search without a plan goes by there.

    Args:
        index: holds the judged documents.
        queries: text by id (`read_queries`).
        qrels: grades by query id and document id, relevant above 0 (`read_qrels`).
        metrics: names of ir_measures; the first decides.
        plans: plans of one's own, by name, to judge as well.
        seed: of the bootstrap.
        progress: called with the name of each plan before it is asked.

    Raises:
        JudgementsError: no query is judged, none has a relevant document, the index holds none of
            the relevant documents, an id is no text, or a grade is no whole number or too large.
        InvalidInputError: a metric that does not exist; a name of a plan that is taken.
        InvalidPlanError: one of `plans` that the index cannot answer.
        MissingExtraError: the extra `eval` is not installed.
        TrivetError: as `Index.search_many`.
    """
    parsed = parsed_metrics(metrics)
    depth = max(metric.depth for metric in parsed)
    asked = _judged(index, queries, qrels)

    def score(name: str, plan: Plan) -> NDArray[np.float64]:
        if progress is not None:
            progress(name)
        return judged(parsed, asked.qrels, dict(_rankings(index, asked.queries, plan, depth)))

    scores, refused = scores_of_all(lambda: candidates(index, plans or {}, depth), score)
    default, *_ = scores
    results = _results(scores, default, parsed, seed)
    recommended, reason = _recommended(results, parsed[0].name, len(asked.queries))
    return Evaluation(
        metrics=tuple(metric.name for metric in parsed),
        depth=depth,
        queries=asked.queries,
        default=default,
        plans=results,
        recommended=recommended,
        reason=reason,
        left=asked.left,
        refused=refused,
        seed=seed,
    )


def _judged(
    index: Index, queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]]
) -> Judged:
    _require_ids(queries, qrels)
    if not queries:
        raise JudgementsError("expected one query or more, got none")
    asked = {id: text for id, text in queries.items() if qrels.get(id)}
    if not asked:
        raise JudgementsError(
            f"expected judgements of the queries, got none: {len(queries):,} queries such as "
            f"{next(iter(queries))!r}, judgements of {len(qrels):,} such as "
            f"{next(iter(qrels), None)!r}: look whether the ids are the same"
        )
    grades = {
        id: {document: checked_grade(grade) for document, grade in qrels[id].items()}
        for id in asked
    }
    relevant = {
        id: [document for document, grade in grades[id].items() if grade > 0] for id in asked
    }
    fit = {id: text for id, text in asked.items() if relevant[id]}
    if not fit:
        raise JudgementsError("expected a relevant document (a grade above 0), got none")
    wanted = dict.fromkeys(document for id in fit for document in relevant[id])
    unknown = set(wanted) - set(_held(index, list(wanted)))
    if len(unknown) == len(wanted):
        raise JudgementsError(
            f"expected judgements of documents that the index holds, got {len(unknown):,} others, "
            f"such as {next(iter(wanted))!r}: index the judged documents under their own ids"
        )
    left = Left(
        unjudged=len(queries) - len(asked),
        without_relevant=len(asked) - len(fit),
        without_text=sum(bool(judged) and id not in queries for id, judged in qrels.items()),
        unknown_documents=len(unknown),
    )
    return Judged(fit, {id: grades[id] for id in fit}, left)


def _require_ids(queries: object, qrels: object) -> None:
    """Refuse what is not by ids; of some that are no texts, what computes the measures dies."""
    for name, given in (("queries", queries), ("qrels", qrels)):
        if not isinstance(given, Mapping):
            raise JudgementsError(f"expected {name} by the queries' ids, got {given!r:.60}")
        _require_texts(given, f"a query in {name}")
    assert isinstance(qrels, Mapping)  # as checked
    for query, grades in qrels.items():
        if not isinstance(grades, Mapping):
            raise JudgementsError(
                f"expected grades of {query!r} by the documents' ids, got {grades!r:.60}"
            )
        _require_texts(grades, f"a document judged for {query!r}")


def _require_texts(ids: Iterable[object], what: str) -> None:
    for id in ids:
        if problem := text_problem(id):
            raise JudgementsError(f"expected an id of {what}, {problem}")


def _held(index: Index, ids: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(ids), LOOKUP):
        for document in index.get(ids[start : start + LOOKUP]):
            yield document.id or ""


def _rankings(
    index: Index, queries: Mapping[str, str], plan: Plan, depth: int
) -> Iterator[tuple[str, list[str]]]:
    ids = list(queries)
    for start in range(0, len(ids), REQUEST_QUERIES):
        part = ids[start : start + REQUEST_QUERIES]
        try:
            found = index.search_many([queries[id] for id in part], k=depth, plan=plan)
        except TextTooLongError as error:
            raise _named(index, {id: queries[id] for id in part}, plan) or error from error
        for id, hits in zip(part, found, strict=True):
            yield id, [hit.id for hit in hits]


def _named(index: Index, queries: Mapping[str, str], plan: Plan) -> TextTooLongError | None:
    """The error of the first query that is too long, by its id."""
    for id, text in queries.items():
        try:
            index.search(text, k=1, plan=plan)
        except TextTooLongError as error:  # noqa: PERF203 - it is what is looked for
            return TextTooLongError(f"query {id!r}: {str(error).partition(':')[0]}: shorten it")
    return None


def _results(
    scores: Mapping[str, NDArray[np.float64]],
    default: str,
    metrics: Sequence[Metric],
    seed: int,
) -> tuple[PlanResult, ...]:
    """Means and gains of every plan, by the same resamples of the queries."""
    means = resampled_means(np.concatenate(list(scores.values()), axis=1), seed=seed)
    width = len(metrics)
    by_plan = {name: means[:, i * width : (i + 1) * width] for i, name in enumerate(scores)}
    return tuple(
        PlanResult(
            name=name,
            means={
                metric.name: _estimate(found[:, column], by_plan[name][:, column])
                for column, metric in enumerate(metrics)
            },
            gains={
                metric.name: _estimate(
                    found[:, column] - scores[default][:, column],
                    by_plan[name][:, column] - by_plan[default][:, column],
                )
                for column, metric in enumerate(metrics)
            },
            scores=found,
        )
        for name, found in scores.items()
    )


def _estimate(values: NDArray[np.float64], resampled: NDArray[np.float64]) -> Estimate:
    low, high = interval(resampled)
    return Estimate(float(values.mean()), float(resampled.std()), low, high)


def _recommended(
    results: Sequence[PlanResult], metric: str, queries: int
) -> tuple[str | None, str]:
    default, *others = results
    if queries < MIN_QUERIES:
        return None, (
            f"keep {default.name}: {queries} judged {'query' if queries == 1 else 'queries'} "
            f"can't tell plans apart, {MIN_QUERIES} or more might"
        )
    better = [
        plan for plan in others if plan.gains[metric].mean > ERRORS * plan.gains[metric].error
    ]
    if not better:
        return None, (
            f"keep {default.name}: no plan is better by more than two standard errors in {metric}"
        )
    best = max(better, key=lambda plan: plan.gains[metric].mean)
    gain = best.gains[metric]
    return best.name, (
        f"take {best.name}: {gain.mean:+.4f} {metric} against {default.name}, with a standard "
        f"error of {gain.error:.4f}"
    )
