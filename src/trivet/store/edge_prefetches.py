"""Prefetches that stand at several places in a batch, done once for Qdrant Edge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import qdrant_edge

if TYPE_CHECKING:
    from qdrant_client import models

Stage = TypeVar("Stage", "models.QueryRequest", "models.Prefetch")
Answers: TypeAlias = "list[list[qdrant_edge.ScoredPoint]]"
Ask: TypeAlias = "Callable[[Sequence[models.QueryRequest | models.Prefetch]], Answers]"


def answered(requests: Sequence[models.QueryRequest], ask: Ask) -> Answers:
    """The answers to a batch in which the same candidates are wanted at several places.

    Edge searches for the candidates anew at each place where a prefetch stands: for a plan of three
    legs it scans the dense vectors four times. Here each prefetch that stands more than once, as
    the same object, is done first; where it stood, the points that it found take part. Edge itself
    hands candidates on like that, as a filter by their ids.

    Args:
        requests: n of them.
        ask: answers requests, and prefetches as if they were requests for ids.

    Returns:
        n lists of points.
    """
    stand = [leaf for request in requests for leaf in _leaves(request)]
    times = Counter(map(id, stand))
    repeated = {id(leaf): leaf for leaf in stand if times[id(leaf)] > 1}
    if not repeated:
        return ask(requests)
    found = ask(list(repeated.values()))
    narrowing = _Narrowing({
        key: frozenset(point.id for point in points)
        for key, points in zip(repeated, found, strict=True)
    })  # fmt: skip
    return ask([narrowing.of(request) for request in requests])


class _Narrowing:
    """Puts what was found in the place of prefetches.

    Args:
        found: ids of points, by the prefetch that found them.
    """

    def __init__(self, found: Mapping[int, frozenset[Any]]) -> None:
        self._found = found
        # Several places of a request have the same candidates, and so one filter.
        self._filters: dict[tuple[int, ...], qdrant_edge.Filter] = {}

    def of(self, stage: Stage) -> Stage:
        """The same stage over points that are known by now."""
        if id(stage) in self._found:
            return _with(stage, filter=self._points(stage))
        prefetches = _prefetches(stage)
        if not prefetches:
            return stage
        if _is_nearest(stage) and all(id(each) in self._found for each in prefetches):
            return _with(stage, prefetch=None, filter=self._points(*prefetches))
        return _with(stage, prefetch=[self.of(each) for each in prefetches])

    def _points(self, *leaves: object) -> qdrant_edge.Filter:
        key = tuple(map(id, leaves))
        if key not in self._filters:
            ids = set().union(*(self._found[leaf] for leaf in key))
            self._filters[key] = qdrant_edge.Filter(must=[qdrant_edge.HasIdCondition(ids)])
        return self._filters[key]


def _leaves(stage: models.QueryRequest | models.Prefetch) -> Iterator[models.Prefetch]:
    """Every prefetch that searches the index, as often as it stands there."""
    for each in _prefetches(stage):
        if each.prefetch:
            yield from _leaves(each)
        else:
            yield each


def _prefetches(stage: models.QueryRequest | models.Prefetch) -> list[models.Prefetch]:
    """The prefetches of a stage; of one whose filter would reach into them, none."""
    listed = stage.prefetch
    return listed if isinstance(listed, list) and stage.filter is None else []


def _is_nearest(stage: models.QueryRequest | models.Prefetch) -> bool:
    """Whether a stage scores its candidates by a vector, and does nothing else."""
    from qdrant_client import models  # a door: whoever asks has loaded it

    return isinstance(stage.query, models.NearestQuery) and stage.query.mmr is None


def _with(stage: Stage, **changed: object) -> Stage:
    return stage.model_copy(update=changed)
