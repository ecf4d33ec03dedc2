"""Where in a text each of its token vectors comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from trivet.embedding.checkpoint import CheckpointEmbedder
from trivet.embedding.composed import ComposedEmbedder
from trivet.embedding.embedder import Embedder
from trivet.embedding.preparing import kept_tokens, marker_ids, prepare
from trivet.embedding.prompts import Rendered, Role
from trivet.query import Query

Offsets: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class TokenSpan:
    """What a token vector stands for.

    Attributes:
        text: the token as its text has it, or as its tokenizer names it.
        span: character offsets in the text; None for a token that is none of the text's own: of a
            prompt or a title, or what fills up a query.
    """

    text: str
    span: Offsets | None


def query_token_spans(embedder: Embedder, query: Query) -> list[TokenSpan] | None:
    """What each multi-vector of a query stands for; None where that cannot be told."""
    maker = _maker(embedder)
    if maker is None:
        return None
    rendered = maker.prompts.query(query)
    return _spans(maker, rendered, "query", len(rendered.before))


def document_token_spans(embedder: Embedder, text: str, title: str) -> list[TokenSpan] | None:
    """What each multi-vector of a document stands for; None where that cannot be told.

    Args:
        embedder: with a multi-vector leg.
        text: of the document.
        title: its, "" for none: it goes where the model has a place for it, else before the text.
    """
    maker = _maker(embedder)
    if maker is None:
        return None
    head = f"{title} " if title and not maker.takes_titles else ""
    rendered = maker.prompts.document(head + text, title if maker.takes_titles else "")
    return _spans(maker, rendered, "document", len(rendered.before) + len(head))


def vocabulary_entry(embedder: Embedder, entry: int) -> str | None:
    """The token of a learned sparse leg's index; None where that cannot be told."""
    while isinstance(embedder, ComposedEmbedder):
        embedder = embedder.parts["sparse"]
    if not isinstance(embedder, CheckpointEmbedder):
        return None
    return embedder.text_tokenizer.tokenizer.id_to_token(entry)


def _maker(embedder: Embedder) -> CheckpointEmbedder | None:
    """Who makes the token vectors, if it cuts texts into tokens itself."""
    while isinstance(embedder, ComposedEmbedder):
        embedder = embedder.parts["multi"]
    is_known = isinstance(embedder, CheckpointEmbedder) and embedder.spec.multi is not None
    return embedder if is_known else None  # type: ignore[return-value]


def _spans(
    embedder: CheckpointEmbedder, text: Rendered, role: Role, begin: int
) -> list[TokenSpan] | None:
    """The tokens that have a vector; `begin` is where the caller's text begins in the whole."""
    spec = embedder.spec
    assert spec.multi is not None  # see `_maker`
    pooling = spec.multi.pooling
    if spec.chain is not None or (pooling is not None and role in pooling.roles):
        return None  # a vector of several tokens
    tokenizer = embedder.query_tokenizer if role == "query" else embedder.text_tokenizer
    [prepared] = prepare(spec, tokenizer, [text], role, truncate=False)
    encoding = tokenizer.tokenizer.encode(text.whole)
    markers = len(marker_ids(spec, role))
    first = tokenizer.special_ends[0] if markers else 0
    places: list[Offsets] = [
        (0, 0) if special else place
        for place, special in zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
    ]
    places = places[:first] + [(0, 0)] * markers + places[first:]
    places += [(0, 0)] * (len(prepared.ids) - len(places))  # what fills up a query
    ends = tokenizer.special_ends
    [kept] = kept_tokens(spec, [prepared], len(prepared.ids), role=role, ends=ends)
    end = len(text.before) + len(text.text)
    spans = []
    for id, (start, stop), stays in zip(prepared.ids, places, kept, strict=True):
        if stays:
            own = (start - begin, stop - begin) if begin <= start < stop <= end else None
            name = text.whole[start:stop] or tokenizer.tokenizer.id_to_token(id)
            spans.append(TokenSpan(name or str(id), own))
    return spans
