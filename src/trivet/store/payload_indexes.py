"""Payload indexes as callers declare them: `{"year": "integer", "team": "tenant"}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

from trivet.errors import InvalidInputError
from trivet.store.filters import payload_path

IndexKind: TypeAlias = Literal["keyword", "integer", "float", "datetime", "text", "bool", "tenant"]
KINDS: tuple[IndexKind, ...] = get_args(IndexKind)


def checked_indexes(indexes: Mapping[str, str]) -> dict[str, IndexKind]:
    """Kinds of indexes by the metadata field (dotted if nested) that each is for.

    Raises:
        InvalidInputError: no mapping, a name that no filter could ask for, or an unknown kind.
    """
    if not isinstance(indexes, Mapping):
        raise InvalidInputError(
            f'expected indexes such as {{"year": "integer"}}, got {type(indexes).__name__}'
        )
    checked: dict[str, IndexKind] = {}
    for field, asked in indexes.items():
        payload_path(field)
        kind = next((kind for kind in KINDS if kind == asked), None)
        if kind is None:
            raise InvalidInputError(
                f"field {field!r}: expected an index of {', '.join(KINDS)}, got {asked!r}"
            )
        checked[field] = kind
    return checked
