"""What is written around a text before the model reads it, as values that render exact strings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from trivet.errors import InstructionError, SpaceMismatchError, UnknownTaskError
from trivet.query import Example, Query

Role: TypeAlias = Literal["query", "document"]

SEARCH = "search"
_TEXT = "{text}"
_SLOT = re.compile(r"\{(instruction|title|query|response)\}")
# Wordings published with E5-mistral and taken over by the instruction models after it, for tasks
# that a model has a place for an instruction, but no words of its own.
_INSTRUCTIONS = {
    SEARCH: "Given a web search query, retrieve relevant passages that answer the query",
    "qa": "Given a question, retrieve Wikipedia passages that answer the question",
    "fact-check": "Given a claim, retrieve documents that support or refute the claim",
}


@dataclass(frozen=True)
class Rendered:
    """A text with what is written around it; only `text` may be cut."""

    before: str
    text: str
    after: str = ""

    @property
    def whole(self) -> str:
        """What the model reads."""
        return self.before + self.text + self.after


@dataclass(frozen=True)
class Template:
    """What is written around the texts of one side.

    Attributes:
        prefix: before the text; "{instruction}" and "{title}" in it are filled in.
        suffix: behind it.
        instruction: what fills "{instruction}" where the caller says nothing.
        title: what fills "{title}" for a text without one.
    """

    prefix: str = ""
    suffix: str = ""
    instruction: str = ""
    title: str = "none"

    @property
    def takes_instruction(self) -> bool:
        """Whether there is a place for an instruction."""
        return "{instruction}" in self.prefix

    @property
    def takes_title(self) -> bool:
        """Whether there is a place for a title."""
        return "{title}" in self.prefix

    @property
    def pattern(self) -> str:
        """The exact wording, with the places of title and text; empty where nothing is written."""
        prefix = _filled(self.prefix, instruction=self.instruction)
        title = f" title={self.title}" if self.takes_title else ""
        return prefix + (_TEXT + self.suffix if self.suffix else "") + title

    def render(self, text: str, *, instruction: str | None = None, title: str = "") -> Rendered:
        """Write the wording around a text."""
        before = _filled(
            self.prefix,
            instruction=self.instruction if instruction is None else instruction,
            title=title.strip() or self.title,
        )
        return Rendered(before, text, self.suffix)


@dataclass(frozen=True)
class Task:
    """The wordings of one task: of what asks, and of what is to be found."""

    query: Template = Template()
    document: Template = Template()


@dataclass(frozen=True)
class FewShot:
    """How a model is shown examples before the query.

    Attributes:
        example: one of them, with "{instruction}", "{query}" and "{response}".
        separator: behind each.
    """

    example: str
    separator: str = "\n\n"

    def render(self, examples: Sequence[Example], instruction: str) -> str:
        """All examples, each with its separator."""
        return "".join(
            _filled(
                self.example,
                instruction=instruction if example.instruction is None else example.instruction,
                query=example.query,
                response=example.response,
            )
            + self.separator
            for example in examples
        )


@dataclass(frozen=True)
class Prompts:
    """All wordings of a model, and the task that its documents are written for.

    Attributes:
        model: how people call the model.
        tasks: by name.
        task: the one of the documents, and of queries that name none.
        few_shot: how examples are shown; None = not at all.

    Raises:
        UnknownTaskError: `task` has no wording.
    """

    model: str
    tasks: Mapping[str, Task]
    task: str = SEARCH
    few_shot: FewShot | None = None

    def __post_init__(self) -> None:
        if self.task not in self.tasks:
            raise self._unknown(self.task)

    def documents(self) -> Template:
        """The wording of documents."""
        return self.tasks[self.task].document

    def document(self, text: str, title: str = "") -> Rendered:
        """A document as the model reads it.

        Raises:
            InstructionError: a title, and no place for it.
        """
        template = self.documents()
        if title.strip() and not template.takes_title:
            raise InstructionError(
                f"expected no title for {self.model!r}, which has no place for one: write it "
                "into the text"
            )
        return template.render(text, title=title)

    def query(self, query: Query | str) -> Rendered:
        """A query as the model reads it.

        Raises:
            UnknownTaskError: the model has no wording for the query's task.
            SpaceMismatchError: the documents are written for a task of another wording.
            InstructionError: an instruction or examples, and no place for them.
        """
        asked = Query(query) if isinstance(query, str) else query
        template = self._query_template(asked)
        if asked.instruction is not None and not template.takes_instruction:
            raise InstructionError(
                f"expected no instruction for {self.model!r}, which has no place for one, got "
                f"{asked.instruction!r}: leave it out, or write it into the text"
            )
        rendered = template.render(asked.text, instruction=asked.instruction)
        if not asked.examples:
            return rendered
        if self.few_shot is None:
            raise InstructionError(
                f"expected no examples for {self.model!r}, which has no format for them, got "
                f"{len(asked.examples)}: leave them out"
            )
        instruction = template.instruction if asked.instruction is None else asked.instruction
        shown = self.few_shot.render(asked.examples, instruction)
        return replace(rendered, before=shown + rendered.before)

    def _query_template(self, asked: Query) -> Template:
        name = self.task if asked.task is None else asked.task
        if name not in self.tasks:
            default = self.tasks[self.task].query
            if not default.takes_instruction or name not in _INSTRUCTIONS:
                raise self._unknown(name)
            return _instructed(default, name)
        wanted, written = self.tasks[name].document.pattern, self.documents().pattern
        if wanted != written:
            raise SpaceMismatchError(
                f"the documents are written for the task {self.task!r} ({written!r}), got a query "
                f"for {name!r}, whose documents are written {wanted!r}: ask with "
                f"task={self.task!r}, or load the model with task={name!r} and index anew"
            )
        return self.tasks[name].query

    def _unknown(self, name: str) -> UnknownTaskError:
        known = set(self.tasks)
        search = self.tasks.get(SEARCH, Task()).query
        if search.takes_instruction:
            known |= set(_INSTRUCTIONS)
        hint = "; or give an instruction=" if search.takes_instruction else ""
        return UnknownTaskError(
            f"expected a task out of {', '.join(sorted(known))} for {self.model!r}, got "
            f"{name!r}{hint}"
        )


def with_published_task(tasks: Mapping[str, Task], name: str) -> Mapping[str, Task]:
    """The tasks with one more, if it has published words and searching has a place for them."""
    search = tasks.get(SEARCH, Task())
    if name in tasks or name not in _INSTRUCTIONS or not search.query.takes_instruction:
        return tasks
    return {**tasks, name: replace(search, query=_instructed(search.query, name))}


def parse_template(wording: str, *, instruction: str = "", title: str = "none") -> Template:
    """Read a wording such as "query: {text}".

    Raises:
        InstructionError: it does not hold "{text}" once, or a place for something behind it.
    """
    before, found, after = wording.partition(_TEXT)
    if not found or _TEXT in after or _SLOT.search(after):
        raise InstructionError(
            f'expected a wording that holds "{_TEXT}" once and all other places before it, got '
            f"{wording!r}"
        )
    if "{instruction}" in before and not instruction:
        instruction = _INSTRUCTIONS[SEARCH]
    return Template(before, after, instruction, title)


def _instructed(template: Template, task: str) -> Template:
    return replace(template, instruction=_INSTRUCTIONS[task])


def _filled(wording: str, **values: str) -> str:
    """The wording with its places filled at once, so that no value is read as a place."""
    return _SLOT.sub(lambda found: values.get(found[1], found[0]), wording)
