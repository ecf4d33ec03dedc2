"""Hits packed into the token budget of a language model, each passage once and with its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from trivet.errors import InvalidInputError
from trivet.fencing import Fence, fence_for
from trivet.token_counting import CountTokens, Encoding, token_counter
from trivet.types import Hit


@dataclass(frozen=True)
class Citation:
    """A passage of the packed text.

    Attributes:
        number: by which the text names it, from 1.
        id: of its document.
        text: the passage, exactly `document.text[span[0]:span[1]]`.
        span: character offsets in the document's text.
        score: the best of its hits'.
        metadata: the document's.
        hits: ids of the hits that it was made of.
    """

    number: int
    id: str
    text: str
    span: tuple[int, int]
    score: float
    metadata: dict[str, Any]
    hits: tuple[str, ...]


@dataclass(frozen=True)
class Packed:
    """Hits as a language model reads them.

    Attributes:
        text: the passages in the order of their best hits, each fenced as data and numbered; ""
            if there are none.
        citations: its passages, in the same order.
        tokens: of `text`.
        dropped: hits that there was no room for, best first.
    """

    text: str
    citations: tuple[Citation, ...]
    tokens: int
    dropped: tuple[Hit, ...]


def pack(hits: Sequence[Hit], max_tokens: int, encoding: Encoding = "o200k_base") -> Packed:
    """Fill a language model's budget of tokens with hits.

    Hits of one document that overlap or touch become one passage, in which no character is there
    twice. The best hits come first; one that does not fit whole is dropped, and the next is tried.
    Where even the best does not fit, as much of its beginning as fits is kept.

    Args:
        hits: best first, as `search` gives them; documents or chunks.
        max_tokens: the most tokens of the text, fences and notice included.
        encoding: of the language model: the name of one of tiktoken's encodings; a tokenizer with
            `encode`; or a function from a text to its number of tokens, or to their ids.

    Raises:
        InvalidInputError: no whole number of tokens, no list of hits, a hit whose span is not
            that of its text, no such encoding.
        VocabularyError: tiktoken cannot fetch its vocabulary.
    """
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 1:
        raise InvalidInputError(
            f"expected max_tokens to be a whole number of 1 or more, got {max_tokens!r}"
        )
    listed = _checked(hits)
    sources = [text for hit in listed for text in (hit.text, hit.document)]
    budget = _Budget(max_tokens, token_counter(encoding), fence_for(sources))
    passages: list[_Passage] = []
    dropped: list[Hit] = []
    for hit in listed:
        wider = _with(passages, _Passage.of(hit))
        if budget.holds(wider):
            passages = wider
        else:
            dropped.append(hit)
    if dropped and not passages:
        passages = budget.beginning(_Passage.of(dropped[0]))
        dropped = dropped[len(passages) :]
    return _packed(passages, budget, dropped)


@dataclass(frozen=True)
class _Passage:
    """What will be one citation: its best hit, what it says, and all hits in it."""

    hit: Hit
    text: str
    span: tuple[int, int]
    ids: tuple[str, ...]

    @classmethod
    def of(cls, hit: Hit) -> _Passage:
        return cls(hit, hit.text, hit.span, (hit.id,))

    def touches(self, other: _Passage) -> bool:
        same = (self.hit.tenant, self.hit.document) == (other.hit.tenant, other.hit.document)
        return same and self.span[0] <= other.span[1] and other.span[0] <= self.span[1]

    def joined(self, other: _Passage) -> _Passage:
        """Both as one, which ranks as this one does."""
        first, second = sorted((self, other), key=lambda passage: passage.span)
        beyond = max(0, second.span[1] - first.span[1])
        text = first.text + second.text[len(second.text) - beyond :]
        span = (first.span[0], first.span[0] + len(text))
        ids = tuple(dict.fromkeys(self.ids + other.ids))
        return replace(self, text=text, span=span, ids=ids)


@dataclass(frozen=True)
class _Budget:
    max_tokens: int
    count: CountTokens
    fence: Fence

    def text(self, passages: Sequence[_Passage]) -> str:
        fenced = [
            self.fence.around(passage.text, number=number, source=passage.hit.document)
            for number, passage in enumerate(passages, 1)
        ]
        return "\n".join([self.fence.notice, *fenced]) if fenced else ""

    def tokens(self, text: str) -> int:
        # Nothing is sent for nothing; a tokenizer may count markers of its own even there.
        return self.count(text) if text else 0

    def holds(self, passages: Sequence[_Passage]) -> bool:
        return self.tokens(self.text(passages)) <= self.max_tokens

    def beginning(self, passage: _Passage) -> list[_Passage]:
        """As much of a passage as fits, up to the end of a word; nothing if that is nothing."""
        fits, too_long = 0, len(passage.text)
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            is_within = self.holds([_cut(passage, middle)])
            fits, too_long = (middle, too_long) if is_within else (fits, middle)
        for end in dict.fromkeys((_word_end(passage.text, fits), fits)):
            shorter = [_cut(passage, end)]
            if shorter[0].text.strip() and self.holds(shorter):
                return shorter
        return []


def _checked(hits: object) -> list[Hit]:
    if isinstance(hits, Hit) or not isinstance(hits, Sequence) or isinstance(hits, str):
        raise InvalidInputError(f"expected a list of hits, got {type(hits).__name__}")
    for hit in hits:
        if not isinstance(hit, Hit):
            raise InvalidInputError(f"expected hits, got {type(hit).__name__} among them")
        if hit.span[1] - hit.span[0] != len(hit.text):
            raise InvalidInputError(
                f"expected a hit whose span is as long as its text ({len(hit.text)}), got "
                f"{hit.span} of {hit.id!r}"
            )
    return list(hits)


def _with(passages: Sequence[_Passage], new: _Passage) -> list[_Passage]:
    """The passages with one more; all that it touches become one, in the place of the first."""
    touched = [passage for passage in passages if passage.touches(new)]
    if not touched:
        return [*passages, new]
    whole = touched[0].joined(new)
    for passage in touched[1:]:
        whole = whole.joined(passage)
    return [whole if p is touched[0] else p for p in passages if p not in touched[1:]]


def _cut(passage: _Passage, length: int) -> _Passage:
    start = passage.span[0]
    return replace(passage, text=passage.text[:length], span=(start, start + length))


def _word_end(text: str, most: int) -> int:
    """Where the last whole word of the first characters ends; all of them if there is none."""
    return next((at for at in range(most, 0, -1) if text[at : at + 1].isspace()), most)


def _packed(passages: Sequence[_Passage], budget: _Budget, dropped: Sequence[Hit]) -> Packed:
    text = budget.text(passages)
    citations = tuple(
        Citation(
            number=number,
            id=passage.hit.document,
            text=passage.text,
            span=passage.span,
            score=passage.hit.score,
            metadata=dict(passage.hit.metadata),
            hits=passage.ids,
        )
        for number, passage in enumerate(passages, 1)
    )
    return Packed(text, citations, budget.tokens(text), tuple(dropped))
