"""A Trivet index as a vector store of LlamaIndex's, which embeds nodes and queries by itself."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.schema import BaseNode, NodeWithScore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.vector_stores.trivet.asking import asked_of, require_no_more
from llama_index.vector_stores.trivet.nodes import (
    VECTORS_UNUSED,
    from_document,
    refuse_foreign_vectors,
    to_document,
    whole_nodes,
)
from llama_index.vector_stores.trivet.opening import opened
from llama_index.vector_stores.trivet.replacing import Caller, Replacing
from llama_index.vector_stores.trivet.selecting import required_id, selection
from llama_index.vector_stores.trivet.stand_in import StoreEmbedding

from trivet import ALL, Embedder, Hit, Index
from trivet.errors import InvalidInputError, TextTooLongError

logger = logging.getLogger(__name__)


class TrivetVectorStore(BasePydanticVectorStore):
    """Nodes in a Trivet index.

    The store embeds nodes and queries itself, with every leg of its index. Give LlamaIndex
    `store.embed_model` in place of an embedding:

        index = VectorStoreIndex.from_vector_store(store, embed_model=store.embed_model)

    Each node is a document of the index, under its own id, with its text as the document's; any
    string is an id. Documents that were written otherwise, through LangChain or by `trivet`
    itself, come back as a `TextNode` of the passage that was found.

    Args:
        location: a folder, the URL of a Qdrant server, or ":memory:"; as in `trivet.open`.
        index: an index that is open, instead of a location; it is not closed by the store.
        embedding: the model: a name, a folder, an `Embedder`, or an embedding of LlamaIndex's.
            None = as stored; for a new index, all-MiniLM-L6-v2.
        collection: on a server.
        modes: the legs of a new index; of one that is given, the legs to search. None = all.

    Raises:
        InvalidInputError: both or none of location and index; an embedding or a collection for an
            index that is given; an embedding with an `embeddings_cache`.
        TrivetError: as `trivet.open`.
    """

    stores_text: bool = True
    is_embedding_query: bool = False
    location: str | None = Field(default=None, description="Where the index is.")
    collection: str | None = Field(default=None, description="Of a server.")
    modes: tuple[str, ...] | None = Field(default=None, description="Legs to search.")
    _index: Index = PrivateAttr()
    _owns_index: bool = PrivateAttr()
    _replacing: Replacing = PrivateAttr()
    _has_warned: bool = PrivateAttr(default=False)

    def __init__(
        self,
        *,
        location: str | os.PathLike[str] | None = None,
        index: Index | None = None,
        embedding: str | os.PathLike[str] | Embedder | BaseEmbedding | None = None,
        collection: str | None = None,
        modes: Sequence[str] | None = None,
    ) -> None:
        own = opened(location, index, embedding, collection, modes)
        fields: dict[str, Any] = {
            "location": None if location is None else os.fspath(location),
            "collection": collection,
            "modes": None if modes is None else tuple(modes),
        }
        super().__init__(stores_text=True, **fields)
        self._index, self._owns_index = own, index is None
        self._replacing = Replacing(own)

    @classmethod
    def class_name(cls) -> str:
        """The name by which LlamaIndex writes it down."""
        return "TrivetVectorStore"

    @property
    def client(self) -> Index:
        """The index."""
        return self._index

    @property
    def embed_model(self) -> StoreEmbedding:
        """What to give LlamaIndex as an embedding: it leaves every vector to this store."""
        return StoreEmbedding.of(self._index.spaces)

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Store nodes; those that are there with other content are replaced.

        If it fails, nodes that `delete` took of the same source documents before are put back.

        Args:
            nodes: none of them is changed. A vector that a node brings is not used.
            **kwargs: none are known.

        Returns:
            The nodes' own ids.

        Raises:
            SpaceMismatchError: a vector that has not the length of the index's.
            InvalidDocumentError: a node that cannot be stored as it is.
            TextTooLongError: metadata that leaves too little room for a long text.
            InvalidInputError: two nodes with one id, or no nodes; nothing was written.
            UnknownKeywordError: a keyword argument.
            ModelError, StoreError: as `trivet.Index.upsert`; what was stored before stays.
        """
        require_no_more("add", kwargs)
        return self._add(nodes, Caller.here())

    def _add(self, nodes: Sequence[BaseNode], caller: Caller) -> list[str]:
        dims = {space.mode: space.dims for space in self._index.spaces}.get("dense")
        if refuse_foreign_vectors(nodes, dims) and not self._has_warned:
            self._has_warned = True
            logger.warning(VECTORS_UNUSED)
        try:
            with self._replacing.storing(nodes, caller):
                self._index.upsert([to_document(node) for node in nodes], on_error="raise")
        except TextTooLongError as error:
            raise TextTooLongError(
                f"{error}; the title of a node is the metadata that it wants embedded: name fields "
                "in excluded_embed_metadata_keys"
            ) from error
        return [node.node_id for node in nodes]

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """As `add`, beside the event loop."""
        require_no_more("async_add", kwargs)
        return await asyncio.to_thread(self._add, nodes, Caller.here())

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes that were cut from a document, or the document that is stored whole.

        Args:
            ref_doc_id: of the document.
            **delete_kwargs: none are known.

        Raises:
            InvalidInputError: an id that is no text.
            UnknownKeywordError: a keyword argument.
        """
        require_no_more("delete", delete_kwargs)
        self._replacing.delete(required_id(ref_doc_id), Caller.here())

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """As `delete`, beside the event loop."""
        require_no_more("adelete", delete_kwargs)
        source, caller = required_id(ref_doc_id), Caller.here()
        await asyncio.to_thread(self._replacing.delete, source, caller)

    def get_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """The nodes of these ids that the filters let pass; ids that are not there are left out.

        Args:
            node_ids: None = of any id.
            filters: None = all.

        Raises:
            InvalidFilterError: a filter that cannot be understood.
        """
        if node_ids is not None and filters is None:
            return [from_document(document) for document in self._index.get(node_ids)]
        if node_ids == []:
            return []
        wanted = selection(self._index, node_ids=node_ids, filters=filters)
        return [from_document(document) for document in self._index.documents(filter=wanted)]

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """As `get_nodes`, beside the event loop."""
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Delete the nodes of these ids that the filters let pass.

        Args:
            node_ids: None = of any id.
            filters: None = all.
            **delete_kwargs: none are known.

        Raises:
            InvalidInputError: neither ids nor filters.
            InvalidFilterError: a filter that cannot be understood.
            UnknownKeywordError: a keyword argument.
        """
        require_no_more("delete_nodes", delete_kwargs)
        if node_ids is None and filters is None:
            raise InvalidInputError(
                "expected node_ids or filters, got neither: clear() deletes all"
            )
        if node_ids == []:
            return
        if filters is None:
            self._index.delete(node_ids)
        else:
            self._index.delete(filter=selection(self._index, node_ids=node_ids, filters=filters))

    async def adelete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """As `delete_nodes`, beside the event loop."""
        await asyncio.to_thread(self.delete_nodes, node_ids, filters, **delete_kwargs)

    def clear(self) -> None:
        """Delete every node; the index stays."""
        self._index.delete(filter=ALL)

    async def aclear(self) -> None:
        """As `clear`, beside the event loop."""
        await asyncio.to_thread(self.clear)

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The nodes that answer a query best; `trivet.modes.plan_for` has what the modes mean.

        Args:
            query: with `query_str`; nothing in it is changed.
            **kwargs: `mmr_threshold`, which LlamaIndex's retriever has no other way to pass.

        Raises:
            UnknownModeError: a mode that does not exist, or that this index cannot answer.
            InvalidQueryError: no words to ask with, or a vector alone.
            SpaceMismatchError: a vector that has not the length of the index's.
            InvalidInputError: a field that says nothing in this mode, or that is not supported.
            InvalidFilterError: a filter that cannot be understood.
            UnknownKeywordError: another keyword argument.
        """
        asked = asked_of(self._index, query, kwargs, self.modes)
        if asked.is_of_nothing:
            return self._result([])
        return self._result(
            self._index.search(
                asked.text, k=asked.k, plan=asked.plan, filter=asked.filter, modes=asked.modes
            )
        )

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """As `query`, beside the event loop, and together with others that wait."""
        asked = await asyncio.to_thread(asked_of, self._index, query, kwargs, self.modes)
        if asked.is_of_nothing:
            return self._result([])
        hits = await self._index.asearch(
            asked.text, k=asked.k, plan=asked.plan, filter=asked.filter, modes=asked.modes
        )
        return await asyncio.to_thread(self._result, hits)

    def nodes_of(self, hits: Sequence[Hit]) -> list[NodeWithScore]:
        """The nodes of hits; those that are stored in several chunks are put together again.

        Args:
            hits: of this index.
        """
        return whole_nodes(self._index, hits)

    def close(self) -> None:
        """Close the index, if the store opened it."""
        if self._owns_index:
            self._index.close()

    def _result(self, hits: Sequence[Hit]) -> VectorStoreQueryResult:
        found = self.nodes_of(hits)
        return VectorStoreQueryResult(
            nodes=[each.node for each in found],
            similarities=[each.score or 0.0 for each in found],
            ids=[each.node.node_id for each in found],
        )
