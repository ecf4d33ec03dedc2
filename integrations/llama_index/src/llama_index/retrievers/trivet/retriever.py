"""A retriever of LlamaIndex's that asks a Trivet index in words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.constants import DEFAULT_SIMILARITY_TOP_K
from llama_index.core.schema import IndexNode, NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import MetadataFilters
from llama_index.vector_stores.trivet import TrivetVectorStore
from llama_index.vector_stores.trivet.selecting import selection
from qdrant_client import models

from trivet import Hit, Plan, Query
from trivet.errors import InvalidInputError, InvalidQueryError
from trivet.thinking import Given, Thinker, Thinking


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
        thinker: thinks about queries beside the search (`trivet.thinking`), or a
            `trivet.thinking.Thinking` that says more; None = nothing is thought. The
            `custom_embedding_strs` of a `QueryBundle` are thoughts, and taken in its place.
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
        thinker: Thinker | Thinking | None = None,
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
        self.thinker = thinker
        super().__init__(callback_manager=callback_manager, objects=objects, verbose=verbose)

    def batch(self, queries: Sequence[str | QueryBundle]) -> list[list[NodeWithScore]]:
        """As `retrieve` for each query, in one forward pass and one request to the engine.

        Objects that nodes stand for are not followed.

        Args:
            queries: texts or bundles.

        Raises:
            TrivetError: as `trivet.Index.search`.
        """
        asked, where = [self._query(each) for each in queries], self._where()
        given = {i: think for i, each in enumerate(queries) if (think := self._given(each))}
        together = [query for i, query in enumerate(asked) if i not in given]
        answers = iter(self._search(together, where, self.thinker))
        return [
            self.store.nodes_of(
                self._search([query], where, given[i])[0] if i in given else next(answers)
            )
            for i, query in enumerate(asked)
        ]

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
            think=self._given(query_bundle) or self.thinker,
        )
        return await asyncio.to_thread(self.store.nodes_of, hits)

    def _search(
        self,
        queries: Sequence[Query],
        where: models.Filter | None,
        think: Thinker | Thinking | None,
    ) -> list[list[Hit]]:
        return self.store.client.search_many(
            queries,
            k=self.similarity_top_k,
            plan=self.plan,
            filter=where,
            modes=self._legs,
            think=think,
        )

    def _given(self, asked: str | QueryBundle) -> Thinker | Thinking | None:
        """The thoughts that a query brings along; None if it brings none."""
        texts = [] if isinstance(asked, str) else asked.custom_embedding_strs or []
        own = "" if isinstance(asked, str) else asked.query_str
        thoughts = [t for t in texts if isinstance(t, str) and t.strip() and t != own]
        if not thoughts:
            return None
        if isinstance(self.thinker, Thinking):
            return replace(self.thinker, thinker=Given(thoughts))
        return Given(thoughts)

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
        return Query(bundle.query_str, task=self.task, instruction=self.instruction)
