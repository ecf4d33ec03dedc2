"""Filters of `qdrant_client.models`, said to Qdrant Edge.

The models of one union differ by the name of the field that is set (`has_id`, `is_null`, ...), as
they do on the wire. So the name picks the translation, and one that is not listed here is refused,
never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import qdrant_edge
from pydantic import BaseModel

from trivet.errors import InvalidFilterError, InvalidInputError, TrivetError

if TYPE_CHECKING:
    from qdrant_client import models

EdgeCondition: TypeAlias = (
    "qdrant_edge.FieldCondition | qdrant_edge.IsEmptyCondition | qdrant_edge.IsNullCondition"
    " | qdrant_edge.HasIdCondition | qdrant_edge.HasVectorCondition"
    " | qdrant_edge.NestedCondition | qdrant_edge.Filter"
)


def edge_filter(filter_: models.Filter) -> qdrant_edge.Filter:
    """The same filter for Qdrant Edge.

    Args:
        filter_: keys are payload paths as stored, e.g. "metadata.year".

    Raises:
        InvalidFilterError: no filter, one that Edge refuses, or a construct that it does not have.
    """
    with refusals(InvalidFilterError):
        return _filter(filter_)


def edge_condition(condition: object) -> EdgeCondition:
    """The same condition for Qdrant Edge; a whole filter is a condition too.

    Raises:
        InvalidFilterError: no condition, or one that Edge does not have.
    """
    fields = stated(condition)
    if "key" in fields:
        return _field_condition(fields)
    if fields.keys() <= {*_CLAUSES, "min_should"}:  # a filter without clauses matches every point
        return _filter(condition)
    name, value = _single(fields, condition)
    if name not in _CONDITIONS:
        raise _untranslatable(condition, name)
    return _CONDITIONS[name](value)


def edge_point(point: object) -> qdrant_edge.GeoPoint:
    """The same place on Earth for Qdrant Edge."""
    return qdrant_edge.GeoPoint(**stated(point))


def stated(model: object, *known: str) -> dict[str, Any]:
    """The fields of a model that were set, and not to None.

    Args:
        model: a value of `qdrant_client.models`.
        known: the fields that the caller translates; none = it checks the names itself.

    Raises:
        InvalidInputError: no such model, or a field is set that is not known here.
    """
    if not isinstance(model, BaseModel):
        raise InvalidInputError(
            f"expected a value of qdrant_client.models, got {type(model).__name__} "
            f"({str(model)[:60]!r}): build it from qdrant_client.models"
        )
    names = model.model_fields_set
    fields = {name: value for name in names if (value := getattr(model, name)) is not None}
    if known:
        for name in fields.keys() - set(known):
            raise InvalidInputError(
                f"expected a model with none but {', '.join(known)} set, got "
                f"{type(model).__name__} with {name!r}: a folder knows no such part; leave it out"
            )
    return fields


@contextmanager
def refusals(error_type: type[InvalidInputError]) -> Iterator[None]:
    """Turn what Edge's constructors and the checks here refuse into one error of ours.

    Raises:
        InvalidInputError: of the given type, instead of Edge's own errors.
    """
    try:
        yield
    except TrivetError as error:
        if isinstance(error, error_type):
            raise
        raise error_type(str(error)) from error
    except KeyError as error:
        raise error_type(
            f"expected models with all they require, got one without {error}"
        ) from error
    except (TypeError, ValueError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        raise error_type(
            f"expected a value that Qdrant Edge accepts, it refuses this one ({reason}): correct it"
        ) from error


def iso_datetime(moment: date) -> str:
    """ISO 8601 text of a date or datetime; one without a time zone means UTC, as Qdrant has it."""
    if isinstance(moment, datetime) and moment.utcoffset() is not None:
        moment = moment.astimezone(timezone.utc)
    return moment.isoformat()


def _filter(filter_: object) -> qdrant_edge.Filter:
    clauses = stated(filter_, *_CLAUSES, "min_should")
    least = clauses.pop("min_should", None)
    lists = {
        name: [edge_condition(part) for part in (clause if isinstance(clause, list) else [clause])]
        for name, clause in clauses.items()
    }
    return qdrant_edge.Filter(**lists, min_should=None if least is None else _min_should(least))


def _min_should(clause: object) -> qdrant_edge.MinShould:
    fields = stated(clause, "conditions", "min_count")
    if fields["min_count"] < 1:  # Edge takes 0 for "everything", a server refuses it
        raise InvalidFilterError(
            f"expected min_should with a min_count of 1 or more, got {fields['min_count']}: "
            "leave min_should out if nothing has to match"
        )
    conditions = [edge_condition(part) for part in fields["conditions"]]
    return qdrant_edge.MinShould(conditions, fields["min_count"])


def _field_condition(fields: dict[str, Any]) -> qdrant_edge.FieldCondition:
    key = fields.pop("key")
    if len(fields) != 1:  # engines differ in which one counts
        raise InvalidFilterError(
            f"expected exactly one constraint on field {key!r}, got {sorted(fields) or 'none'}: "
            "put each into a FieldCondition of its own"
        )
    ((name, value),) = fields.items()
    if name not in _CONSTRAINTS:
        raise InvalidFilterError(
            f"expected one of {', '.join(_CONSTRAINTS)} on field {key!r}, got {name!r}: "
            "a folder cannot filter by that"
        )
    constraint: dict[str, Any] = {name: _CONSTRAINTS[name](value)}
    return qdrant_edge.FieldCondition(key, **constraint)


def _nested(nested: object) -> qdrant_edge.NestedCondition:
    fields = stated(nested, "key", "filter")
    return qdrant_edge.NestedCondition(fields["key"], _filter(fields["filter"]))


def _match(match: object) -> object:
    name, value = _single(stated(match), match)
    if name not in _MATCHES:
        raise _untranslatable(match, name)
    if isinstance(value, bool):
        # Edge's bindings read True as the integer 1, which no boolean in a payload equals; they
        # read numpy's bool as a boolean.
        value = np.bool_(value)
    return _MATCHES[name](value)


def _range(bounds: object) -> qdrant_edge.RangeFloat | qdrant_edge.RangeDateTime:
    limits = stated(bounds, "gt", "gte", "lt", "lte")
    if not limits:
        raise InvalidFilterError("expected a range with at least one of gt, gte, lt, lte, got none")
    if any(isinstance(limit, date) for limit in limits.values()):
        texts = {name: iso_datetime(limit) for name, limit in limits.items()}
        return qdrant_edge.RangeDateTime(**texts)
    return qdrant_edge.RangeFloat(**limits)


def _box(box: object) -> qdrant_edge.GeoBoundingBox:
    corners = {name: edge_point(corner) for name, corner in stated(box).items()}
    return qdrant_edge.GeoBoundingBox(**corners)


def _circle(circle: object) -> qdrant_edge.GeoRadius:
    fields = stated(circle, "center", "radius")
    return qdrant_edge.GeoRadius(edge_point(fields["center"]), fields["radius"])


def _polygon(polygon: object) -> qdrant_edge.GeoPolygon:
    fields = stated(polygon, "exterior", "interiors")
    holes = [_ring(hole) for hole in fields.get("interiors", [])]
    return qdrant_edge.GeoPolygon(_ring(fields["exterior"]), holes or None)


def _ring(line: object) -> list[qdrant_edge.GeoPoint]:
    return [edge_point(point) for point in stated(line, "points")["points"]]


def _single(fields: dict[str, Any], model: object) -> tuple[str, Any]:
    if len(fields) != 1:
        raise InvalidFilterError(
            f"expected {type(model).__name__} with exactly one field set, got "
            f"{sorted(fields) or 'none'}: split it"
        )
    ((name, value),) = fields.items()
    return name, value


def _untranslatable(model: object, name: str) -> InvalidFilterError:
    return InvalidFilterError(
        f"expected a condition or match that a folder can evaluate, got {type(model).__name__} "
        f"({name}): say it with another one"
    )


_CLAUSES = ("must", "should", "must_not")

_CONDITIONS: dict[str, Callable[[Any], EdgeCondition]] = {
    "is_empty": lambda field: qdrant_edge.IsEmptyCondition(**stated(field)),
    "is_null": lambda field: qdrant_edge.IsNullCondition(**stated(field)),
    "has_id": lambda ids: qdrant_edge.HasIdCondition(set(ids)),
    "has_vector": qdrant_edge.HasVectorCondition,
    "slice": lambda part: qdrant_edge.SliceCondition(**stated(part)),  # type: ignore[attr-defined]
    "nested": _nested,
}

_CONSTRAINTS: dict[str, Callable[[Any], object]] = {
    "match": _match,
    "range": _range,
    "geo_bounding_box": _box,
    "geo_radius": _circle,
    "geo_polygon": _polygon,
    "values_count": lambda count: qdrant_edge.ValuesCount(**stated(count)),
    "is_empty": bool,
    "is_null": bool,
}

_MATCHES: dict[str, Callable[[Any], object]] = {
    "value": qdrant_edge.MatchValue,
    "any": qdrant_edge.MatchAny,
    "except_": qdrant_edge.MatchExcept,
    "text": qdrant_edge.MatchText,
    "text_any": qdrant_edge.MatchTextAny,
    "phrase": qdrant_edge.MatchPhrase,
    "prefix": qdrant_edge.MatchPrefix,
    "substring": qdrant_edge.MatchSubstring,
}
