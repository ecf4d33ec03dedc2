"""A chat model of LangChain's that thinks about queries."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from trivet.thinking import AdaptedThinker, Completion


class LangChainThinker(AdaptedThinker[BaseMessage]):
    """Thinks with any chat model, for `TrivetRetriever(thinker=…)` and `index.search(think=…)`.

    Args:
        model: the chat model; its sampling is its own.
        name: of the model with its revision and sampling, which cached thoughts are kept under;
            None = of its kind and its identifying parameters.
    """

    def __init__(self, model: BaseChatModel, *, name: str | None = None) -> None:
        stated = sorted((str(k), repr(v)) for k, v in model._identifying_params.items())
        super().__init__(
            model.invoke,
            model.ainvoke,
            _completion,
            kind=model._llm_type,
            stated=stated,
            name=name,
        )


def _completion(message: BaseMessage) -> Completion:
    counted = getattr(message, "usage_metadata", None) or {}
    text = message.text if isinstance(message.text, str) else message.text()
    return Completion(str(text), counted.get("input_tokens"), counted.get("output_tokens"))
