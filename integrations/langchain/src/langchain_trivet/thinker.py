"""A chat model of LangChain's that thinks about queries."""

from __future__ import annotations

import hashlib

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from trivet.thinking import Completion, WritingThinker


class LangChainThinker(WritingThinker):
    """Thinks with any chat model, for `TrivetRetriever(thinker=…)` and `index.search(think=…)`.

    Args:
        model: the chat model; its sampling is its own.
        name: of the model with its revision and sampling, which cached thoughts are kept under;
            None = of its kind and its identifying parameters.
    """

    def __init__(self, model: BaseChatModel, *, name: str | None = None) -> None:
        async def awrite(prompt: str) -> Completion:
            return _completion(await model.ainvoke(prompt))

        super().__init__(
            lambda prompt: _completion(model.invoke(prompt)),
            name=_name(model) if name is None else name,
            awrite=awrite,
        )


def _completion(message: BaseMessage) -> Completion:
    counted = getattr(message, "usage_metadata", None) or {}
    text = message.text if isinstance(message.text, str) else message.text()
    return Completion(str(text), counted.get("input_tokens"), counted.get("output_tokens"))


def _name(model: BaseChatModel) -> str:
    stated = repr(sorted((str(k), repr(v)) for k, v in model._identifying_params.items()))
    return f"{model._llm_type}|{hashlib.sha256(stated.encode()).hexdigest()[:16]}"
