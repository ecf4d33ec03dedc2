"""Loads what searches are made of where an event loop is waiting."""

from __future__ import annotations

import importlib
import sys
import time

from trivet.errors import SearchTimeoutError

_SEARCH = "trivet.index.search"


async def search_loaded(timeout_s: float | None) -> float | None:
    """Load the search in another thread: it takes half a second, with qdrant_client, once.

    Args:
        timeout_s: seconds to wait for the answer of a search; None = as long as it takes.

    Returns:
        What is left of them.

    Raises:
        SearchTimeoutError: nothing is left.
    """
    if _is_loaded():
        return timeout_s
    import asyncio  # there already, where there is a loop

    began = time.monotonic()
    loading = asyncio.to_thread(importlib.import_module, _SEARCH)
    try:
        await asyncio.wait_for(loading, timeout_s)
    except asyncio.TimeoutError as error:
        raise SearchTimeoutError(
            f"expected an answer within {timeout_s} s, got none: wait longer, the first search of "
            "a process loads more than others"
        ) from error
    return None if timeout_s is None else max(timeout_s - (time.monotonic() - began), 1e-3)


def _is_loaded() -> bool:
    """Whether it is there, and no thread is at it any more: importing it would wait for that."""
    module = sys.modules.get(_SEARCH)
    return module is not None and not getattr(module.__spec__, "_initializing", False)
