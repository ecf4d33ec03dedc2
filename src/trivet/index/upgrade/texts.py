"""The texts of chunks: from the index, or, where it has none, from the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

from trivet.errors import InvalidInputError
from trivet.store.points import Chunk
from trivet.store.store import Store

# A document's key (its id; in an index with tenants, after the tenant's name and U+001F) → its
# text as it was added, or None.
TextResolver: TypeAlias = Callable[[str], str | None]


def text_of(chunk: Chunk, resolver: TextResolver | None) -> str:
    """The text of a chunk; "" where neither the index nor the caller has it.

    Args:
        chunk: as stored.
        resolver: asked where the index has no text.

    Raises:
        InvalidInputError: the resolver gave back what is no text.
    """
    if chunk.text.strip() or resolver is None:
        return chunk.text.strip() and chunk.text
    whole = whole_text(chunk, resolver)
    start, end = chunk.span
    # A shorter text is not the one that was added: nobody knows where its chunks are.
    return whole[start:end] if len(whole) >= end else ""


def whole_text(chunk: Chunk, resolver: TextResolver) -> str:
    """What the caller has as the text of a chunk's document; "" for none, or a blank one.

    Raises:
        InvalidInputError: the resolver gave back what is no text.
    """
    whole = resolver(chunk.key)
    if whole is None:
        return ""
    if not isinstance(whole, str):
        raise InvalidInputError(
            f"expected text_resolver to return a text or None of {chunk.document!r}, got "
            f"{type(whole).__name__}"
        )
    return whole if whole.strip() else ""


def count_textless(store: Store) -> int:
    """Chunks of which the index holds no text; reads all payloads."""
    return sum(not text_of(chunk, None) for page in store.pages() for chunk in page)


def with_texts(chunks: Iterable[Chunk], resolver: TextResolver | None) -> list[Chunk]:
    """Chunks with their texts; those without are left out."""
    found = [(chunk, text_of(chunk, resolver)) for chunk in chunks]
    return [replace(chunk, text=text) for chunk, text in found if text]
