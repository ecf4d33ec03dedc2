"""LangChain's structured filters as filters of the index."""

from __future__ import annotations

import pytest
from langchain_core.structured_query import (
    Comparator,
    Comparison,
    FilterDirective,
    Operation,
    Operator,
    StructuredQuery,
)
from langchain_trivet import TrivetRetriever
from langchain_trivet.filters import QdrantVisitor

import trivet
from trivet.errors import InvalidFilterError


def compared(comparator: Comparator, attribute: str, value: object) -> Comparison:
    return Comparison(comparator=comparator, attribute=attribute, value=value)


def both(operator: Operator, *parts: FilterDirective) -> Operation:
    return Operation(operator=operator, arguments=list(parts))


ROWS = {
    "a": {"lang": "en", "year": 1990, "tags": ["x", "y"], "day": "2020-05-01"},
    "b": {"lang": "de", "year": 2000, "tags": ["y"], "day": "2021-05-01"},
    "c": {"year": 2010, "tags": []},
}
FILTERS = [
    (compared(Comparator.EQ, "lang", "en"), "a"),
    (compared(Comparator.NE, "lang", "en"), "bc"),
    (compared(Comparator.GT, "year", 1990), "bc"),
    (compared(Comparator.GTE, "year", 2000), "bc"),
    (compared(Comparator.LT, "year", 2000), "a"),
    (compared(Comparator.LTE, "year", 2000), "ab"),
    (compared(Comparator.IN, "lang", ["en", "fr"]), "a"),
    (compared(Comparator.NIN, "lang", ["en", "fr"]), "bc"),
    (compared(Comparator.CONTAIN, "tags", "x"), "a"),
    (compared(Comparator.LIKE, "lang", "de"), "b"),
    (compared(Comparator.GTE, "day", {"date": "2021-01-01", "type": "date"}), "b"),
    (
        both(
            Operator.AND,
            compared(Comparator.CONTAIN, "tags", "y"),
            compared(Comparator.GT, "year", 1995),
        ),
        "b",
    ),
    (
        both(
            Operator.OR,
            compared(Comparator.EQ, "lang", "en"),
            compared(Comparator.EQ, "year", 2010),
        ),
        "ac",
    ),
    (both(Operator.NOT, compared(Comparator.EQ, "lang", "en")), "bc"),
    (
        both(
            Operator.NOT,
            both(
                Operator.OR,
                compared(Comparator.EQ, "lang", "en"),
                both(Operator.NOT, compared(Comparator.EQ, "lang", "de")),
            ),
        ),
        "b",
    ),
]


def test_structured_filters_choose_the_documents_that_they_say(index: trivet.Index) -> None:
    index.add(["one", "two", "three"], ids=list(ROWS), metadatas=list(ROWS.values()))
    retriever = TrivetRetriever(index=index)
    for filter, expected in FILTERS:
        found = {document.id for document in retriever.invoke("one", filter=filter)}
        assert found == set(expected), filter
    asked = StructuredQuery(query="one", filter=FILTERS[0][0])
    query, keywords = QdrantVisitor().visit_structured_query(asked)
    assert {d.id for d in retriever.invoke(query, **keywords)} == {"a"}


@pytest.mark.parametrize(
    "filter",
    [
        compared(Comparator.EQ, "lang", None),
        compared(Comparator.GT, "lang", "en"),
        compared(Comparator.LIKE, "lang", 7),
        compared(Comparator.IN, "lang", []),
        compared(Comparator.EQ, 'a"b', "en"),
        Operation(operator=Operator.AND, arguments=[]),
    ],
)
def test_structured_filters_that_cannot_be_evaluated_are_refused(
    filled: trivet.Index, filter: FilterDirective
) -> None:
    with pytest.raises(InvalidFilterError):
        TrivetRetriever(index=filled).invoke("anchor", filter=filter)
