"""Query requests of `qdrant_client.models`, said to Qdrant Edge.

Vectors pass through as they are; what Edge does not have is refused by name, never dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

import qdrant_edge
from pydantic import BaseModel

from trivet.errors import InvalidInputError
from trivet.store.bridge_filters import edge_filter, iso_datetime, refusals, stated
from trivet.store.bridge_formulas import edge_expression

if TYPE_CHECKING:
    from qdrant_client import models

EdgeVector: TypeAlias = "list[float] | list[list[float]] | qdrant_edge.SparseVector"
EdgeQuery: TypeAlias = (
    "qdrant_edge.Query | qdrant_edge.Fusion.Rrf | qdrant_edge.Fusion.Dbsf"
    " | qdrant_edge.OrderBy | qdrant_edge.Formula | qdrant_edge.Mmr"
)

DEFAULT_LIMIT = 10  # what the models mean by no limit, in requests and in prefetches
DEFAULT_RRF_K = 2  # what they mean by FusionQuery(fusion="rrf"), and by Rrf() without k
DEFAULT_DIVERSITY = 0.5  # and by Mmr()

_STAGE = ("prefetch", "query", "using", "filter", "params", "score_threshold", "limit")


# What was said already, by the query and the vector that it searches: requests share queries.
_Said: TypeAlias = "dict[tuple[int, str | None], EdgeQuery]"


def query_requests(
    requests: Sequence[models.QueryRequest | models.Prefetch],
) -> list[qdrant_edge.QueryRequest]:
    """The same requests for Qdrant Edge; a query that several of them hold is translated once.

    Args:
        requests: their vectors may be lists of numbers, numpy arrays (through `model_construct`) or
            `SparseVector`; point ids and texts to embed are no vectors here. A prefetch stands for
            a request without payloads.

    Raises:
        InvalidFilterError: a filter of them that Edge does not have.
        InvalidInputError: any other part that Edge refuses or does not have.
    """
    said: _Said = {}
    with refusals(InvalidInputError):
        return [_request(request, said) for request in requests]


def _request(
    request: models.QueryRequest | models.Prefetch, said: _Said
) -> qdrant_edge.QueryRequest:
    fields = stated(request, *_STAGE, "offset", "with_payload", "with_vector")
    stage = _stage(fields, said)
    stage["offset"] = fields.get("offset", 0)
    stage["with_payload"] = _payload_selector(fields.get("with_payload", False))
    stage["with_vector"] = fields.get("with_vector", False)
    return qdrant_edge.QueryRequest(**stage)


def _stage(fields: dict[str, Any], said: _Said) -> dict[str, Any]:
    """What a request and a prefetch have in common, as keywords of Edge's constructors."""
    limit = fields.get("limit", DEFAULT_LIMIT)
    if limit < 1:  # Edge answers nothing, a server refuses it
        raise InvalidInputError(f"expected a limit of 1 or more, got {limit}: ask for at least one")
    prefetches = fields.get("prefetch", [])
    if isinstance(prefetches, BaseModel):
        prefetches = [prefetches]
    query, using = fields.get("query"), fields.get("using")
    return {
        "limit": limit,
        "query": None if query is None else _shared_query(query, using, limit, said),
        "prefetches": [_prefetch(prefetch, said) for prefetch in prefetches],
        "filter": _stage_filter(fields["filter"]) if "filter" in fields else None,
        "params": _search_params(fields["params"]) if "params" in fields else None,
        "score_threshold": fields.get("score_threshold"),
    }


def _shared_query(query: object, using: str | None, limit: int, said: _Said) -> EdgeQuery:
    key = (id(query), using)
    if key in said:
        return said[key]
    made = _query(query, using, limit)
    if not isinstance(made, qdrant_edge.Mmr):  # its candidates are those of its stage
        said[key] = made
    return made


def _stage_filter(filter_: models.Filter | qdrant_edge.Filter) -> qdrant_edge.Filter:
    """A filter that still holds as a whole beside those of the stages around it.

    Edge joins the filters of a request and its prefetches clause by clause, which would make their
    `should` lists alternatives of each other (qdrant/qdrant#10594); what is under `must` holds.
    """
    if isinstance(filter_, qdrant_edge.Filter):  # of points that were found: Edge's own already
        return filter_
    translated = edge_filter(filter_)
    if filter_.should or filter_.min_should:
        return qdrant_edge.Filter(must=[translated])
    return translated


def _prefetch(prefetch: object, said: _Said) -> qdrant_edge.Prefetch:
    stage = _stage(stated(prefetch, *_STAGE), said)
    if isinstance(stage["query"], qdrant_edge.Mmr):
        raise InvalidInputError(
            "expected Mmr at the top of a request, got it in a prefetch, where Edge would search "
            "without it: prefetch the plain nearest query and diversify at the top"
        )
    return qdrant_edge.Prefetch(**stage)


def _query(query: object, using: str | None, limit: int) -> EdgeQuery:
    """One stage's query; `limit` is the stage's, which MMR draws its candidates from."""
    fields = stated(query) if isinstance(query, BaseModel) else {"nearest": query}
    if fields.keys() == {"indices", "values"}:
        fields = {"nearest": query}
    if "nearest" in fields:
        return _nearest(fields, using, limit)
    name = next((name for name in fields if name in _QUERIES), None)
    if name is None:
        raise InvalidInputError(
            f"expected a vector or a query of {', '.join(('nearest', *_QUERIES))}, got "
            f"{type(query).__name__} ({', '.join(sorted(fields))}): a folder cannot search by that"
        )
    if using is not None:
        raise InvalidInputError(
            f"expected no `using` beside {type(query).__name__}, got {using!r}: it names the "
            "vector of a nearest query"
        )
    return _QUERIES[name](query)


def _nearest(fields: dict[str, Any], using: str | None, limit: int) -> EdgeQuery:
    for name in fields.keys() - {"nearest", "mmr"}:
        raise InvalidInputError(f"expected a nearest query with at most mmr beside, got {name!r}")
    vector = _vector(fields["nearest"])
    if "mmr" not in fields:
        return qdrant_edge.Query.Nearest(vector, using)
    if isinstance(vector, qdrant_edge.SparseVector):
        raise InvalidInputError(
            "expected Mmr with a dense vector or one per token, got a SparseVector: a folder "
            "spreads no sparse results; diversify over another leg"
        )
    mmr = stated(fields["mmr"], "diversity", "candidates_limit")
    diversity = mmr.get("diversity", DEFAULT_DIVERSITY)
    if not 0 <= diversity <= 1:  # Edge takes any
        raise InvalidInputError(
            f"expected Mmr with a diversity from 0 (relevance alone) to 1, got {diversity}"
        )
    return qdrant_edge.Mmr(vector, 1 - diversity, mmr.get("candidates_limit", limit), using)


def _vector(vector: object) -> EdgeVector:
    if isinstance(vector, BaseModel):
        return _sparse_vector(vector)
    vector = _as_list(vector)
    if not isinstance(vector, list) or not vector:
        raise InvalidInputError(
            "expected a vector (a list of numbers, an array, one of these per token, or a "
            f"SparseVector), got {type(vector).__name__} ({str(vector)[:40]!r}): a folder looks "
            "up no point by its id; pass the vector itself"
        )
    rows = vector if isinstance(vector[0], list) else [vector]
    if not all(math.isfinite(sum(row)) for row in rows):
        raise _not_finite()
    return vector


def _as_list(array: object) -> object:
    """A list of an array's numbers, which Edge reads four times faster than the array."""
    return array.tolist() if hasattr(array, "tolist") else array


def _sparse_vector(vector: BaseModel) -> qdrant_edge.SparseVector:
    """A sparse vector that is safe to hand over: Edge panics on unequal lengths."""
    fields = stated(vector)
    if fields.keys() != {"indices", "values"}:
        raise InvalidInputError(
            f"expected a vector, got {type(vector).__name__}: a folder embeds nothing itself; "
            "embed it first and pass the vector"
        )
    lists: dict[str, Any] = {name: _as_list(numbers) for name, numbers in fields.items()}
    indices, values = lists["indices"], lists["values"]
    if len(indices) != len(values):
        raise InvalidInputError(
            "expected a SparseVector with as many indices as values, got "
            f"{len(indices)} and {len(values)}"
        )
    if len(set(indices)) != len(indices):
        raise InvalidInputError(
            "expected a SparseVector in which each index is there once, got one twice: add its "
            "values up"
        )
    if not math.isfinite(sum(values)):
        raise _not_finite()
    return qdrant_edge.SparseVector(indices, values)


def _not_finite() -> InvalidInputError:
    return InvalidInputError(
        "expected a vector of finite numbers, got NaN or infinity in it: nothing is near to that"
    )


def _fusion(query: object) -> EdgeQuery:
    fusion = stated(query, "fusion")["fusion"]
    if fusion == "rrf":
        return qdrant_edge.Fusion.Rrf(k=DEFAULT_RRF_K)
    if fusion == "dbsf":
        return qdrant_edge.Fusion.Dbsf()
    raise InvalidInputError(f"expected a fusion of rrf or dbsf, got {fusion!r}: use one of them")


def _rrf(query: object) -> EdgeQuery:
    fields = stated(stated(query, "rrf")["rrf"], "k", "weights")
    k = fields.get("k", DEFAULT_RRF_K)
    if k < 1:  # k = 0 would score the first of each list as infinite
        raise InvalidInputError(f"expected Rrf with k of 1 or more, got {k}: 60 is the usual one")
    return qdrant_edge.Fusion.Rrf(k=k, weights=fields.get("weights"))


def _order_by(query: object) -> EdgeQuery:
    order = stated(query, "order_by")["order_by"]
    if isinstance(order, str):
        return qdrant_edge.OrderBy(order)
    fields = stated(order, "key", "direction", "start_from")
    directions = {"asc": qdrant_edge.Direction.Asc, "desc": qdrant_edge.Direction.Desc}
    start = fields.get("start_from")
    if isinstance(start, date):
        start = iso_datetime(start)
    direction = directions[fields["direction"]] if "direction" in fields else None
    return qdrant_edge.OrderBy(fields["key"], direction, start)


def _formula(query: object) -> EdgeQuery:
    fields = stated(query, "formula", "defaults")
    return qdrant_edge.Formula(edge_expression(fields["formula"]), fields.get("defaults", {}))


def _search_params(params: object) -> qdrant_edge.SearchParams:
    fields = stated(params)
    if "quantization" in fields:
        quantization = stated(fields["quantization"])
        fields["quantization"] = qdrant_edge.QuantizationSearchParams(**quantization)
    if "acorn" in fields:
        fields["acorn"] = qdrant_edge.AcornSearchParams(**stated(fields["acorn"]))
    if "idf" in fields:
        idf = fields["idf"]
        corpus = None if idf == "global" else edge_filter(stated(idf, "corpus")["corpus"])
        fields["idf"] = qdrant_edge.IdfParams(corpus)
    return qdrant_edge.SearchParams(**fields)  # refuses a parameter that it does not have


def _payload_selector(selector: object) -> object:
    if not isinstance(selector, BaseModel):
        return selector
    fields = stated(selector, "include", "exclude")
    if "include" in fields:
        return qdrant_edge.PayloadSelector.Include(fields["include"])
    return qdrant_edge.PayloadSelector.Exclude(fields["exclude"])


_QUERIES: dict[str, Callable[[object], EdgeQuery]] = {
    "fusion": _fusion,
    "rrf": _rrf,
    "formula": _formula,
    "order_by": _order_by,
}
