"""Plans for what LangChain asks for beyond the k best: relevance, thresholds and diversity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import trivet
from trivet.errors import InvalidInputError, InvalidPlanError

SEARCH_TYPES = ("similarity", "similarity_score_threshold", "mmr")


def require_search_type(search_type: object) -> None:
    """Refuse what is no search type of LangChain's.

    Raises:
        InvalidInputError: it is none.
    """
    if search_type not in SEARCH_TYPES:
        raise InvalidInputError(
            f"expected a search_type out of {', '.join(SEARCH_TYPES)}; got {search_type!r}"
        )


def calibrated(
    index: trivet.Index, k: int, threshold: float | None, keywords: dict[str, Any]
) -> tuple[dict[str, Any], float]:
    """The keywords of a search whose scores mean the same whatever else is found.

    Args:
        index: that is searched.
        k: documents wanted.
        threshold: the least relevance, from 0 to 1.
        keywords: of the search; they stay as they are.

    Returns:
        Its keywords, with a plan, and the score that stands for a relevance of 1.

    Raises:
        InvalidPlanError: the plan's scores depend on what else is found.
        InvalidInputError: a threshold that is no number from 0 to 1.
    """
    if threshold is not None and not (_is_number(threshold) and 0 <= threshold <= 1):
        raise InvalidInputError(f"expected score_threshold from 0 to 1, got {threshold!r}")
    plan = _planned(index, k, keywords)
    if not plan.is_calibrated:
        raise InvalidPlanError(
            "expected a plan whose scores say the same whatever else is found, such as that of "
            f"dense vectors alone or the default one, got fuse={plan.fuse!r} over "
            f"{', '.join(plan.fused)}: search without relevance scores"
        )
    is_sum = len(plan.fused) > 1 and plan.rescore is None
    scale = sum(plan.weights.values()) if is_sum else 1.0
    least = plan.threshold if threshold is None else threshold * scale
    return {**keywords, "modes": None, "plan": replace(plan, threshold=least)}, scale


def spread(
    index: trivet.Index, k: int, fetch_k: int, lambda_mult: float, keywords: dict[str, Any]
) -> dict[str, Any]:
    """The keywords of a search by maximal marginal relevance.

    Args:
        index: that is searched.
        k: documents wanted.
        fetch_k: candidates that each leg brings.
        lambda_mult: 1 for the most relevant alone, 0 for the most different alone.
        keywords: of the search; they stay as they are.

    Raises:
        InvalidPlanError: an index without dense vectors, or a number that cannot mean anything.
        InvalidInputError: fetch_k is no whole number of 1 or more.
    """
    if isinstance(fetch_k, bool) or not isinstance(fetch_k, int) or fetch_k < 1:
        raise InvalidInputError(
            f"expected fetch_k to be a whole number of 1 or more, got {fetch_k!r}"
        )
    plan = _planned(index, k, keywords)
    depths = dict.fromkeys(plan.depths, max(fetch_k, k))
    diverse = replace(plan, depths=depths, relevance=lambda_mult, threshold=None)
    return {**keywords, "modes": None, "plan": diverse}


def _planned(index: trivet.Index, k: int, keywords: dict[str, Any]) -> trivet.Plan:
    return index.planned(k=k, plan=keywords.get("plan"), modes=keywords.get("modes"))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
