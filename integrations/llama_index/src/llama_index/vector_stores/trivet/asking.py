"""What a query of LlamaIndex's asks of an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from llama_index.vector_stores.trivet.modes import modes_of, plan_for, wanted_hits
from llama_index.vector_stores.trivet.selecting import selection
from qdrant_client import models

from trivet import Index, Plan
from trivet.errors import (
    InvalidInputError,
    InvalidQueryError,
    SpaceMismatchError,
    UnknownKeywordError,
    UnknownModeError,
)


@dataclass(frozen=True)
class Asked:
    """The arguments of a search.

    Attributes:
        is_of_nothing: whether the query names documents to search among, and none.
    """

    text: str
    k: int
    plan: Plan | None
    modes: Sequence[str] | None
    filter: models.Filter | None
    is_of_nothing: bool


def asked_of(
    index: Index, query: VectorStoreQuery, kwargs: Mapping[str, Any], modes: Sequence[str] | None
) -> Asked:
    """What a query asks of an index; errors as in `TrivetVectorStore.query`."""
    if "mmr_threshold" in kwargs:
        query = replace(query, mmr_threshold=kwargs["mmr_threshold"])
    require_no_more("query", {name: v for name, v in kwargs.items() if name != "mmr_threshold"})
    query = replace(query, mode=_mode(query.mode))
    spaces = index.spaces
    text = _words(query, {space.mode: space.dims for space in spaces}.get("dense"))
    for name in ("output_fields", "embedding_field"):
        if getattr(query, name) is not None:
            raise InvalidInputError(f"expected no {name}, got {getattr(query, name)!r}")
    plan = plan_for(query, index)
    return Asked(
        text=text,
        k=wanted_hits(query),
        plan=plan,
        modes=modes_of(query, modes) if plan is None else None,
        filter=selection(
            index, node_ids=query.node_ids, source_ids=query.doc_ids, filters=query.filters
        ),
        # LlamaIndex's own retriever sends empty node_ids for any; doc_ids are its caller's.
        is_of_nothing=query.doc_ids == [],
    )


def require_no_more(call: str, kwargs: Mapping[str, Any]) -> None:
    """Refuse keyword arguments that nothing is done with.

    Raises:
        UnknownKeywordError: there are some.
    """
    for name in kwargs:
        raise UnknownKeywordError(f"TrivetVectorStore.{call} got {name!r}, which it does not take")


def _mode(mode: object) -> VectorStoreQueryMode:
    try:
        return VectorStoreQueryMode(mode)
    except ValueError as error:
        names = ", ".join(known.value for known in VectorStoreQueryMode)
        raise UnknownModeError(f"expected a mode out of {names}, got {mode!r}") from error


def _words(query: VectorStoreQuery, dims: int | None) -> str:
    if query.query_embedding and len(query.query_embedding) != dims:
        raise SpaceMismatchError(
            f"expected no query_embedding, or one of {dims} numbers, got "
            f"{len(query.query_embedding)}: another model made it; pass query_str alone"
        )
    if query.query_str is None:
        raise InvalidQueryError(
            "expected a query with query_str, got a vector or nothing: the store embeds by itself, "
            "with every leg of its index"
        )
    return query.query_str
