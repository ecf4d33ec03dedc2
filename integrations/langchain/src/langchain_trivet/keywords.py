"""Keywords that a call of LangChain's lets through and nobody takes."""

from __future__ import annotations

from collections.abc import Mapping

from trivet.errors import UnknownKeywordError


def refuse(call: str, unknown: Mapping[str, object], taken: str) -> None:
    """Raise if there is any.

    Args:
        call: what was called.
        unknown: keywords that are left.
        taken: those that the call takes.

    Raises:
        UnknownKeywordError: there is one.
    """
    for name in unknown:
        raise UnknownKeywordError(f"{call} takes {taken}; got {name!r}: leave it out")
