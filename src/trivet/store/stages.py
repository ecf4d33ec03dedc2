"""Stages of a request to an engine, and what is to come back of the last one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qdrant_client import models

from trivet.store.points import PAYLOAD_METADATA, PAYLOAD_OWN, PAYLOAD_TEXT

PAYLOAD_FIELDS = [PAYLOAD_TEXT, PAYLOAD_METADATA, PAYLOAD_OWN]
# Copies of them are half as dear as what the models construct.
_REQUEST, _PREFETCH = models.QueryRequest(), models.Prefetch()


@dataclass(frozen=True)
class Wanted:
    """What is to come back of a request."""

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
    """A stage with these fields."""
    return _PREFETCH.model_copy(update=fields)


def stated(name: str, value: object) -> dict[str, Any]:
    """A field of a request, where there is something to say."""
    return {} if value is None else {name: value}


def limited(stage: models.Prefetch, limit: int) -> models.Prefetch:
    """The same stage, of so many points."""
    return stage.model_copy(update={"limit": limit})
