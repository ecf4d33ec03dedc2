"""An embedder whose vectors somebody else makes: a service, or a model of another library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trivet.embedding.calling import Caller, Clock, batches
from trivet.embedding.embedder import Embedder
from trivet.embedding.policy import CallPolicy
from trivet.embedding.prompted import PromptedEmbedder
from trivet.embedding.prompts import SEARCH, Prompts, Rendered, Role, Task
from trivet.embedding.replies import EmbedCall, complete, read_vectors
from trivet.embedding.resolving import overridden
from trivet.errors import EmbeddingError, InstructionError, InvalidInputError, TextTooLongError
from trivet.query import text_problem
from trivet.types import DenseVectors, Fact, Mode, Representations, Space, Vectors

# The source of an embedder that no name loads again.
WRAPPED = "wrapped:"

# Tokenizers make more of their bytes. That of all-MiniLM-L6-v2, whose vocabulary is English, takes
# 3 to 5.5 bytes a token over sixteen collections of prose and code in five languages; of their
# 16,000 stretches of 1,020 bytes none has more than 512 tokens, the densest (code) 469. The two
# more are the special tokens at both ends.
_BYTES_PER_TOKEN = 2
_SPECIAL_TOKENS = 2


@dataclass(frozen=True, repr=False, eq=False)
class HostedEmbedder(PromptedEmbedder):
    """A foreign model behind calls; it makes a dense leg.

    Attributes:
        name: of the model.
        source: says that it is wrapped.
        recipe: what is known of it.
        spaces: of the dense leg.
        max_tokens: the most tokens of a text.
        prompts: its wordings.
        calls: the call for each role.
        counter: the tokens of a text.
        policy: how it may be called.
        caller: calls it so; shared with embedders that were made of this one.
    """

    name: str
    source: str
    recipe: Mapping[str, Any]
    spaces: Mapping[Mode, Space]
    max_tokens: int
    prompts: Prompts
    calls: Mapping[Role, EmbedCall]
    counter: Callable[[str], int]
    policy: CallPolicy
    caller: Caller

    @property
    def is_loaded(self) -> bool:
        """True: there are no weights here."""
        return True

    def load_weights(self) -> None:
        """Do nothing: there are no weights here."""

    def __repr__(self) -> str:
        return f"Embedder({self.name!r}, modes={list(self.modes)}, wrapped)"

    def _with_spaces(self, spaces: Mapping[Mode, Space]) -> Embedder:
        return replace(self, spaces=spaces)

    def _count(self, texts: Sequence[str]) -> list[int]:
        return [self._tokens(text) for text in texts]

    def _embed(self, texts: Sequence[Rendered], role: Role, truncate: bool) -> Representations:
        fitting = [self._fitting(text, i, truncate) for i, text in enumerate(texts)]
        whole, tokens = [text for text, _ in fitting], [count for _, count in fitting]
        parts = [self._vectors(batch, role) for batch in batches(whole, tokens, self.policy)]
        space = self.spaces["dense"]
        rows = np.concatenate([np.zeros((0, space.dims or 0), dtype=np.float32), *parts])
        return Representations(dense=DenseVectors(space, rows))

    def _vectors(self, texts: list[str], role: Role) -> Vectors:
        count = len(texts)
        # A list of its own for each attempt: the call may change it.
        reply = self.caller.call(lambda: complete(self.calls[role](list(texts)), count))
        return read_vectors(reply, count, self.spaces["dense"].dims or 0, self.name)

    def _fitting(self, text: Rendered, position: int, truncate: bool) -> tuple[str, int]:
        """The text as it is sent, and its tokens."""
        count = self._tokens(text.whole)
        if count <= self.max_tokens:
            return text.whole, count
        if self._tokens(text.before + text.after) >= self.max_tokens:
            raise InstructionError(
                f"expected prompt, instruction, examples and title to leave room for a text in "
                f"{self.max_tokens} tokens of {self.name!r}, got more without it: shorten them"
            )
        if not truncate:
            guessed = self.counter is estimated_tokens
            raise TextTooLongError(
                f"expected texts of at most {self.max_tokens} tokens, got {count} at position "
                f"{position}: split it, or pass truncate=True to cut it"
                + ("; the count is a guess until wrap gets count_tokens=" if guessed else "")
            )
        cut = self._cut(text)
        return cut, self._tokens(cut)

    def _cut(self, text: Rendered) -> str:
        """The longest beginning of a text that fits, with what is written around it."""
        fits, too_long = 0, len(text.text)
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            tokens = self._tokens(replace(text, text=text.text[:middle]).whole)
            fits, too_long = (middle, too_long) if tokens <= self.max_tokens else (fits, middle)
        return replace(text, text=text.text[:fits]).whole

    def _tokens(self, text: str) -> int:
        try:
            count = self.counter(text)
        except Exception as error:  # whatever a foreign tokenizer raises
            raise EmbeddingError(
                f"expected count_tokens of {self.name!r} to count a text of {len(text)} "
                f"characters, got {type(error).__name__} ({error}): correct it, or leave it out"
            ) from error
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 0:
            raise EmbeddingError(
                f"expected count_tokens of {self.name!r} to return a whole number, got {count!r}: "
                "return the number of tokens"
            )
        return int(count)


def wrap_calls(
    *,
    name: str,
    dims: int,
    documents: EmbedCall,
    queries: EmbedCall | None,
    revision: str,
    max_tokens: int,
    count_tokens: Callable[[str], int] | None,
    prompts: Mapping[str, str] | None,
    policy: CallPolicy,
    clock: Clock | None = None,
) -> HostedEmbedder:
    """Make an embedder of calls, as `Embedder.wrap` says; `clock` is for tests."""
    _require_label(name, revision)
    for what, number in (("dims", dims), ("max_tokens", max_tokens)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise InvalidInputError(f"expected {what} of 1 or more, got {number!r}")
    _require_calls(documents=documents, queries=queries, count_tokens=count_tokens)
    if not isinstance(policy, CallPolicy):
        raise InvalidInputError(f"expected a trivet.CallPolicy, got {type(policy).__name__}")
    wordings = overridden(Prompts(name, {SEARCH: Task()}), prompts)
    facts: dict[str, Fact] = {
        "service": name,
        "revision": revision,
        "role_blind": queries is None,
        "document_prompt": wordings.documents().pattern,
        "normalise": True,
    }
    return HostedEmbedder(
        name=name,
        source=WRAPPED + name,
        recipe={"dims": dims, "revision": revision},
        spaces={"dense": Space("dense", name, dims, facts)},
        max_tokens=max_tokens,
        prompts=wordings,
        calls={"document": documents, "query": documents if queries is None else queries},
        counter=estimated_tokens if count_tokens is None else count_tokens,
        policy=policy,
        caller=Caller(name, policy, Clock() if clock is None else clock),
    )


def estimated_tokens(text: str) -> int:
    """More tokens than a text is likely to have, by its bytes."""
    return -(-len(text.encode()) // _BYTES_PER_TOKEN) + _SPECIAL_TOKENS


def _require_label(name: str, revision: str) -> None:
    problem = text_problem(name)
    if problem:
        raise InvalidInputError(f"expected the model's name, {problem}")
    problem = None if revision == "" else text_problem(revision)
    if problem:
        raise InvalidInputError(f'expected the model\'s revision or "", {problem}')


def _require_calls(**calls: object) -> None:
    for name, call in calls.items():
        if not callable(call) and (name == "documents" or call is not None):
            raise InvalidInputError(
                f"expected {name} to be a function, got {type(call).__name__}: of a model of "
                "another library, give its method (documents=model.embed_documents)"
            )
