"""Points as bytes and back, so that an interrupted replacement can be finished without a model."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence

import numpy as np

from trivet.errors import IndexDamagedError
from trivet.store.points import Point, PointVector
from trivet.types import SparseVector


def dump_points(points: Sequence[Point]) -> bytes:
    """Points that hold the same vector names as one NumPy archive, free of pickles."""
    header = [{"id": point.id, "payload": dict(point.payload)} for point in points]
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)}
    for name in points[0].vectors if points else ():
        column = [point.vectors[name] for point in points]
        sparse = [vector for vector in column if isinstance(vector, SparseVector)]
        arrived = [vector for vector in column if not isinstance(vector, SparseVector)]
        if sparse:
            arrays[f"sizes/{name}"] = np.array([len(v.indices) for v in sparse])
            arrays[f"indices/{name}"] = np.concatenate([v.indices for v in sparse])
            arrays[f"values/{name}"] = np.concatenate([v.values for v in sparse])
        elif arrived and arrived[0].ndim == 2:
            arrays[f"counts/{name}"] = np.array([len(tokens) for tokens in arrived])
            arrays[f"tokens/{name}"] = np.concatenate(arrived)
        else:
            arrays[f"dense/{name}"] = np.stack(arrived)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def load_points(stored: bytes) -> list[Point]:
    """The points that `dump_points` made bytes of.

    Raises:
        IndexDamagedError: the bytes are not what it made.
    """
    try:
        return _loaded(stored)
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise IndexDamagedError(
            f"the journal holds an unfinished write that is unreadable ({error}): run `trivet "
            "repair` on the index"
        ) from error


def _loaded(stored: bytes) -> list[Point]:
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        header = json.loads(arrays["header"].tobytes())
        vectors: list[dict[str, PointVector]] = [{} for _ in header]
        for key in arrays.files:
            kind, _, name = key.partition("/")
            if kind == "dense":
                for row, vector in zip(vectors, arrays[key], strict=True):
                    row[name] = vector
            elif kind == "counts":
                ends = np.cumsum(arrays[key])[:-1]
                tokens = np.split(arrays[f"tokens/{name}"], ends)
                for row, some in zip(vectors, tokens, strict=True):
                    row[name] = some
            elif kind == "sizes":
                ends = np.cumsum(arrays[key])[:-1]
                indices = np.split(arrays[f"indices/{name}"], ends)
                values = np.split(arrays[f"values/{name}"], ends)
                for row, found, weights in zip(vectors, indices, values, strict=True):
                    row[name] = SparseVector(found, weights)
    return [Point(h["id"], v, h["payload"]) for h, v in zip(header, vectors, strict=True)]
