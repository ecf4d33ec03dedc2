"""Where the title of a document goes: to the model's own place for it, or before the text."""

from __future__ import annotations

from collections.abc import Sequence

from trivet.embedding import Embedder
from trivet.types import Representations


def embed_titled(
    embedder: Embedder, titled: Sequence[tuple[str, str]], *, truncate: bool = False
) -> Representations:
    """Embed titled texts; `truncate` and errors as in `Embedder.embed_documents`."""
    texts, titles = _written(embedder, titled)
    return embedder.embed_documents(texts, titles=titles, truncate=truncate)


def count_titled(embedder: Embedder, titled: Sequence[tuple[str, str]]) -> list[int]:
    """The tokens of titled texts, all that is written around them included."""
    texts, titles = _written(embedder, titled)
    return embedder.count_tokens(texts, titles=titles)


def _written(
    embedder: Embedder, titled: Sequence[tuple[str, str]]
) -> tuple[list[str], list[str] | None]:
    if embedder.takes_titles:
        return [text for _, text in titled], [title for title, _ in titled]
    return [f"{title} {text}" if title else text for title, text in titled], None
