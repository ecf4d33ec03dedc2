"""The settings of an index and of a connection to a server, and the choices for BM25."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from trivet.errors import InvalidInputError
from trivet.languages import AUTO, LANGUAGES, NO_LANGUAGE


class Settings(BaseModel):
    """Choices for an index; the defaults are what we would use ourselves.

    `chunk_tokens` is fixed when the index is made and stored with it; opening it with another
    value raises `SettingsMismatchError`. The others may differ from one opening to the next.

    Attributes:
        chunk_tokens: the most tokens of a chunk, markers and title included; None = as many as
            the model reads.
        depth: candidates that each leg of a search brings where no plan says (more if k asks for
            more); None = 30 beside token vectors, else 100.
        tokens: how token vectors are stored: "compact" takes 64 bytes each, "full" is as the model
            makes them; None = as stored, for a new index "compact". Fixed like `chunk_tokens`.
        batch_chunks: chunks that are embedded, written and committed together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chunk_tokens: int | None = Field(default=None, ge=16)
    tokens: Literal["compact", "full"] | None = None
    depth: int | None = Field(default=None, ge=1, le=10_000)
    batch_chunks: int = Field(default=256, ge=1, le=4096)


class ServerSettings(BaseModel):
    """How to reach a Qdrant server, and how it keeps a new index.

    `shards`, `replication` and `write_consistency` are fixed when the index is made and ignored
    when it is opened. None = as the server does by default.

    Attributes:
        api_key: sent with every request; never shown. It is refused over plain http to another
            host than this one.
        allow_insecure: send the key over plain http all the same.
        timeout_s: how long one request may take, in whole seconds (rounded up).
        grpc: speak gRPC, which is faster for large batches.
        grpc_port: where gRPC listens.
        shards: parts that the index is split into.
        replication: copies of each part.
        write_consistency: copies that must hold a write before it counts; None = more than half
            of them, where `replication` is given.
        consistency: copies that must agree on what a search reads.
        retry_attempts: times that a request is sent before it has failed for good.
        retry_s: how long that may go on for one request. Other machines leave the documents that
            a dead one was writing alone for four times this and `timeout_s`.
        snapshots_url: the folder of the server's snapshots, as the server itself names it; it is
            read from there when one is restored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: SecretStr | None = None
    allow_insecure: bool = False
    timeout_s: float = Field(default=10.0, gt=0, le=3600)
    grpc: bool = False
    grpc_port: int = Field(default=6334, ge=1, le=65535)
    shards: int | None = Field(default=None, ge=1)
    replication: int | None = Field(default=None, ge=1)
    write_consistency: int | None = Field(default=None, ge=1)
    consistency: int | Literal["majority", "quorum", "all"] | None = None
    retry_attempts: int = Field(default=10, ge=1)
    retry_s: float = Field(default=60.0, ge=0, le=3600)
    snapshots_url: str = "file:///qdrant/snapshots"


@dataclass(frozen=True)
class Lexical:
    """Choices for the BM25 leg of an index, fixed when it is made and stored with it.

    Attributes:
        language: ISO 639-1 code of the language that words are cut, stopped and stemmed in, such
            as "de"; "auto" = that of the documents, decided on the first of them; "none" = no
            stop words and no stems.
        k: how slowly repeated words saturate, 0 to 1000.
        b: how much long documents are held back, 0 to 1.
        stop_words: words that do not count; None = the language's own. They are compared in
            lower case, before words are stemmed.

    Raises:
        InvalidInputError: a value that BM25 cannot use; an unknown language.
    """

    language: str = AUTO
    k: float = 1.2
    b: float = 0.75
    stop_words: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        known = (AUTO, NO_LANGUAGE, *LANGUAGES)
        if self.language not in known:
            raise InvalidInputError(
                f"expected a language out of {', '.join(known)}, got {self.language!r}: for one "
                f'that is not among them, use "{NO_LANGUAGE}"'
            )
        object.__setattr__(self, "k", _number("k", self.k, 1000.0))
        object.__setattr__(self, "b", _number("b", self.b, 1.0))
        if self.stop_words is not None:
            object.__setattr__(self, "stop_words", _words(self.stop_words))


def _number(name: str, value: object, most: float) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
        if 0 <= number <= most:
            return number
    raise InvalidInputError(f"expected {name} to be a number from 0 to {most:g}, got {value!r}")


def _words(words: object) -> tuple[str, ...]:
    """The words sorted, each once: equal sets of them are equal choices."""
    listed = [] if isinstance(words, str) or not isinstance(words, Iterable) else list(words)
    strange = [word for word in listed if not isinstance(word, str) or len(word.split()) != 1]
    if strange or isinstance(words, str) or not isinstance(words, Iterable):
        came = strange[0] if strange else words
        raise InvalidInputError(
            f'expected stop_words to be single words, such as ("der", "die"), got {came!r}: give '
            "a tuple of them, or () for none"
        )
    return tuple(sorted({word.lower() for word in listed}))
