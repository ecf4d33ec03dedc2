"""Documents cut into chunks that the model reads whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from semantic_text_splitter import TextSplitter

from trivet.embedding import Embedder
from trivet.errors import TextTooLongError
from trivet.index.documents import CheckedDocument

# The share of a chunk's tokens that must be left to the text beside its title.
MIN_TEXT_SHARE = 0.5
# Characters that are cut into pieces at a time, and where such a stretch ends by preference.
MAX_STRETCH = 8_000
STRETCH_ENDS = ("\n\n", "\n", ". ", "\u3002", " ")


@dataclass(frozen=True)
class Piece:
    """A piece of a document: its character offsets, and the text that is embedded for it."""

    span: tuple[int, int]
    embedded: str


class Chunker:
    """Cuts documents at sentence, paragraph and word boundaries into chunks of so many tokens.

    The pieces of a document, joined, are its text to the last character; the document's title
    stands before each piece when it is embedded.

    Args:
        embedder: whose tokens are counted.
        chunk_tokens: the most tokens of a chunk, markers, prompt and title included.
    """

    def __init__(self, embedder: Embedder, chunk_tokens: int) -> None:
        self._embedder = embedder
        self._chunk_tokens = chunk_tokens
        self._splitter = lru_cache(maxsize=64)(self._make_splitter)

    def cut(self, documents: Sequence[CheckedDocument]) -> list[list[Piece] | TextTooLongError]:
        """The pieces of each document, or why one cannot be cut."""
        whole = [embedded_text(document.title, document.text) for document in documents]
        counts = self._embedder.count_tokens(whole)
        return [
            [Piece((0, len(document.text)), text)]
            if count <= self._chunk_tokens
            else self._cut_long(document)
            for document, text, count in zip(documents, whole, counts, strict=True)
        ]

    def _cut_long(self, document: CheckedDocument) -> list[Piece] | TextTooLongError:
        empty, titled = self._embedder.count_tokens(["", embedded_text(document.title, "")])
        room = self._chunk_tokens - titled
        if room < (self._chunk_tokens - empty) * MIN_TEXT_SHARE:
            return TextTooLongError(
                f"document {document.id!r}: expected a title of at most "
                f"{int((self._chunk_tokens - empty) * MIN_TEXT_SHARE)} tokens, got "
                f"{titled - empty}: shorten it, or put it at the head of the text"
            )
        while room > 0:
            pieces = [
                Piece((start, start + len(text)), embedded_text(document.title, text))
                for start, text in self._split(document.text, room)
            ]
            pieces = _joined_blanks(document, pieces)
            longest = max(self._embedder.count_tokens([piece.embedded for piece in pieces]))
            if longest <= self._chunk_tokens:
                return pieces
            # Tokens can merge differently where title and text meet: cut a little shorter.
            room -= longest - self._chunk_tokens
        return TextTooLongError(
            f"document {document.id!r}: expected a text that can be cut into chunks of "
            f"{self._chunk_tokens} tokens, got one with a single character of more: "
            "make an index with larger chunk_tokens"
        )

    def _split(self, text: str, room: int) -> Iterator[tuple[int, str]]:
        """Offset and text of each piece.

        The splitter's time grows with the square of a sentence, so it is given a stretch of the
        text at a time.
        """
        splitter = self._splitter(room)
        for begin, end in _stretches(text):
            for start, piece in splitter.chunk_indices(text[begin:end]):
                yield begin + start, piece

    def _make_splitter(self, room: int) -> TextSplitter:
        tokenizer = self._embedder.tokenizer
        try:
            return TextSplitter.from_huggingface_tokenizer(tokenizer, room, trim=False)
        except Exception:  # noqa: BLE001 - the splitter's own, of a tokenizer with parts in Python

            def count(text: str) -> int:
                return len(tokenizer.encode(text, add_special_tokens=False).ids)

            return TextSplitter.from_callback(count, room, trim=False)


def _stretches(text: str) -> Iterator[tuple[int, int]]:
    """Cut a text where a line, a sentence or a word ends, if one does, into bounded stretches."""
    begin = 0
    while len(text) - begin > MAX_STRETCH:
        found = (text.rfind(mark, begin + 1, begin + MAX_STRETCH) for mark in STRETCH_ENDS)
        at = next((position for position in found if position > begin), None)
        end = begin + MAX_STRETCH if at is None else at + 1
        yield begin, end
        begin = end
    yield begin, len(text)


def embedded_text(title: str, text: str) -> str:
    """The text that is embedded for a piece: its document's title before its text."""
    return f"{title} {text}" if title else text


def _joined_blanks(document: CheckedDocument, pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces of white space alone join the piece before them (or, at the head, the one after)."""
    spans: list[tuple[int, int]] = []
    head = 0
    for piece in pieces:
        start, end = piece.span
        if document.text[start:end].strip():
            spans.append((head, end))
            head = end
        elif spans:
            spans[-1] = (spans[-1][0], end)
            head = end
    return [
        Piece(span, embedded_text(document.title, document.text[slice(*span)])) for span in spans
    ]
