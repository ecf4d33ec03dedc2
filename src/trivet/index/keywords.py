"""Calls that name the right keyword when they are given a wrong one."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from trivet.errors import UnknownKeywordError

P = ParamSpec("P")
R = TypeVar("R")


def checked_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function raise `UnknownKeywordError`, with what it takes, on an unknown keyword."""
    taken = [name for name in inspect.signature(function).parameters if name != "self"]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in taken:
                close = difflib.get_close_matches(name, taken, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                called = function.__name__
                if function.__qualname__ != called:  # a method, named by the class that is used
                    called = f"{type(args[0]).__name__}.{called}"
                raise UnknownKeywordError(f"{called} takes {', '.join(taken)}, got {name!r}{hint}")
        return function(*args, **kwargs)

    return checked
