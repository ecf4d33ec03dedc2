"""LlamaIndex's query modes as search plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode

from trivet import Index
from trivet.errors import InvalidInputError, UnknownModeError
from trivet.plan import DEPTH, Plan, best_plan
from trivet.types import Mode, Space

_QueryMode = VectorStoreQueryMode
# As LlamaIndex has it where nothing is said.
RELEVANCE = 0.5
# A query's fields that say something in these modes alone.
_ONLY_IN = {
    "alpha": (_QueryMode.HYBRID, _QueryMode.SEMANTIC_HYBRID),
    "sparse_top_k": (_QueryMode.HYBRID, _QueryMode.SEMANTIC_HYBRID, _QueryMode.SPARSE),
    "hybrid_top_k": (_QueryMode.HYBRID, _QueryMode.SEMANTIC_HYBRID),
    "mmr_threshold": (_QueryMode.MMR,),
}
_NEEDS: dict[VectorStoreQueryMode, tuple[Mode, ...]] = {
    _QueryMode.DEFAULT: (),
    _QueryMode.SPARSE: ("sparse",),
    _QueryMode.TEXT_SEARCH: ("sparse",),
    _QueryMode.HYBRID: ("dense", "sparse"),
    _QueryMode.SEMANTIC_HYBRID: ("dense", "sparse", "multi"),
    _QueryMode.MMR: ("dense",),
}


def wanted_hits(query: VectorStoreQuery) -> int:
    """How many hits a query asks for.

    Raises:
        InvalidInputError: a field that says nothing in the query's mode, or no number of hits.
    """
    for name in ("similarity_top_k", "sparse_top_k", "hybrid_top_k"):
        value = getattr(query, name)
        is_optional = value is None and name != "similarity_top_k"
        if not is_optional and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InvalidInputError(
                f"expected {name} to be a whole number of 1 or more, got {value!r}"
            )
    for name, modes in _ONLY_IN.items():
        if getattr(query, name) is not None and query.mode not in modes:
            raise InvalidInputError(
                f"expected no {name} in mode {query.mode.value!r}, got {getattr(query, name)!r}: "
                f"it says something in {', '.join(mode.value for mode in modes)} alone"
            )
    if query.hybrid_top_k is not None:
        return query.hybrid_top_k
    if query.mode == _QueryMode.SPARSE and query.sparse_top_k is not None:
        return query.sparse_top_k
    return query.similarity_top_k


def plan_for(query: VectorStoreQuery, index: Index) -> Plan | None:
    """The plan that a query's mode asks for; None = the index's own, of the legs of `modes_of`.

    The index knows whether its sparse scores have a scale, which a learned leg and a collection
    that something else has made lack, and what its server runs. Where it fuses no scores, `alpha`
    weighs ranks.

    | mode | plan |
    |---|---|
    | default | the one that measured best for the index's legs |
    | sparse | the sparse leg alone |
    | text_search | the same, where it is BM25 |
    | hybrid | dense and sparse by `alpha` (0 = sparse alone, 1 = dense alone), else as measured |
    | semantic_hybrid | the same, then the best in the order of their token vectors |
    | mmr | maximal marginal relevance by dense vectors; a threshold of 1 asks for relevance alone |

    Args:
        query: of LlamaIndex; its mode, alpha, depths and MMR threshold are read.
        index: whose legs there are.

    Raises:
        UnknownModeError: a mode that is none of these, or one that needs a leg that the index
            lacks.
        InvalidInputError: an alpha or MMR threshold outside 0 to 1, or more hits than there may be.
    """
    held = {space.mode: space for space in index.spaces}
    _require_legs(query, held)
    depth = max(DEPTH, wanted_hits(query))
    if query.mode == _QueryMode.DEFAULT or _is_plain_hybrid(query):
        return None
    if query.mode in (_QueryMode.SPARSE, _QueryMode.TEXT_SEARCH):
        return best_plan(["sparse"], depth)
    if query.mode == _QueryMode.MMR:
        threshold = RELEVANCE if query.mmr_threshold is None else query.mmr_threshold
        return replace(best_plan(["dense"], depth), relevance=threshold)
    plan = _hybrid(query, depth, index.planned(modes=["dense", "sparse"]))
    if query.mode == _QueryMode.SEMANTIC_HYBRID:
        return replace(plan, rescore=depth)
    return plan


def modes_of(query: VectorStoreQuery, modes: Sequence[str] | None) -> Sequence[str] | None:
    """The legs that a query without a plan searches: these, or those of its mode."""
    return _NEEDS[query.mode] if _is_plain_hybrid(query) else modes


def _is_plain_hybrid(query: VectorStoreQuery) -> bool:
    is_plain = query.alpha is None and query.sparse_top_k is None
    return query.mode == _QueryMode.HYBRID and is_plain


def _require_legs(query: VectorStoreQuery, held: Mapping[Mode, Space]) -> None:
    if query.mode not in _NEEDS:
        raise UnknownModeError(
            f"expected a query mode out of {', '.join(mode.value for mode in _NEEDS)}, got "
            f"{query.mode.value!r}: an index learns nothing from single queries"
        )
    missing = [mode for mode in _NEEDS[query.mode] if mode not in held]
    if missing:
        raise UnknownModeError(
            f"expected an index with a {missing[0]} leg for mode {query.mode.value!r}, got one "
            f"with {', '.join(held)}: choose another mode, or make an index with that leg"
        )
    if query.mode == _QueryMode.TEXT_SEARCH and not held["sparse"].is_lexical:
        raise UnknownModeError(
            "expected an index with BM25 for mode 'text_search', got one whose sparse leg is "
            f"learned by {held['sparse'].model!r}: use mode 'sparse'"
        )


def _hybrid(query: VectorStoreQuery, depth: int, best: Plan) -> Plan:
    """The two legs as the index fuses them best, or by alpha."""
    legs: dict[Mode, float] = {"dense": 1.0, "sparse": 1.0}
    if query.alpha is not None:
        if not isinstance(query.alpha, (int, float)) or not 0 <= query.alpha <= 1:
            raise InvalidInputError(
                f"expected alpha from 0 (sparse alone) to 1 (dense alone), got {query.alpha!r}"
            )
        shares: dict[Mode, float] = {"dense": query.alpha, "sparse": 1.0 - query.alpha}
        legs = {mode: share for mode, share in shares.items() if share > 0}
    depths: dict[Mode, int] = dict.fromkeys(legs, depth)
    if query.sparse_top_k is not None and "sparse" in legs:
        depths["sparse"] = max(query.sparse_top_k, wanted_hits(query))
    if len(legs) == 1:
        return Plan(depths)
    if query.alpha is None:
        return replace(best, depths=depths)
    # Scores that have no scale in common cannot be weighed; ranks need none.
    return Plan(depths, legs, fuse="scores" if best.fuse == "scores" else "rrf")
