"""Whether a step of an upgrade may be taken, and its arguments mean something."""

from __future__ import annotations

import math

from trivet.errors import InvalidInputError, UpgradeRefusedError
from trivet.index.upgrade.values import UpgradeMode
from trivet.store.generations import UpgradeRecord


def require_verdict(
    record: UpgradeRecord, mode: UpgradeMode, *, accept_review: bool, force: bool
) -> None:
    """Refuse a change over that the verdict on the mode forbids.

    Raises:
        UpgradeRefusedError: it does.
    """
    verdict = record.facts.get("verdicts", {}).get(mode)
    if force or verdict == "PASS" or (verdict == "REVIEW" and accept_review):
        return
    reasons = "; ".join(record.facts.get("reasons", {}).get(mode, []))
    way_out = "accept_review=True" if verdict == "REVIEW" else "force=True"
    raise UpgradeRefusedError(
        f"expected the verdict PASS for cutover({mode!r}), got {verdict} ({reasons}): use another "
        f"mode or aim, verify with judged queries, or cutover({mode!r}, {way_out})"
    )


def require_grace(grace: float) -> None:
    """Refuse a time that never ends, or is none.

    Raises:
        InvalidInputError: it is not finite, or below 0.
    """
    if not 0 <= grace < math.inf:
        raise InvalidInputError(
            f"expected a grace of 0 seconds or more, got {grace!r}: without an end, do not finish"
        )


def require_migration(order: str, rate: float | None, budget: float | None) -> None:
    """Refuse a migration that cannot mean anything.

    Raises:
        InvalidInputError: another order, or numbers that are not above 0.
    """
    if order not in ("hot", "id"):
        raise InvalidInputError(f"expected order 'hot' or 'id', got {order!r}")
    for name, value in (("rate", rate), ("budget", budget)):
        if value is not None and not value > 0:
            raise InvalidInputError(f"expected a {name} above 0, got {value!r}: leave it out")
