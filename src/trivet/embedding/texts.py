"""What every embedding asks of its input: a list of texts, or an error that names the position."""

from __future__ import annotations

from collections.abc import Sequence

from trivet.errors import InvalidInputError
from trivet.query import text_problem


def checked_titles(texts: Sequence[str], titles: Sequence[str] | None) -> Sequence[str]:
    """One title for each text, "" for none.

    Raises:
        InvalidInputError: fewer or more titles than texts, or one that is no text.
    """
    if titles is None:
        return [""] * len(texts)
    require_texts(titles, blank=True)
    if len(titles) != len(texts):
        raise InvalidInputError(f"expected {len(texts)} titles, got {len(titles)}")
    return titles


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
