"""A retriever of LlamaIndex's that asks a Trivet index in words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.constants import DEFAULT_SIMILARITY_TOP_K
from llama_index.core.schema import IndexNode, NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import MetadataFilters
from llama_index.vector_stores.trivet import TrivetVectorStore
from llama_index.vector_stores.trivet.selecting import selection
from qdrant_client import models

from trivet import Plan, Query
from trivet.errors import InvalidInputError, InvalidQueryError


class TrivetRetriever(BaseRetriever):
    """The nodes that answer a query best, by every leg of a store's index.

    A query's words are read and nothing in a `QueryBundle` is changed. A vector in it is passed
    over, since another model may have left it there.

    Args:
        store: where the nodes are.
        similarity_top_k: nodes wanted.
        modes: the legs to search; None = those of the store. Not together with a plan.
        plan: a `trivet.Plan`, or the name of a preset; None = the one that measured best.
        filters: by metadata.
        task: what queries are for; None = as the model was loaded.
        instruction: what to look for, in words of one's own.
        callback_manager: of LlamaIndex.
        objects: what the store's `IndexNode`s stand for.
        verbose: whether LlamaIndex prints where it goes on.

    Raises:
        InvalidInputError: no `TrivetVectorStore`; both a plan and modes.
    """

    def __init__(
        self,
        store: TrivetVectorStore,
        *,
        similarity_top_k: int = DEFAULT_SIMILARITY_TOP_K,
        modes: Sequence[str] | None = None,
        plan: Plan | str | None = None,
        filters: MetadataFilters | None = None,
        task: str | None = None,
        instruction: str | None = None,
        callback_manager: CallbackManager | None = None,
        objects: list[IndexNode] | None = None,
        verbose: bool = False,
    ) -> None:
        if not isinstance(store, TrivetVectorStore):
            raise InvalidInputError(
                f"expected a TrivetVectorStore, got {type(store).__name__}: an index becomes one "
                "by TrivetVectorStore(index=index)"
            )
        if plan is not None and modes is not None:
            raise InvalidInputError("expected a plan or modes, got both: a plan names its legs")
        self.store = store
        self.similarity_top_k = similarity_top_k
        self.modes = modes
        self.plan = plan
        self.filters = filters
        self.task = task
        self.instruction = instruction
        super().__init__(callback_manager=callback_manager, objects=objects, verbose=verbose)

    def batch(self, queries: Sequence[str | QueryBundle]) -> list[list[NodeWithScore]]:
        """As `retrieve` for each query, in one forward pass and one request to the engine.

        Objects that nodes stand for are not followed.
        """
        asked = [self._query(each) for each in queries]
        answers = self.store.client.search_many(
            asked, k=self.similarity_top_k, plan=self.plan, filter=self._where(), modes=self._legs
        )
        return [self.store.nodes_of(hits) for hits in answers]

    async def abatch(self, queries: Sequence[str | QueryBundle]) -> list[list[NodeWithScore]]:
        """As `batch`, beside the event loop."""
        return await asyncio.to_thread(self.batch, queries)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self.batch([query_bundle])[0]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        where = await asyncio.to_thread(self._where)
        hits = await self.store.client.asearch(
            self._query(query_bundle),
            k=self.similarity_top_k,
            plan=self.plan,
            filter=where,
            modes=self._legs,
        )
        return await asyncio.to_thread(self.store.nodes_of, hits)

    @property
    def _legs(self) -> Sequence[str] | None:
        return self.store.modes if self.modes is None and self.plan is None else self.modes

    def _where(self) -> models.Filter | None:
        return selection(self.store.client, filters=self.filters)

    def _query(self, asked: str | QueryBundle) -> Query:
        bundle = QueryBundle(asked) if isinstance(asked, str) else asked
        if bundle.image_path is not None:
            raise InvalidQueryError(
                f"expected a query in words, got the image {bundle.image_path!r}: models of text "
                "read no images"
            )
        if bundle.custom_embedding_strs not in (None, [], [bundle.query_str]):
            raise InvalidQueryError(
                "expected a query whose own words are searched, got custom_embedding_strs: the "
                "mean of several vectors has no sparse or token vectors beside it; ask for each "
                "with batch()"
            )
        return Query(bundle.query_str, task=self.task, instruction=self.instruction)
