"""LlamaIndex's metadata filters in Qdrant's terms.

They select what LlamaIndex's own `SimpleVectorStore` selects, with these differences: a filter may
be nested; a field that is a list is equal to each of its items; texts are compared with `>`, `>=`,
`<` and `<=` only where they are ISO 8601 dates; a dotted key is a nested field; and operands that
mean nothing are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from llama_index.vector_stores.trivet.nodes import OWN, SOURCE
from pydantic import ValidationError
from qdrant_client import models

from trivet.errors import InvalidFilterError
from trivet.store.filters import ISO_DATE, payload_path

# The texts that a metadata field has among all documents.
FieldTexts: TypeAlias = Callable[[str], Sequence[str]]
Operand: TypeAlias = "int | float | str"

# By which LlamaIndex knows the document that a node was cut from.
SOURCE_KEYS = ("doc_id", "document_id", "ref_doc_id")
SOURCE_PATH = payload_path(f"{OWN}.{SOURCE}")
DOCUMENT_PATH = "_trivet.document"

_BOUNDS = {
    FilterOperator.GT: "gt",
    FilterOperator.GTE: "gte",
    FilterOperator.LT: "lt",
    FilterOperator.LTE: "lte",
}
# Beyond it a float no longer tells whole numbers apart.
_EXACT = 2**53


def to_qdrant(filters: MetadataFilters, field_texts: FieldTexts) -> models.Filter:
    """The filter in Qdrant's terms.

    Args:
        filters: of LlamaIndex.
        field_texts: asked where a filter looks for a part of a text, which Qdrant does not.

    Raises:
        InvalidFilterError: an operand that its operator cannot use, or a filter without any.
    """
    if not isinstance(filters, MetadataFilters):
        raise InvalidFilterError(f"expected MetadataFilters, got {type(filters).__name__}")
    if not filters.filters:
        raise InvalidFilterError("expected filters with one or more, got none: pass None for none")
    conditions: list[models.Condition] = [
        to_qdrant(one, field_texts)
        if isinstance(one, MetadataFilters)
        else _condition(one, field_texts)
        for one in filters.filters
    ]
    if filters.condition == FilterCondition.OR:
        return models.Filter(should=conditions)
    if filters.condition == FilterCondition.NOT:
        return models.Filter(must_not=conditions)
    return models.Filter(must=conditions)


def among(path: str, values: Sequence[str]) -> models.Filter:
    """Points with one of these texts in a field of the payload."""
    match = models.MatchAny(any=list(values))
    return models.Filter(must=[models.FieldCondition(key=path, match=match)])


def _condition(one: MetadataFilter, field_texts: FieldTexts) -> models.Condition:
    is_source = one.key in SOURCE_KEYS
    path = SOURCE_PATH if is_source else payload_path(one.key)
    try:
        return _by_operator(one, path, field_texts)
    except InvalidFilterError as error:
        raise InvalidFilterError(f"field {one.key!r}: {error}") from error
    except ValidationError as error:  # of an ISO 8601 text
        reason = error.errors()[0]["msg"]
        raise InvalidFilterError(f"field {one.key!r}: {reason}, got {one.value!r}") from error


def _by_operator(one: MetadataFilter, path: str, field_texts: FieldTexts) -> models.Condition:
    operator = one.operator
    if operator in _BOUNDS:
        return _bound(path, _BOUNDS[operator], _scalar(one))
    if operator in (FilterOperator.EQ, FilterOperator.CONTAINS):
        return _equal(path, _scalar(one))
    if operator == FilterOperator.NE:
        return models.Filter(must_not=[_equal(path, _scalar(one))])
    if operator in (FilterOperator.IN, FilterOperator.ANY):
        return models.Filter(should=[_equal(path, value) for value in _listed(one)])
    if operator == FilterOperator.NIN:
        return models.Filter(must_not=[_equal(path, value) for value in _listed(one)])
    if operator == FilterOperator.ALL:
        return models.Filter(must=[_equal(path, value) for value in _listed(one)])
    if operator == FilterOperator.IS_EMPTY:
        return _empty(path)
    return _holding(
        path, _part(one), field_texts(one.key), fold=operator != FilterOperator.TEXT_MATCH
    )


def _equal(path: str, value: Operand) -> models.Condition:
    if isinstance(value, str) or (isinstance(value, int) and abs(value) > _EXACT):
        return models.FieldCondition(key=path, match=models.MatchValue(value=value))
    return models.FieldCondition(key=path, range=models.Range(gte=value, lte=value))


def _bound(path: str, bound: str, value: Operand) -> models.Condition:
    if not isinstance(value, str):
        limit = models.Range.model_validate({bound: value})
        return models.FieldCondition(key=path, range=limit)
    if not ISO_DATE.match(value):
        raise InvalidFilterError(
            f"expected a number or an ISO 8601 date to compare with, got {value!r}"
        )
    time = models.DatetimeRange.model_validate({bound: value})
    return models.FieldCondition(key=path, range=time)


def _empty(path: str) -> models.Filter:
    """No such field, null, [] or ""."""
    blank = models.FieldCondition(key=path, match=models.MatchValue(value=""))
    absent = models.IsEmptyCondition(is_empty=models.PayloadField(key=path))
    return models.Filter(should=[absent, blank])


def _holding(path: str, part: str, texts: Sequence[str], *, fold: bool) -> models.Filter:
    """The field is one of the texts that hold a part, whatever its case if `fold`."""
    if fold:
        found = [text for text in texts if part.lower() in text.lower()]
    else:
        found = [text for text in texts if part in text]
    if found:
        return among(path, found)
    absent = models.IsEmptyCondition(is_empty=models.PayloadField(key=path))
    return models.Filter(must=[absent], must_not=[absent])  # nothing


def _scalar(one: MetadataFilter) -> Operand:
    value = one.value
    if isinstance(value, (int, float, str)) and not (
        isinstance(value, float) and not math.isfinite(value)
    ):
        return value
    raise InvalidFilterError(
        f"expected a text or a finite number for {one.operator.value!r}, got {value!r}"
    )


def _listed(one: MetadataFilter) -> Sequence[Operand]:
    if not isinstance(one.value, list) or not one.value:
        raise InvalidFilterError(
            f"expected a list of one or more values for {one.operator.value!r}, got {one.value!r}"
        )
    return one.value


def _part(one: MetadataFilter) -> str:
    if not isinstance(one.value, str) or not one.value:
        raise InvalidFilterError(
            f"expected a text to look for with {one.operator.value!r}, got {one.value!r}"
        )
    return one.value
