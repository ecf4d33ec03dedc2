"""Which of a checkpoint's prompts goes before a query and which before a document."""

from __future__ import annotations

from typing import Literal, TypeAlias

from trivet.embedding.spec import EncoderSpec

Role: TypeAlias = Literal["query", "document"]

# The names under which checkpoints keep the prompt of each role, the usual one first.
_NAMES: dict[Role, tuple[str, ...]] = {
    "query": ("query",),
    "document": ("document", "passage", "corpus"),
}


def prompt_for(spec: EncoderSpec, role: Role) -> str:
    """The text that goes before every text of a role; empty for none.

    A role without a prompt of its own takes the checkpoint's default one, unless that is the
    other role's.
    """
    for name in _NAMES[role]:
        if name in spec.prompts:
            return spec.prompts[name]
    other = _NAMES["document" if role == "query" else "query"]
    if spec.default_prompt is None or spec.default_prompt in other:
        return ""
    return spec.prompts[spec.default_prompt]
