"""Stages of a request to an engine: prefetches, and what is to come back of the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qdrant_client import models

from trivet.store.points import PAYLOAD_METADATA, PAYLOAD_OWN, PAYLOAD_TEXT

PAYLOAD_FIELDS = [PAYLOAD_TEXT, PAYLOAD_METADATA, PAYLOAD_OWN]

# A copy is half as dear as what `model_construct` makes, and a search needs twenty.
_REQUEST, _PREFETCH = models.QueryRequest(), models.Prefetch()


@dataclass(frozen=True)
class Wanted:
    """What is to come back of a request.

    Attributes:
        limit: points.
        with_payload: whether with the payload, as far as hits are made of it.
    """

    limit: int
    with_payload: bool

    def of(self, stage: models.Prefetch) -> models.QueryRequest:
        """A request of which the stage is the last."""
        fields = {name: getattr(stage, name) for name in stage.model_fields_set}
        fields["limit"] = self.limit
        fields["with_payload"] = PAYLOAD_FIELDS if self.with_payload else False
        fields["with_vector"] = False
        return _REQUEST.model_copy(update=fields)


def prefetch(**fields: object) -> models.Prefetch:
    """A prefetch of these fields, which are not checked: vectors may be plain lists."""
    return _PREFETCH.model_copy(update=fields)


def stated(name: str, value: object) -> dict[str, Any]:
    """A field of a stage, where there is something to say."""
    return {} if value is None else {name: value}


def limited(stage: models.Prefetch, limit: int) -> models.Prefetch:
    """The same stage with another limit."""
    return stage.model_copy(update={"limit": limit})
