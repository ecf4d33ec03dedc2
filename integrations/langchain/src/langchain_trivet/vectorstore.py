"""An index as a LangChain vector store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, cast

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

import trivet
from langchain_trivet.documents import from_trivet, to_trivet, with_ids
from langchain_trivet.keywords import refuse
from langchain_trivet.opening import opened
from langchain_trivet.plans import require_search_type
from langchain_trivet.searching import SearchableStore
from langchain_trivet.store_retriever import TrivetStoreRetriever
from trivet.errors import InvalidInputError


class TrivetVectorStore(SearchableStore):
    """Documents in a Trivet index: searched by all its legs, given back whole and unchanged.

    Ids are any texts and come back as they were given. A document without one gets an id made of
    its content and metadata, so that adding it again changes nothing.

    Args:
        location: a folder, the URL of a Qdrant server, or ":memory:"; as for `trivet.open`. Either
            this or `index`.
        index: one that is open.
        embedding: any LangChain embeddings, for the dense leg; None = as stored, for a new index
            Trivet's own model.
        collection: on a server; None = "trivet".
        modes: the legs of a new index; None = as stored, for a new index as `trivet.open`: dense
            vectors, BM25, and token vectors where no foreign embedding makes the dense ones.

    Raises:
        InvalidInputError: neither or both of location and index, or what belongs to a location
            beside an index.
        TrivetError: as `trivet.open`.
    """

    def __init__(
        self,
        *,
        location: str | os.PathLike[str] | None = None,
        index: trivet.Index | None = None,
        embedding: Embeddings | None = None,
        collection: str | None = None,
        modes: Sequence[str] | None = None,
    ) -> None:
        opened_index = opened(
            location=location, index=index, embedding=embedding, collection=collection, modes=modes
        )
        super().__init__(opened_index)
        self._embedding = embedding

    @property
    def index(self) -> trivet.Index:
        """The index under the store."""
        return self._index

    @property
    def embeddings(self) -> Embeddings | None:
        """The LangChain embeddings that were given; None where the index embeds by itself."""
        return self._embedding

    def close(self) -> None:
        """Flush and release the folder or the connection."""
        self._index.close()

    def __repr__(self) -> str:
        return f"TrivetVectorStore({self._index!r})"

    def add_documents(
        self,
        documents: list[Document],
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Store documents; those whose ids are there are replaced, text and metadata together.

        Args:
            documents: they stay as they are.
            ids: one for each, None for its own.
            batch_size: documents that are handed over together; None = all.
            kwargs: none.

        Returns:
            The id of each document, in order.

        Raises:
            InvalidInputError: doubled ids, or not one id for each document; nothing was written.
            InvalidDocumentError: a document that cannot be stored; those before it are.
            ModelError, StoreError: as `trivet.Index.upsert`; what was stored before stays.
        """
        refuse("add_documents", kwargs, "documents, ids, batch_size")
        chosen = with_ids(documents, ids)
        stored = to_trivet(documents, chosen)
        size = len(stored) or 1 if batch_size is None else batch_size
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InvalidInputError(f"expected batch_size of 1 or more, got {batch_size!r}")
        _refuse_doubled([document.id for document in stored])
        for start in range(0, len(stored), size):
            self._index.upsert(stored[start : start + size], on_error="raise")
        return chosen

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Store texts; as `add_documents`.

        Args:
            texts: any number of them.
            metadatas: one for each text; None = none.
            ids: one for each text; None = made of text and metadata.
            kwargs: `batch_size`, as in `add_documents`.

        Returns:
            The id of each text, in order.

        Raises:
            InvalidInputError: not as many metadatas or ids as texts, or as `add_documents`.
        """
        if isinstance(texts, str):
            raise InvalidInputError("expected a list of texts, got one: put it in a list")
        listed = list(texts)
        every = [{} for _ in listed] if metadatas is None else list(metadatas)
        if len(every) != len(listed):
            raise InvalidInputError(
                f"expected as many metadatas as texts ({len(listed)}), got {len(every)}"
            )
        for what, kind, given in (("texts", str, listed), ("metadatas", dict, every)):
            for at, value in enumerate(given):
                if not isinstance(value, kind):
                    raise InvalidInputError(
                        f"expected {what} to be {kind.__name__}, got {value!r} at position {at}"
                    )
        pairs = zip(listed, every, strict=True)
        documents = [Document(page_content=text, metadata=metadata) for text, metadata in pairs]
        return self.add_documents(documents, ids=ids, **kwargs)

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Delete documents; ids that are not there are ignored.

        Args:
            ids: of documents.
            kwargs: none are known.

        Returns:
            True.

        Raises:
            InvalidInputError: no ids: all documents are never deleted by leaving them out.
        """
        refuse("delete", kwargs, "ids")
        if ids is None:
            raise InvalidInputError("expected the ids of documents to delete, got none: name them")
        self._index.delete(ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents of these ids, in their order; those that are not there are left out.

        Args:
            ids: of documents.
        """
        return [from_trivet(document) for document in self._index.get(ids)]

    def as_retriever(self, **kwargs: Any) -> TrivetStoreRetriever:
        """A retriever over the store; keywords as in LangChain's own.

        Raises:
            InvalidInputError: a search type that does not exist.
        """
        require_search_type(kwargs.get("search_type", "similarity"))
        tags = kwargs.pop("tags", None) or [*self._get_retriever_tags()]
        return TrivetStoreRetriever(vectorstore=self, tags=tags, **kwargs)

    @classmethod
    def from_documents(
        cls, documents: list[Document], embedding: Embeddings | None = None, **kwargs: Any
    ) -> TrivetVectorStore:
        """A store that holds these documents; arguments as in `from_texts`."""
        # LangChain hands the embedding on to `from_texts`, which does without.
        return super().from_documents(documents, cast("Embeddings", embedding), **kwargs)

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> TrivetVectorStore:
        """A store that holds these texts.

        Args:
            texts: as in `add_texts`, like metadatas and ids.
            embedding: as in the constructor, like `kwargs`; None = the index embeds by itself.
            metadatas: one for each text.
            ids: one for each text.
            kwargs: location, index, collection and modes.
        """
        store = cls(embedding=embedding, **kwargs)
        try:
            store.add_texts(texts, metadatas, ids=ids)
        except BaseException:
            if kwargs.get("index") is None:
                store.close()
            raise
        return store


def _refuse_doubled(ids: Sequence[str | None]) -> None:
    """Before the first of several batches is written."""
    if len(set(ids)) != len(ids):
        doubled = next(id for position, id in enumerate(ids) if id in ids[:position])
        raise InvalidInputError(
            f"expected distinct ids in one call, got {doubled!r} twice: nothing was written"
        )
