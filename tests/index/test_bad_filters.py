"""A filter means the same, or is refused alike, in a folder and in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

import numpy as np
import pytest
from indexes import make_index, vectors
from qdrant_client import models

import trivet
from trivet.errors import InvalidFilterError
from trivet.types import Document


class Year(IntEnum):
    PARK = 1993


class Genre(str, Enum):
    WAR = "war"


VALUES: list[Any] = [
    np.int64(1993), np.float64(1.5), np.float32(1.5), np.bool_(True), np.str_("war"), np.int8(3),
    np.datetime64("2020-01-03"), np.array(1993), np.array([1993]), Year.PARK, Genre.WAR,
    Decimal("1.5"), 1.5 + 0j, 2**63, -(2**63), 2**64, math.inf, math.nan, b"war", None, [], {}, (),
    set(), date(2020, 1, 3), datetime(2020, 1, 3), time(1), "2020-01-03", "2020-13-45", "1990", "",
    True, object(), [np.int64(1993), np.int64(1994)], ["war", 1], [[1993]],
]  # fmt: skip


def condition(**constraint: Any) -> models.Filter:
    """A filter on the year, as code can build it that goes around the models' own checks."""
    field = models.FieldCondition.model_construct(key="metadata.year", **constraint)
    return models.Filter.model_construct(must=[field])


def on(key: Any) -> models.Filter:
    match = models.MatchValue(value=1)
    return models.Filter.model_construct(
        must=[models.FieldCondition.model_construct(key=key, match=match)]
    )


def at_least(count: int) -> models.Filter:
    some = condition(match=models.MatchValue(value=1993)).must
    clause = models.MinShould.model_construct(conditions=some, min_count=count)
    return models.Filter.model_construct(min_should=clause)


FILTERS: list[Any] = [
    *({"year": value} for value in VALUES),
    *({"genre": [value]} for value in VALUES),
    *({"when": {"gte": value}} for value in VALUES),
    *({"year": {"lt": value}} for value in VALUES),
    *({"flag": {"nin": [value, value]}} for value in VALUES),
    *(condition(match=models.MatchValue.model_construct(value=value)) for value in VALUES),
    *(condition(match=models.MatchAny.model_construct(any=value)) for value in VALUES),
    *(
        condition(range=models.Range.model_construct(gte=value))
        for value in VALUES
        if not isinstance(value, date)
    ),
    *(models.Filter.model_construct(must=value) for value in ("x", [5], [None], [], None)),
    condition(),
    condition(range=models.Range()),
    condition(match=models.MatchValue(value=1993), range=models.Range(gte=1)),
    condition(values_count=models.ValuesCount.model_construct(gte="a")),
    condition(geo_radius=models.GeoRadius(center=models.GeoPoint(lon=999, lat=999), radius=-1)),
    *(at_least(count) for count in (-1, 0, 1, 5)),
    *(on(key) for key in ("", "a..b", "a[", 5)),
    models.Filter(must=[models.HasIdCondition(has_id=["x"])]),
    models.Filter.model_construct(must=[models.HasIdCondition.model_construct(has_id=[1.5])]),
    models.Filter(must=[models.HasVectorCondition(has_vector="none")]),
    models.Filter(must=[models.IsNullCondition(is_null=models.PayloadField(key=""))]),
]


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[trivet.Index]]:
    documents = [
        Document(
            f"keel {n}",
            str(n),
            metadata={
                "year": 1990 + n,
                "genre": ["drama", "war"][n % 2],
                "flag": bool(n % 2),
                "when": f"2020-01-0{n + 1}T00:00:00Z",
            },
        )
        for n in range(9)
    ]
    folder = tmp_path_factory.mktemp("filters") / "index"
    with make_index(folder) as on_disk, make_index(":memory:") as in_memory:
        for index in (on_disk, in_memory):
            index.upsert(documents, representations=vectors([d.text for d in documents]))
        yield [on_disk, in_memory]


def outcome(index: trivet.Index, filter: Any) -> object:
    try:
        hits = index.search("keel", filter=filter, modes=["sparse"], k=20)
    except InvalidFilterError:
        return InvalidFilterError
    return sorted(hit.id for hit in hits)


@pytest.mark.parametrize("number", range(len(FILTERS)))
def test_a_folder_and_memory_agree(indexes: list[trivet.Index], number: int) -> None:
    on_disk, in_memory = (outcome(index, FILTERS[number]) for index in indexes)
    assert on_disk == in_memory, FILTERS[number]


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ({"year": np.int64(1993)}, ["3"]),
        ({"year": [np.int16(1993), np.int64(1994)]}, ["3", "4"]),
        ({"year": {"gte": np.float32(1996), "lt": np.int64(1998)}}, ["6", "7"]),
        ({"genre": np.str_("war"), "flag": np.bool_(True)}, ["1", "3", "5", "7"]),
        ({"when": {"lte": np.datetime64("2020-01-02")}}, ["0", "1"]),
    ],
)
def test_scalars_of_numpy_are_taken_for_what_they_are(
    indexes: list[trivet.Index], filter: dict[str, Any], found: list[str]
) -> None:
    assert [outcome(index, filter) for index in indexes] == [found, found]
