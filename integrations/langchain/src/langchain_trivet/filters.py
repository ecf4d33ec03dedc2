"""Filters of LangChain's structured queries as Qdrant's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from langchain_core.structured_query import (
    Comparator,
    Comparison,
    FilterDirective,
    Operation,
    Operator,
    StructuredQuery,
    Visitor,
)
from qdrant_client import models

from trivet.errors import InvalidFilterError
from trivet.store.filters import payload_filter, payload_path

AnyFilter: TypeAlias = "models.Filter | Mapping[str, Any] | FilterDirective"

_COMPARED = {
    Comparator.EQ: "eq",
    Comparator.NE: "ne",
    Comparator.GT: "gt",
    Comparator.GTE: "gte",
    Comparator.LT: "lt",
    Comparator.LTE: "lte",
    Comparator.IN: "in",
    Comparator.NIN: "nin",
    # Of a list that holds a value: as of one that is the value.
    Comparator.CONTAIN: "eq",
}


class QdrantVisitor(Visitor):
    """Makes a `qdrant_client.models.Filter` of a structured filter; fields are of the metadata."""

    def visit_comparison(self, comparison: Comparison) -> models.Filter:
        """The filter of one comparison.

        Raises:
            InvalidFilterError: a field or value that cannot be compared so.
        """
        name, value = comparison.attribute, _plain(comparison.value)
        if comparison.comparator is Comparator.LIKE:
            if not isinstance(value, str) or not value.strip():
                raise InvalidFilterError(
                    f"field {name!r}: expected a text to be like, got {value!r}"
                )
            like = models.FieldCondition(key=payload_path(name), match=models.MatchText(text=value))
            return models.Filter(must=[like])
        made = payload_filter({name: {_COMPARED[comparison.comparator]: value}})
        return made if made is not None else models.Filter()

    def visit_operation(self, operation: Operation) -> models.Filter:
        """The filter of several, all or one of which must hold, or none.

        Raises:
            InvalidFilterError: no arguments, or one that cannot be evaluated.
        """
        parts = [part.accept(self) for part in operation.arguments]
        if not parts:
            raise InvalidFilterError(f"expected {operation.operator.value} of filters, got none")
        if operation.operator is Operator.OR:
            return models.Filter(should=parts)
        if operation.operator is Operator.NOT:
            return models.Filter(must_not=parts)
        return models.Filter(must=parts)

    def visit_structured_query(
        self, structured_query: StructuredQuery
    ) -> tuple[str, dict[str, Any]]:
        """Query and search arguments, as LangChain's self-query retriever asks for them."""
        if structured_query.filter is None:
            return structured_query.query, {}
        return structured_query.query, {"filter": structured_query.filter.accept(self)}


def to_filter(filter: AnyFilter | None) -> models.Filter | Mapping[str, Any] | None:
    """A filter as an index takes it.

    Raises:
        InvalidFilterError: a structured filter that cannot be evaluated.
    """
    if isinstance(filter, FilterDirective):
        made: models.Filter = filter.accept(QdrantVisitor())
        return made
    return filter


def _plain(value: object) -> object:
    """A value; dates of LangChain's query language are mappings around a text."""
    if isinstance(value, Mapping) and set(value) <= {"date", "datetime", "type"}:
        return value.get("date", value.get("datetime", value))
    return value
