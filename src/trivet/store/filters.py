"""Filters as callers write them: a dict of metadata fields becomes a `qdrant_client.models.Filter`.

`{"year": {"gte": 1990, "lt": 2000}, "genre": ["drama", "war"], "lang": "en"}` asks for documents
for which every line holds:

| what is asked | which documents |
|---|---|
| `"lang": "en"`, `{"eq": "en"}` | the field is that, or is a list that holds it |
| `"genre": [...]`, `{"in": [...]}` | it is one of these, or is a list that holds one of these |
| `{"ne": ...}`, `{"nin": [...]}` | all others, also those without the field |
| `{"gt": ...}`, `gte`, `lt`, `lte` | a number or point in time within all of the bounds |
| `{"exists": True}`, `False` | the field is there; null and `[]` count as not there |

A dotted name (`"author.name"`) addresses nested metadata; a name that holds a dot itself is put in
double quotes (`'"file.name"'`, `'author."e.mail"'`). A whole number equals whole numbers
alone; a float equals any number of its value. A point in time is a datetime, a date or ISO 8601
text, for fields that hold ISO 8601 text: a date is its midnight, and no time zone means UTC.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
from pydantic import ValidationError

from trivet.errors import InvalidFilterError
from trivet.store.points import PAYLOAD_METADATA

if TYPE_CHECKING:
    from qdrant_client import models

BOUNDS = ("gt", "gte", "lt", "lte")
OPERATORS = ("eq", "ne", "in", "nin", *BOUNDS, "exists")

# Without it pydantic would read "1990" as seconds since 1970.
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d(?!\d)")

# One step of a field's name, and all of them.
PART = re.compile(r'"[^"]+"|[^."]+')
PATH = re.compile(rf"(?:{PART.pattern})(?:\.(?:{PART.pattern}))*")


def payload_filter(filter: models.Filter | Mapping[str, object] | None) -> models.Filter | None:
    """The filter in Qdrant's terms.

    Args:
        filter: a dict of metadata fields, as this module's docstring has it; or a filter of
            Qdrant's, whose keys are payload paths as stored ("metadata.year"), taken as it is;
            or None for none.

    Raises:
        InvalidFilterError: neither of these, an empty one, or a field, operator or value in it
            that does not exist.
    """
    if filter is None:
        return None
    from qdrant_client import models

    if isinstance(filter, models.Filter):
        return filter
    if not isinstance(filter, Mapping) or not filter:
        raise InvalidFilterError(
            "expected a dict of metadata fields or a qdrant_client.models.Filter, got "
            f"{type(filter).__name__} ({str(filter)[:60]!r}): pass None to filter by nothing"
        )
    clauses: dict[str, list[models.Condition]] = {"must": [], "must_not": []}
    for name, wanted in filter.items():
        path = payload_path(name)
        try:
            for clause, condition in _conditions(path, _operations(name, wanted)):
                clauses[clause].append(condition)
        except InvalidFilterError as error:
            raise InvalidFilterError(f"field {name!r}: {error}") from error
        except ValidationError as error:  # of an ISO 8601 text
            reason = error.errors()[0]["msg"]
            raise InvalidFilterError(f"field {name!r}: {reason}, got {wanted!r}") from error
    return models.Filter(must=clauses["must"] or None, must_not=clauses["must_not"] or None)


def _operations(name: str, wanted: object) -> Mapping[str, object]:
    """Operators and operands, with the short forms spelled out and numpy's scalars as Python's."""
    wanted = _plain(wanted)
    if isinstance(wanted, (list, tuple, set, frozenset)):
        return {"in": wanted}
    if not isinstance(wanted, Mapping):
        return {"eq": wanted}
    if not wanted:
        raise InvalidFilterError(f"expected one or more of {', '.join(OPERATORS)}, got {{}}")
    for operator in wanted:
        if operator not in OPERATORS:
            raise InvalidFilterError(
                f"expected operators out of {', '.join(OPERATORS)}, got {operator!r}: write a "
                f"nested field as {f'{name}.{operator}'!r}"
            )
    return wanted


def _plain(value: object) -> object:
    """A value with every numpy scalar in it made the Python value that it stands for."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {name: _plain(operand) for name, operand in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return value


def _conditions(
    path: str, operations: Mapping[str, object]
) -> Iterator[tuple[str, models.Condition]]:
    """Each condition on a field, with the clause that it belongs to."""
    from qdrant_client import models

    bounds = {name: operand for name, operand in operations.items() if name in BOUNDS}
    if bounds:
        yield "must", models.FieldCondition(key=path, range=_range(bounds))
    for operator, operand in operations.items():
        if operator in ("eq", "ne"):
            yield "must" if operator == "eq" else "must_not", _equal(path, operand)
        elif operator in ("in", "nin"):
            yield "must" if operator == "in" else "must_not", _among(path, operand)
        elif operator == "exists":
            if not isinstance(operand, bool):
                raise InvalidFilterError(f"expected exists to be True or False, got {operand!r}")
            absent = models.IsEmptyCondition(is_empty=models.PayloadField(key=path))
            yield "must_not" if operand else "must", absent


def _equal(path: str, value: object) -> models.FieldCondition:
    from qdrant_client import models

    if isinstance(value, (bool, str)) or _is_whole_number(value):
        return models.FieldCondition(key=path, match=models.MatchValue(value=value))
    if _is_number(value) or isinstance(value, date):
        return models.FieldCondition(key=path, range=_range({"gte": value, "lte": value}))
    raise InvalidFilterError(
        "expected a text, a bool, a finite number (whole ones of 64 bits), a datetime or a date, "
        f'got {value!r}: convert it, or ask for a missing value by {{"exists": False}}'
    )


def _among(path: str, values: object) -> models.Condition:
    from qdrant_client import models

    if not isinstance(values, (list, tuple, set, frozenset)) or not values:
        raise InvalidFilterError(f"expected a list with one or more values, got {values!r}")
    kinds = {type(value) for value in values}
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise InvalidFilterError(f"expected values of one type, got {names}: convert them")
    conditions: list[models.Condition] = [_equal(path, value) for value in values]
    if kinds <= {str, int}:
        return models.FieldCondition(key=path, match=models.MatchAny(any=list(values)))
    return models.Filter(should=conditions)


def _range(bounds: Mapping[str, object]) -> models.Range | models.DatetimeRange:
    from qdrant_client import models

    if all(_is_number(bound) for bound in bounds.values()):
        return models.Range.model_validate(bounds)
    if all(_is_time(bound) for bound in bounds.values()):
        return models.DatetimeRange.model_validate(bounds)
    raise InvalidFilterError(
        "expected finite numbers, or else points in time (datetime, date or ISO 8601 text), got "
        f"{', '.join(repr(bound) for bound in bounds.values())}: convert them"
    )


def _is_whole_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_number(value: object) -> bool:
    return _is_whole_number(value) or (isinstance(value, float) and math.isfinite(value))


def _is_time(value: object) -> bool:
    return isinstance(value, date) or (isinstance(value, str) and bool(ISO_DATE.match(value)))


def payload_path(name: object) -> str:
    """Where a metadata field is in a stored payload; names with other characters are quoted.

    Raises:
        InvalidFilterError: no text, or one with quotes within a part, or with empty parts.
    """
    if not isinstance(name, str) or not PATH.fullmatch(name):
        raise InvalidFilterError(
            f"expected a metadata field's name, dotted if nested, got {name!r}: a name that holds "
            "dots is written in double quotes ('\"file.name\"'); one that holds quotes, or "
            "nothing, is out of reach for a filter"
        )
    return ".".join((PAYLOAD_METADATA, *(_quoted(part) for part in PART.findall(name))))


def _quoted(part: str) -> str:
    """One step of a payload path; plain are letters, digits, "_" and "-" (qdrant's JsonPath)."""
    is_plain = part.startswith('"') or all(
        character.isalnum() or character in "_-" for character in part
    )
    return part if is_plain else f'"{part}"'
