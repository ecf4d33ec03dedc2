"""How many tokens a text has for a language model, by whatever can tell."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Protocol, TypeAlias, runtime_checkable

from trivet.errors import InvalidInputError, VocabularyError

_ALTERNATIVES = (
    "where it cannot be fetched, keep its file in the folder that TIKTOKEN_CACHE_DIR names, or "
    "pass as encoding= what counts in its place: a tokenizer with encode(), or a function from a "
    "text to its number of tokens or their ids (a chat model's get_num_tokens, or "
    "lambda text: len(text.encode()), which is never too few)"
)


@runtime_checkable
class Tokenizer(Protocol):
    """What turns a text into tokens: of tiktoken, tokenizers, transformers and others."""

    def encode(self, text: str, /) -> Sized:
        """The tokens of a text."""


CountTokens: TypeAlias = Callable[[str], int]
Encoding: TypeAlias = "str | Tokenizer | Callable[[str], int | Sized]"


def token_counter(encoding: Encoding) -> CountTokens:
    """What counts the tokens of a text.

    Args:
        encoding: the name of an encoding of tiktoken, which fetches its vocabulary when it is
            first needed; or a tokenizer; or a function to the number of tokens or to the tokens.

    Raises:
        InvalidInputError: no such encoding, or nothing that counts.
        VocabularyError: the vocabulary cannot be had; the message names the ways out.
    """
    if isinstance(encoding, str):
        return _tiktoken_counter(encoding)
    # Of tiktoken's own tokenizers: the names of special tokens in a text are plain text.
    tokens = getattr(encoding, "encode_ordinary", getattr(encoding, "encode", encoding))
    if not callable(tokens):
        raise InvalidInputError(
            f"expected encoding to be a name, a tokenizer or a function, got {encoding!r}"
        )

    def count(text: str) -> int:
        found = tokens(text)
        number = len(found) if isinstance(found, Sized) else found
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise InvalidInputError(
                "expected encoding to give tokens or their number, got "
                f"{type(found).__name__}: return a list of ids, or a whole number"
            )
        return number

    return count


def _tiktoken_counter(name: str) -> CountTokens:
    # A door: vocabularies are large, and other tokenizers do without tiktoken.
    import tiktoken

    known = tiktoken.list_encoding_names()
    if name not in known:
        raise InvalidInputError(
            f"expected an encoding out of {', '.join(known)}, got {name!r}; {_ALTERNATIVES}"
        )
    try:
        encoding = tiktoken.get_encoding(name)
    except Exception as error:  # whatever comes of a download, and of a damaged file
        raise VocabularyError(
            f"expected tiktoken's vocabulary of {name!r}, got {type(error).__name__} ({error}); "
            f"{_ALTERNATIVES}"
        ) from error
    return lambda text: len(encoding.encode_ordinary(text))
