"""A language model of LlamaIndex's that thinks about queries."""

from __future__ import annotations

import hashlib

from llama_index.core.base.llms.types import CompletionResponse
from llama_index.core.llms import LLM

from trivet.thinking import Completion, WritingThinker


class LlamaIndexThinker(WritingThinker):
    """Thinks with any LLM, for `TrivetRetriever(thinker=…)` and `index.search(think=…)`.

    Args:
        llm: the language model; its sampling is its own.
        name: of the model with its revision and sampling, which cached thoughts are kept under;
            None = of its class and its metadata.
    """

    def __init__(self, llm: LLM, *, name: str | None = None) -> None:
        async def awrite(prompt: str) -> Completion:
            return _completion(await llm.acomplete(prompt))

        super().__init__(
            lambda prompt: _completion(llm.complete(prompt)),
            name=_name(llm) if name is None else name,
            awrite=awrite,
        )


def _completion(response: CompletionResponse) -> Completion:
    counted = response.additional_kwargs or {}
    return Completion(
        response.text, counted.get("prompt_tokens"), counted.get("completion_tokens")
    )  # fmt: skip


def _name(llm: LLM) -> str:
    stated = repr((llm.metadata, getattr(llm, "temperature", None)))
    return f"{llm.class_name()}|{hashlib.sha256(stated.encode()).hexdigest()[:16]}"
