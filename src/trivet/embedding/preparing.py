"""A text becomes the tokens that the model reads: marker, text, filling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trivet.embedding.prompts import Rendered, Role
from trivet.embedding.spec import EncoderSpec, Expansion
from trivet.embedding.tokenizing import TextTokenizer, TokenisedText


def prepare(
    spec: EncoderSpec,
    tokenizer: TextTokenizer,
    texts: Sequence[Rendered],
    role: Role,
    *,
    truncate: bool,
) -> list[TokenisedText]:
    """Tokenise texts for one role.

    Args:
        spec: the checkpoint.
        tokenizer: its tokenizer.
        texts: n texts, each with what is written around it.
        role: says which marker, which length and whether they are filled up.
        truncate: whether a text that is too long is cut at its end.

    Raises:
        TextTooLongError: a text is longer than the model reads and `truncate` is False.
        InstructionError: what is written around a text leaves no room for it.
    """
    if spec.chain is not None:
        ids = tokenizer.token_ids(texts, truncate=truncate)
        return [
            TokenisedText(row, len(row), source=text) for row, text in zip(ids, texts, strict=True)
        ]
    markers = marker_ids(spec, role)
    limit = _limit(spec, role)
    ids = tokenizer.token_ids(texts, truncate=truncate, limit=limit, room=len(markers))
    if markers:
        first, _ = tokenizer.special_ends
        ids = [row[:first] + markers + row[first:] for row in ids]
    expansion = None if spec.multi is None or role != "query" else spec.multi.expansion
    skips = [0 if spec.include_prompt else _skip(tokenizer, text, len(markers)) for text in texts]
    return [_filled(row, skip, expansion) for row, skip in zip(ids, skips, strict=True)]


def marker_ids(spec: EncoderSpec, role: Role) -> list[int]:
    """The token that stands before every text of a role, if there is one."""
    markers = {} if spec.multi is None else spec.multi.markers
    return [markers[role]] if role in markers else []


def kept_tokens(
    spec: EncoderSpec,
    texts: Sequence[TokenisedText],
    width: int,
    *,
    role: Role,
    ends: tuple[int, int],
) -> NDArray[np.bool_]:
    """Which tokens of a batch have a vector in the multi-vector leg.

    Args:
        spec: a checkpoint with that leg.
        texts: the n texts of the batch.
        width: tokens of the longest.
        role: of the texts.
        ends: special tokens before and behind every text.

    Returns:
        (n, width).
    """
    head = spec.multi
    assert head is not None  # says the docstring
    before, behind = ends if head.kept == "text" else (int(head.kept == "after_first"), 0)
    kept = np.zeros((len(texts), width), dtype=bool)
    skipped = head.skipped_ids if role in head.skipping else ()
    for row, text in enumerate(texts):
        stop = len(text.ids) - behind
        kept[row, max(before, text.skip) : stop] = True
        if skipped:
            kept[row, : len(text.ids)] &= ~np.isin(text.ids, skipped)
    return kept


def _limit(spec: EncoderSpec, role: Role) -> int:
    if role == "query" and spec.query_tokens is not None:
        return spec.query_tokens
    return spec.max_tokens


def _skip(tokenizer: TextTokenizer, text: Rendered, markers: int) -> int:
    tokens = tokenizer.prompt_tokens(text)
    return tokens + markers if tokens else 0


def _filled(ids: list[int], skip: int, expansion: Expansion | None) -> TokenisedText:
    missing = 0 if expansion is None else expansion.length - len(ids)
    if expansion is None or missing <= 0:
        return TokenisedText(ids, len(ids), skip)
    filled = ids + [expansion.token_id] * missing
    return TokenisedText(filled, len(filled) if expansion.attend else len(ids), skip)
