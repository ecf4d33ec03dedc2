"""Small indexes whose vectors are given: no model is loaded."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import trivet
from trivet.config import Lexical
from trivet.index.lexicon import bm25_for, initial_state
from trivet.index.shared import Shared
from trivet.store import folder as folders
from trivet.types import DenseVectors, Document, Representations, Space

DENSE = Space("dense", "given", 8, {"weights": "none"})

STATE = initial_state(Lexical("en"))


def make_index(location: Path | str) -> trivet.Index:
    """An empty index with given dense vectors of 8 dims and BM25, in a folder or in memory."""
    spaces = {"dense": DENSE, "sparse": bm25_for(STATE).space}
    manifest = folders.new_manifest("given", {}, spaces, 64, STATE)
    if location == ":memory:":
        store = folders.create_in_memory(manifest)
    else:
        store = folders.create_in_folder(Path(location), manifest)
    return trivet.Index(Shared(str(location), store, no_model, trivet.Settings()))


def copy_index(source: Path, target: Path) -> Path:
    """Copy an index that nobody has open; the holes in its files, 160 MB of them, stay holes."""
    return shutil.copytree(source, target, copy_function=_copy_data)


def _copy_data(source: str, target: str) -> None:
    with Path(source).open("rb") as reading, Path(target).open("wb") as writing:
        size, start = os.fstat(reading.fileno()).st_size, 0
        while start < size:
            try:
                start = os.lseek(reading.fileno(), start, os.SEEK_DATA)
            except OSError:  # only a hole is left
                break
            end = os.lseek(reading.fileno(), start, os.SEEK_HOLE)
            reading.seek(start)
            writing.seek(start)
            writing.write(reading.read(end - start))
            start = end
        writing.truncate(size)


def no_model() -> trivet.Embedder:
    raise AssertionError("no model is needed here")


def vectors(texts: Sequence[str]) -> Representations:
    """A direction for each text, the same in every process."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in texts]
    rows = [np.random.default_rng(seed).standard_normal(8) for seed in seeds]
    values = np.array(rows, dtype=np.float32).reshape(len(texts), 8)
    return Representations(dense=DenseVectors(DENSE, values))


def put(index: trivet.Index, texts: Mapping[str, str]) -> trivet.IngestReport:
    """Store texts by id, each with metadata that is its length."""
    documents = [Document(text, id, metadata={"length": len(text)}) for id, text in texts.items()]
    report = index.upsert(documents, representations=vectors(list(texts.values())))
    assert report.failed == ()
    return report


def anchors(count: int) -> dict[str, str]:
    """So many short texts by their ids."""
    return {str(n): f"anchor {n} sail wind" for n in range(count)}


@contextmanager
def index_of(location: Path | str, texts: Mapping[str, str]) -> Iterator[trivet.Index]:
    """An index as `make_index` makes it, with these texts; closed in the end."""
    index = make_index(location)
    put(index, texts)
    yield index
    index.close()


def contents(index: trivet.Index, ids: Sequence[str]) -> dict[str, str]:
    """The texts of those documents that are stored; fails if the index holds any other."""
    found = {document.id or "": document.text for document in index.get(ids)}
    assert len(found) == index.count()
    assert all(d.metadata == {"length": len(d.text)} for d in index.get(ids))
    return found


def require_sound(index: trivet.Index) -> None:
    """Journal and engine agree; BM25's average length is another matter, of the next addition."""
    report = index.verify()
    assert (report.broken, report.orphans, report.points) == ((), (), report.chunks)


def require_clean(index: trivet.Index) -> None:
    """Fail if journal and engine disagree."""
    report = index.verify()
    assert report.is_clean, report
    assert report.points == report.chunks == index.describe().chunks
