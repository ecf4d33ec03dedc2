"""Requests about known points: among them alone, their vectors, what is near to one."""

from __future__ import annotations

from collections.abc import Sequence

from qdrant_client import models

from trivet.store.storage import Storage, search_params


def only_points(ids: Sequence[str], within: models.Filter | None = None) -> models.Filter:
    """A filter that lets these points through, as far as another one does."""
    beside = [] if within is None else [within]
    return models.Filter(must=[models.HasIdCondition(has_id=list(ids)), *beside])


def vectors_request(name: str, dims: int, ids: Sequence[str]) -> models.QueryRequest:
    """Points with a dense vector of theirs."""
    anything = [1.0] + [0.0] * (dims - 1)
    return models.QueryRequest(
        query=models.NearestQuery(nearest=anything), using=name, filter=only_points(ids),
        limit=len(ids), with_vector=[name], with_payload=False,
    )  # fmt: skip


def near_requests(
    name: str, vector: Sequence[float], limit: int, storage: Storage
) -> list[models.QueryRequest]:
    """What is near to a dense vector: as an index searches, and by comparing all as they are."""
    exactly = models.SearchParams(
        exact=True, quantization=models.QuantizationSearchParams(ignore=True)
    )
    return [
        models.QueryRequest(
            query=models.NearestQuery(nearest=list(vector)), using=name, limit=limit,
            params=params, with_payload=False, with_vector=False,
        )
        for params in (search_params(storage) or models.SearchParams(), exactly)
    ]  # fmt: skip
