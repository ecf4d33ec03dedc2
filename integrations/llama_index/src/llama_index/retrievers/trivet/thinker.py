"""A language model of LlamaIndex's that thinks about queries."""

from __future__ import annotations

from llama_index.core.base.llms.types import CompletionResponse
from llama_index.core.llms import LLM

from trivet.thinking import AdaptedThinker, Completion


class LlamaIndexThinker(AdaptedThinker[CompletionResponse]):
    """Thinks with any LLM, for `TrivetRetriever(thinker=…)` and `index.search(think=…)`.

    Args:
        llm: the language model; its sampling is its own.
        name: of the model with its revision and sampling, which cached thoughts are kept under;
            None = of its class and its metadata.
    """

    def __init__(self, llm: LLM, *, name: str | None = None) -> None:
        super().__init__(
            llm.complete,
            llm.acomplete,
            _completion,
            kind=llm.class_name(),
            stated=(llm.metadata, getattr(llm, "temperature", None)),
            name=name,
        )


def _completion(response: CompletionResponse) -> Completion:
    counted = response.additional_kwargs or {}
    return Completion(
        response.text, counted.get("prompt_tokens"), counted.get("completion_tokens")
    )  # fmt: skip
