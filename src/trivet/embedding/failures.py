"""Which failures of a foreign call may pass by themselves, and when to call again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

# Timeout, conflict, too early, too many requests, and what a server says of itself: RFC 9110, 8470.
_PASSING = frozenset({408, 409, 425, 429})
# Of the system's errors, those that a network does not cause.
_LASTING = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError)


def may_pass(error: Exception) -> bool:
    """Whether the same call may succeed later.

    A client wraps what its transport raised: of the error and those it was raised from, the first
    that is known decides; what nobody knows lasts.
    """
    for cause in _chain(error):
        status = status_of(cause)
        if status is not None:
            return status in _PASSING or 500 <= status <= 599
        if isinstance(cause, OSError):  # ConnectionError and TimeoutError are some too
            return not isinstance(cause, _LASTING)
    return False


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error carries, as the usual clients name it."""
    response = getattr(error, "response", None)
    for holder, name in ((error, "status_code"), (response, "status_code"), (error, "code")):
        status = getattr(holder, name, None)
        if isinstance(status, int) and 100 <= status <= 599:
            return int(status)
    return None


def asked_wait_s(error: Exception, today: float) -> float | None:
    """The seconds that a service asks to wait, in its Retry-After; None = it does not say.

    Args:
        error: as the call raised it.
        today: seconds since 1970, for a date.
    """
    for cause in _chain(error):
        stated = _retry_after(getattr(getattr(cause, "response", cause), "headers", None))
        if stated is None:
            continue
        try:
            wait = float(stated)
        except ValueError:
            try:
                wait = parsedate_to_datetime(stated).timestamp() - today
            except ValueError:
                continue
        if math.isfinite(wait):
            return max(0.0, wait)
    return None


def _retry_after(headers: object) -> str | None:
    """The header, however its name is written; headers have items, and are not always a mapping."""
    items = getattr(headers, "items", None)
    pairs = items() if callable(items) else ()
    found = (value for name, value in pairs if str(name).lower() == "retry-after")
    value = next(found, None)
    return None if value is None else str(value)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and those it was raised from, each once."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
