"""What the caller asks, and what makes a text one that can be asked or stored."""

from __future__ import annotations

from dataclasses import dataclass

from trivet.errors import InvalidQueryError


@dataclass(frozen=True)
class Example:
    """One that a model is shown before a query, where it has a format for examples.

    Attributes:
        query: a question.
        response: what it should find.
        instruction: what was asked for; None = as in the query that it stands before.

    Raises:
        InvalidQueryError: a text of it is no text, blank, or holds NUL or lone surrogates.
    """

    query: str
    response: str
    instruction: str | None = None

    def __post_init__(self) -> None:
        texts = {"query": self.query, "response": self.response, "instruction": self.instruction}
        for name, text in texts.items():
            problem = None if text is None and name == "instruction" else text_problem(text)
            if problem:
                raise InvalidQueryError(f"expected an example with a {name}, {problem}")


@dataclass(frozen=True)
class Query:
    """What the caller asks.

    Attributes:
        text: the question, not blank.
        task: what for, such as "search" or "tool": chooses the model's wording; None = what the
            embedder was loaded for.
        instruction: what to look for in words of one's own, where the model has a place for it.
        examples: shown to the model before the text, where it has a format for them.

    Raises:
        InvalidQueryError: a text is no text, blank, or holds NUL or lone surrogates.
    """

    text: str
    task: str | None = None
    instruction: str | None = None
    examples: tuple[Example, ...] = ()

    def __post_init__(self) -> None:
        texts = {"text": self.text, "task": self.task, "instruction": self.instruction}
        for name, text in texts.items():
            problem = None if text is None and name != "text" else text_problem(text)
            if problem:
                raise InvalidQueryError(f"expected a query with {name} in it, {problem}")
        wrong = [example for example in self.examples if not isinstance(example, Example)]
        if wrong or isinstance(self.examples, str):
            raise InvalidQueryError(f"expected examples to be trivet.Example, got {wrong[:1]!r}")
        object.__setattr__(self, "examples", tuple(self.examples))


def text_problem(text: object) -> str | None:
    """Why something is no text to embed ("got …"), or None if it is one."""
    if not isinstance(text, str):
        came = f"got {type(text).__name__} ({str(text)[:40]!r})"
        one_by_one = text is None or isinstance(text, (list, tuple, set, dict))
        return f"{came}: give one text" if one_by_one else f"{came}: convert it to str first"
    if not text.strip():
        return "got an empty or blank text: leave it out"
    if "\x00" in text:
        return f"got a NUL character at offset {text.index(chr(0))}: remove it"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return (
            f"got a lone surrogate at offset {error.start}, which is no Unicode text: "
            'decode the source with errors="replace"'
        )
    return None
