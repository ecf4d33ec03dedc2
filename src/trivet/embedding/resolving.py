"""Whose wording holds: the caller's, a profile's, the checkpoint's own, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trivet.embedding.profile import Profile
from trivet.embedding.prompts import (
    SEARCH,
    Prompts,
    Role,
    Task,
    Template,
    parse_template,
    with_published_task,
)
from trivet.embedding.spec import EncoderSpec
from trivet.embedding.tokenizing import TextTokenizer
from trivet.errors import CheckpointError, InstructionError, InvalidInputError
from trivet.query import text_problem

# The names under which checkpoints keep the prompt of each role, the usual one first.
_NAMES: dict[Role, tuple[str, ...]] = {
    "query": ("query", "retrieval.query", "s2p_query", "search_query"),
    "document": ("document", "passage", "corpus", "retrieval.passage", "search_document"),
}
# Any other name is a task's.
ROLE_NAMES = frozenset(name for names in _NAMES.values() for name in names)
_PROBE = "anchor"


def resolve_prompts(
    model: str,
    spec: EncoderSpec,
    *,
    profile: Profile | None = None,
    override: Mapping[str, str] | None = None,
    task: str | None = None,
) -> Prompts:
    """All wordings of a model.

    Args:
        model: how people call it.
        spec: the checkpoint, with its own prompts.
        profile: goes before the checkpoint.
        override: the caller's wordings of query and document, which go before all.
        task: the one that documents are written for.

    Raises:
        UnknownTaskError: there is no wording for the task.
        InstructionError: an override that is no wording.
        InvalidInputError: an override of something else than query or document, or a task that is
            no name.
    """
    tasks = _declared_tasks(spec) | dict(profile.tasks if profile else {})
    chosen = SEARCH if task is None else task
    if not isinstance(chosen, str):
        raise InvalidInputError(f"expected a task's name, got {chosen!r}: leave it out for search")
    tasks = dict(with_published_task(tasks, chosen))
    prompts = Prompts(model, tasks, chosen, profile.few_shot if profile else None)
    return overridden(prompts, override)


def overridden(prompts: Prompts, override: Mapping[str, str] | None) -> Prompts:
    """The wordings of a model with the caller's own for the task of its documents.

    Args:
        prompts: of the model.
        override: wordings of query and document; None = as they are.

    Raises:
        InstructionError: an override that is no wording.
        InvalidInputError: an override of something else than query or document.
    """
    if override is None:
        return prompts
    if not isinstance(override, Mapping):
        raise InvalidInputError(f"expected prompts by {' and '.join(_NAMES)}, got {override!r}")
    changed = prompts.tasks[prompts.task]
    for side, wording in override.items():
        if side not in _NAMES or text_problem(wording):
            raise InvalidInputError(
                f"expected prompts to hold wordings of {' and '.join(_NAMES)}, got "
                f"{side!r}: {wording!r}"
            )
        template = parse_template(wording)
        changed = (
            replace(changed, query=template)
            if side == "query"
            else replace(changed, document=template)
        )
    return replace(prompts, tasks={**prompts.tasks, prompts.task: changed})


def prompt_for(spec: EncoderSpec, role: Role) -> str:
    """The text that a checkpoint puts before every text of a role; empty for none.

    A name with a prompt goes before one whose prompt is empty, as sentence-transformers leaves
    one behind. A role without any takes the checkpoint's default prompt, unless that is the other
    role's.
    """
    named = [spec.prompts[name] for name in _NAMES[role] if name in spec.prompts]
    if named:
        return next((prompt for prompt in named if prompt), "")
    other = _NAMES["document" if role == "query" else "query"]
    if spec.default_prompt is None or spec.default_prompt in other:
        return ""
    return spec.prompts[spec.default_prompt]


def require_effect(prompts: Prompts, tokenizer: TextTokenizer) -> None:
    """Refuse a wording that the model would not see.

    Raises:
        CheckpointError: a prefix or suffix that changes no token.
    """
    pieces = {
        (piece, piece is template.prefix)
        for task in prompts.tasks.values()
        for template in (task.query, task.document)
        for piece in (template.prefix, template.suffix)
        if piece
    }
    for piece, is_prefix in sorted(pieces):
        text = piece + _PROBE if is_prefix else _PROBE + piece
        plain, prompted = tokenizer.ids_of([_PROBE, text])
        if plain == prompted:
            raise CheckpointError(
                f"expected a prompt that {prompts.model!r} sees, got {piece!r}, which its "
                "tokenizer drops: correct or remove it"
            )


def require_place(prompts: Prompts, spec: EncoderSpec) -> None:
    """Refuse a wording behind the text, where modules of others cut texts at their end.

    Raises:
        InstructionError: there is one.
    """
    if spec.chain is None:
        return
    for task in prompts.tasks.values():
        for template in (task.query, task.document):
            if template.suffix:
                raise InstructionError(
                    f"expected wordings that end with the text for {prompts.model!r}, whose "
                    f"modules sentence-transformers runs, got {template.suffix!r} behind it: "
                    "write it before the text"
                )


def _declared_tasks(spec: EncoderSpec) -> dict[str, Task]:
    """The tasks of a checkpoint: searching, and each other prompt, for both sides alike."""
    tasks = {
        name: Task(Template(prompt), Template(prompt))
        for name, prompt in spec.prompts.items()
        if name not in ROLE_NAMES
    }
    query, document = Template(prompt_for(spec, "query")), Template(prompt_for(spec, "document"))
    return {**tasks, SEARCH: Task(query, document)}
