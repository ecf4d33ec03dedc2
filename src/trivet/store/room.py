"""Refuses to write where the disk is nearly full: the engine dies of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from trivet.errors import StoreError
from trivet.store.points import Point, PointVector
from trivet.types import SparseVector

# Edge writes into mapped files with holes. Where the disk has no block left for one, the operating
# system ends the process (SIGBUS). So the last of the disk is never used.
MARGIN_BYTES = 64 << 20
# What is left for a batch that was begun, and for taking it back.
LAST_BYTES = MARGIN_BYTES // 2
# A point is written to the log, to the segment and, where it replaces another, to the journal;
# characters may be several bytes.
COPIES = 4


def require_room(folder: Path | None, size_bytes: int, *, margin_bytes: int = MARGIN_BYTES) -> None:
    """Refuse a write that the disk may not hold.

    Args:
        folder: on the disk; None = nothing goes to a disk.
        size_bytes: about to be written.
        margin_bytes: to be left free.

    Raises:
        StoreError: less is free than that; nothing was written.
    """
    if folder is None:
        return
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise StoreError(f"cannot read how much room {folder} has: {error}") from error
    needed = size_bytes + margin_bytes
    if free < needed:
        raise StoreError(
            f"expected at least {_megabytes(needed)} free on the disk of {folder}, got "
            f"{_megabytes(free)}: nothing was written; free some space and try again"
        )


def written_bytes(points: Sequence[Point]) -> int:
    """About how many bytes it takes to store points."""
    payloads = sum(len(repr(point.payload)) for point in points)
    return COPIES * payloads + vectors_bytes(point.vectors for point in points)


def vectors_bytes(named: Iterable[Mapping[str, PointVector]]) -> int:
    """About how many bytes it takes to store the vectors of points."""
    size = 0
    for vectors in named:
        for vector in vectors.values():
            if isinstance(vector, SparseVector):
                size += vector.indices.nbytes + vector.values.nbytes
            else:
                size += vector.nbytes
    return COPIES * size


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"
