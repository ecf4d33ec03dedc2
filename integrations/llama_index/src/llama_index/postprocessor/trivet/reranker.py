"""Puts nodes in the order of late interaction with a query."""

from __future__ import annotations

import os
from typing import Any

from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.schema import CBEventType, EventPayload
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from trivet import Embedder, Reranker
from trivet.embedding.locate import DEFAULT_MODEL
from trivet.errors import InvalidQueryError

dispatcher = get_dispatcher(__name__)


class TrivetReranker(BaseNodePostprocessor):
    """The nodes that answer a query best, by a model's token vectors.

    What a node wants to be embedded is what is scored, from -1 to 1: the score says the same
    whatever else was found.

    Args:
        model: a name, a folder or an `Embedder` that makes token vectors.
        top_n: nodes wanted.
        callback_manager: of LlamaIndex.

    Raises:
        MissingHeadError: a model without token vectors.
        ModelNotFoundError, CheckpointError: it cannot be found or read.
    """

    model_name: str = Field(description="Of the model.")
    top_n: int = Field(default=4, ge=1, description="Nodes wanted.")
    _reranker: Reranker = PrivateAttr()

    def __init__(
        self,
        model: str | os.PathLike[str] | Embedder = DEFAULT_MODEL,
        *,
        top_n: int = 4,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        reranker = Reranker(model)
        fields: dict[str, Any] = {"model_name": reranker.model, "top_n": top_n}
        super().__init__(callback_manager=callback_manager or CallbackManager([]), **fields)
        self._reranker = reranker

    @classmethod
    def class_name(cls) -> str:
        """The name by which LlamaIndex writes it down."""
        return "TrivetReranker"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise InvalidQueryError("expected a query to score nodes for, got none: pass query_str")
        query = query_bundle.query_str
        dispatcher.event(
            ReRankStartEvent(
                query=query_bundle, nodes=nodes, top_n=self.top_n, model_name=self.model_name
            )
        )
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: self.model_name,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: self.top_n,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            best = self._best(query, nodes)
            event.on_end(payload={EventPayload.NODES: best})
        dispatcher.event(ReRankEndEvent(nodes=best))
        return best

    def _best(self, query: str, nodes: list[NodeWithScore]) -> list[NodeWithScore]:
        texts = [each.node.get_content(MetadataMode.EMBED) for each in nodes]
        scores = self._reranker.score(query, texts)
        order = sorted(range(len(nodes)), key=lambda i: -scores[i])[: self.top_n]
        return [NodeWithScore(node=nodes[i].node, score=scores[i]) for i in order]
