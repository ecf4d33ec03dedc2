"""Plans that a server refuses, told apart from those that it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from trivet.errors import PlanRefusedError, ServerRefusedError
from trivet.plan import Plan

Scores = NDArray[np.float64]


def scores_of_all(
    plans: Callable[[], Mapping[str, Plan]], score: Callable[[str, Plan], Scores]
) -> tuple[dict[str, Scores], dict[str, str]]:
    """Score every plan that is run.

    Args:
        plans: by name, the default first. What is the default changes with the first refusal.
        score: of a plan and its name.

    Returns:
        Scores by plan, the default first, and of each plan that is refused what the server says.

    Raises:
        ServerRefusedError: the default is refused, too, and so is what stands in for it.
        TrivetError: as `score`.
    """
    scores: dict[str, Scores] = {}
    refused: dict[str, ServerRefusedError] = {}

    def go_on() -> None:
        for name, plan in plans().items():
            if name in scores or name in refused:
                continue
            try:
                scores[name] = score(name, plan)
            except ServerRefusedError as error:
                refused[name] = error

    go_on()
    if refused:
        go_on()  # by now it is known what a search without a plan goes by
    default, *others = plans()
    if default in refused:
        raise refused[default]
    names = [default, *(name for name in others if name in scores)]
    return {name: scores[name] for name in names}, {n: _reason(e) for n, e in refused.items()}


def _reason(error: ServerRefusedError) -> str:
    """What the server says, without what a search would be advised to do."""
    said = error.__cause__ if isinstance(error, PlanRefusedError) else error
    return f"the server refuses it: {said or error}"
