"""Explanations: why a document has its score, as values that can be read and shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from trivet.types import Mode

Offsets: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class TermMatch:
    """A term that query and chunk share.

    Attributes:
        term: the query's word; of a learned leg, the model's token.
        score: what it adds to the sparse leg's score.
    """

    term: str
    score: float


@dataclass(frozen=True)
class TokenMatch:
    """A token of the query and the chunk's token that is most like it.

    Attributes:
        query_token: as the query has it.
        document_token: as the chunk has it.
        cosine: of their vectors as they are stored.
        span: character offsets of the chunk's token in the chunk's text; None for one that is not
            the text's own, such as of its title, and for vectors that stand for several tokens.
            A character that a tokenizer cuts into several tokens is the span of each.
    """

    query_token: str
    document_token: str
    cosine: float
    span: Offsets | None


@dataclass(frozen=True)
class LegShare:
    """One leg's part in a score.

    Attributes:
        mode: the leg.
        score: its own: cosine, BM25 or mean MaxSim; None if the leg did not find the chunk.
        contribution: what it adds to the plan's score.
        rank: in the leg's own list, from 1, where the plan fuses ranks or lists.
        terms: of the sparse leg, the largest first; their scores add up to the leg's. Those of
            kept thoughts are among them.
        tokens: of the multi-vector leg, one for each token of the query, in its order; without
            thoughts, the mean of their cosines is the leg's score.
    """

    mode: Mode
    score: float | None
    contribution: float
    rank: int | None = None
    terms: tuple[TermMatch, ...] = ()
    tokens: tuple[TokenMatch, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """Why a document has its score for a query.

    `str()` of it is readable text; a notebook shows it as HTML.

    Attributes:
        query: its text.
        id: of the document.
        text: the chunk that was scored: the document's best.
        span: character offsets of that chunk in the document's text.
        score: as the search gives it, or would if each of its candidates came back; 0 if the plan
            does not find the document.
        legs: the parts that the score is the sum of.
        plan: how the plan makes one score of them, in words.
        is_candidate: whether the chunk is among those that the plan ranks for so many hits. If not,
            `score` is what it would have: a search gives all candidates first, whatever theirs.
    """

    query: str
    id: str
    text: str
    span: Offsets
    score: float
    legs: tuple[LegShare, ...]
    plan: str
    is_candidate: bool

    def leg(self, mode: Mode) -> LegShare | None:
        """The part of a leg; None if the plan does not ask it, or the query has none."""
        return next((share for share in self.legs if share.mode == mode), None)

    def __str__(self) -> str:
        from trivet.index.explanation_views import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from trivet.index.explanation_views import as_html

        return as_html(self)
