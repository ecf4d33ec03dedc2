"""The points of which a named vector was carried over from another model's and is marked so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trivet.store.points import PAYLOAD_CARRIED, PAYLOAD_OWN, Chunk
from trivet.store.store import Store


def note_carried(store: Store, name: str) -> None:
    """Keep that there may be such points: without this, nobody looks for them."""
    store.journal.keep(_note(name), b"1")
    store.lacking[name] = store.manifest, True


def forget_carried(store: Store, name: str) -> None:
    """Keep no longer that there may be such points; for the only writer there is at that time."""
    store.journal.forget((_note(name),), ())
    store.lacking[name] = store.manifest, False


def may_lack(store: Store, name: str) -> bool:
    """Whether there may be points without a vector of this name; read once for a manifest.

    Such a vector was left out for want of its model, and is marked as one that was carried over.
    """
    manifest = store.manifest
    of, may = store.lacking.get(name, (None, False))
    if of is not manifest:
        may = not store.is_adopted and store.journal.kept(_note(name)) is not None
        store.lacking[name] = manifest, may
    return may


def carried_pages(
    store: Store, name: str, since: str | None = None
) -> Iterator[dict[str, Mapping[str, Any]]]:
    """Their payloads by id, a page at a time; nothing is read where there never were any.

    Args:
        store: of the index.
        name: of the vector.
        since: the first point; None = of all.

    Raises:
        StoreError: the engine cannot be read.
    """
    if store.is_adopted or store.journal.kept(_note(name)) is None:
        return
    # The door to qdrant_client, which most indexes never need for this.
    from qdrant_client import models

    path = f"{PAYLOAD_OWN}.{PAYLOAD_CARRIED}"
    match = models.FieldCondition(key=path, match=models.MatchValue(value=name))
    yield from store.engine.pages(models.Filter(must=[match]), since=since)


def carried_documents(store: Store, name: str) -> set[str]:
    """The keys of the documents of such points."""
    pages = carried_pages(store, name)
    return {Chunk.from_payload(payload).key for page in pages for payload in page.values()}


def mark_carried(store: Store, ids: Sequence[str], carried: Sequence[str]) -> None:
    """Mark these vectors of stored points; for the only writer there is at that time."""
    payloads = store.engine.retrieve(ids)
    together: dict[tuple[str, ...], list[str]] = {}
    for id, payload in payloads.items():
        names = {*Chunk.from_payload(payload).carried, *carried}
        together.setdefault(tuple(sorted(names)), []).append(id)
    for marks, some in together.items():
        store.engine.mark(some, marks)


def unmark_carried(store: Store, chunks: Mapping[str, Chunk], made: Sequence[str]) -> None:
    """Take back the marks of vectors that the model itself has made since; as `mark_carried`.

    Args:
        store: of the index.
        chunks: by point.
        made: names of the vectors.
    """
    together: dict[tuple[str, ...], list[str]] = {}
    for id, chunk in chunks.items():
        if set(chunk.carried) & set(made):
            left = tuple(name for name in chunk.carried if name not in made)
            together.setdefault(left, []).append(id)
    for marks, some in together.items():
        store.engine.mark(some, marks)


def _note(name: str) -> str:
    return f"carried:{name}"
