"""What every embedding asks of its input: a list of texts, or an error that names the position."""

from __future__ import annotations

from collections.abc import Sequence

from trivet.errors import InvalidInputError
from trivet.query import text_problem


def require_texts(texts: Sequence[str], *, blank: bool = False) -> None:
    """Refuse anything but a list of texts that can be embedded.

    Args:
        texts: what came.
        blank: whether blank texts are let through, as where they are only counted.

    Raises:
        InvalidInputError: not a list of texts; names the position.
    """
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise InvalidInputError(
            f"expected a list of texts, got {type(texts).__name__}: put the texts into a list"
        )
    for position, text in enumerate(texts):
        problem = text_problem(text)
        if problem and not (blank and isinstance(text, str) and not text.strip()):
            raise InvalidInputError(f"expected a text at position {position}, {problem}")


def checked_titles(titles: Sequence[str] | None, n: int) -> Sequence[str]:
    """Titles of n texts, "" for those without one; None = none has one.

    Raises:
        InvalidInputError: not a list of n texts; names the position.
    """
    if titles is None:
        return [""] * n
    require_texts(titles, blank=True)
    if len(titles) != n:
        raise InvalidInputError(f"expected {n} titles, got {len(titles)}")
    return titles
