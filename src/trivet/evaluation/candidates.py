"""The plans that an index can be asked with: its default, every leg alone, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trivet.errors import InvalidInputError
from trivet.index import Index
from trivet.plan import PRESETS, Plan
from trivet.types import MODES

UNNAMED_DEFAULT = "default"


def candidates(index: Index, own: Mapping[str, Plan], depth: int) -> dict[str, Plan]:
    """Plans by name, the default one first; one that ranks as another does comes once.

    Args:
        index: whose legs decide which presets there are.
        own: the caller's plans.
        depth: candidates that each leg brings at least, except in the caller's plans.

    Raises:
        InvalidInputError: one of the caller's has the name of another.
        InvalidPlanError: one of the caller's needs a leg that the index lacks, or is too shallow.
    """
    held = {space.mode for space in index.describe().spaces}
    known = {str(mode): index.planned(modes=[mode]) for mode in MODES if mode in held}
    known |= {
        name: index.planned(plan=name) for name, preset in PRESETS.items() if held >= {*preset.legs}
    }
    taken = [name for name in own if name in known or name == UNNAMED_DEFAULT]
    if taken:
        raise InvalidInputError(f"expected a name of its own for a plan, got {taken[0]!r}")
    deep = {name: _deepened(plan, depth) for name, plan in known.items()}
    default = _deepened(index.planned(), depth)
    same = next((name for name, plan in deep.items() if plan == default), UNNAMED_DEFAULT)
    given = {name: index.planned(plan=plan, k=depth) for name, plan in own.items()}
    return {same: default, **deep, **given}


def _deepened(plan: Plan, depth: int) -> Plan:
    return replace(plan, depths={mode: max(n, depth) for mode, n in plan.depths.items()})
