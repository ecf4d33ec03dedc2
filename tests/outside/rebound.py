"""A pytest plugin: tests that import langchain-qdrant's store get Trivet's, behind its keywords."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import langchain_qdrant
import langchain_qdrant.qdrant
import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_qdrant import RetrievalMode
from langchain_qdrant.qdrant import QdrantVectorStoreError
from langchain_trivet import TrivetVectorStore
from langchain_trivet.opening import as_embedder
from qdrant_client import models

import trivet
from trivet.errors import TrivetError
from trivet.index.canary import TEXTS
from trivet.types import Representations, Space, SparseVector, SparseVectors

MODES = {
    RetrievalMode.DENSE: ["dense"],
    RetrievalMode.SPARSE: ["sparse"],
    RetrievalMode.HYBRID: ["dense", "sparse"],
}
# What the store asks its embeddings before the tests do.
OWN_TEXTS = (*TEXTS, "length")


class Unseen(Embeddings):
    """Embeddings that never see our own texts: those of the tests count what they have seen."""

    def __init__(self, embedding: Embeddings) -> None:
        self._embedding = embedding
        self._dims = len(type(embedding)(*_dims_of(embedding)).embed_query("a"))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if all(text in OWN_TEXTS for text in texts):
            return [[float(len(text) % 7 + 1), *[1.0] * (self._dims - 1)] for text in texts]
        return self._embedding.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class GivenSparse(trivet.Embedder):
    """The sparse vectors of the tests' own embeddings as a model's sparse leg."""

    name = source = "given"
    recipe: ClassVar[dict[str, Any]] = {}
    max_tokens = 512
    task, tasks, takes_titles, is_loaded = "search", ("search",), False, True

    def __init__(self, embedding: Any) -> None:
        self._embedding = embedding
        self.spaces = {"sparse": Space("sparse", "given", None, {"weights": "given"})}

    def load_weights(self) -> None:
        pass

    def render(self, query: Any) -> str:
        return query if isinstance(query, str) else query.text

    def render_document(self, text: str, *, title: str = "") -> str:
        return text

    def count_tokens(self, texts: Sequence[str], *, titles: Any = None) -> list[int]:
        return [1 for _ in texts]

    def _with_spaces(self, spaces: Any) -> GivenSparse:
        return self

    def _embed_documents(self, texts: Any, titles: Any, truncate: bool) -> Representations:
        if all(text in OWN_TEXTS for text in texts):
            rows = [SparseVector(np.array([7], np.uint32), np.ones(1, np.float32)) for _ in texts]
        else:
            rows = [
                SparseVector(np.array(v.indices, np.uint32), np.array(v.values, np.float32))
                for v in self._embedding.embed_documents(list(texts))
            ]
        return Representations(sparse=SparseVectors(self.spaces["sparse"], tuple(rows)))

    def _embed_queries(self, queries: Any, truncate: bool) -> Representations:
        return self._embed_documents([query.text for query in queries], (), truncate)


def _model(embedding: Embeddings | None, sparse: Any, mode: RetrievalMode) -> trivet.Embedder:
    dense = None if mode == RetrievalMode.SPARSE else as_embedder(Unseen(embedding))
    given = None if mode == RetrievalMode.DENSE else GivenSparse(sparse)
    return trivet.Embedder.compose(dense=dense, sparse=given)


def _dims_of(embedding: Embeddings) -> list[int]:
    return [embedding.dimensionality] if hasattr(embedding, "dimensionality") else []


class Client:
    """What the tests ask a client of the store's own collection."""

    def __init__(self, store: QdrantVectorStore) -> None:
        self._store = store

    def count(self, collection_name: str) -> SimpleNamespace:
        return SimpleNamespace(count=self._store.index.count())

    def retrieve(self, collection_name: str, ids: Sequence[Any]) -> list[SimpleNamespace]:
        stored = self._store.index.get([str(id) for id in ids])
        return [SimpleNamespace(id=self._store.given_id(document.id)) for document in stored]

    def scroll(
        self, collection_name: str, with_vectors: bool = False
    ) -> tuple[list[SimpleNamespace], None]:
        legs = [space.mode for space in self._store.index.describe().spaces]
        vector = {self._store.names[leg]: None for leg in legs}
        ids = [self._store.given_id(document.id) for document in self._store.index.documents()]
        return [SimpleNamespace(id=id, vector=vector) for id in ids], None


class QdrantVectorStore(TrivetVectorStore):
    """Trivet's store with the keywords, keys and metadata of langchain-qdrant's."""

    CONTENT_KEY = "page_content"
    METADATA_KEY = "metadata"

    def __init__(
        self,
        client: Any = None,
        collection_name: str = "",
        embedding: Embeddings | None = None,
        retrieval_mode: RetrievalMode = RetrievalMode.DENSE,
        sparse_embedding: Any = None,
        vector_name: str = "",
        sparse_vector_name: str = "langchain-sparse",
        content_payload_key: str = CONTENT_KEY,
        metadata_payload_key: str = METADATA_KEY,
        location: str = ":memory:",
        **of_qdrant: Any,
    ) -> None:
        model = _model(embedding, sparse_embedding, retrieval_mode)
        super().__init__(index=trivet.open(location, model=model, modes=MODES[retrieval_mode]))
        self._given = embedding
        self._ids: dict[str, Any] = {}
        self._name = collection_name or uuid.uuid4().hex
        self._keys = {content_payload_key: "page_content", metadata_payload_key: "metadata"}
        self.names = {"dense": vector_name, "sparse": sparse_vector_name}
        self.client = Client(self)
        if client is not None:
            client.count = self.client.count

    @property
    def embeddings(self) -> Embeddings | None:
        return self._given

    @classmethod
    def from_texts(cls, texts, embedding=None, metadatas=None, ids=None, **options):
        batch_size = options.pop("batch_size", None)
        store = cls(embedding=embedding, **options)
        store.add_texts(texts, metadatas, ids=ids, batch_size=batch_size)
        return store

    def given_id(self, id: str) -> Any:
        return self._ids.get(id, id)

    def add_texts(self, texts, metadatas=None, *, ids=None, **options):
        if ids is not None:
            self._ids.update({str(id): id for id in ids})
            ids = [str(id) for id in ids]
        return super().add_texts(texts, metadatas, ids=ids, **options)

    def get_by_ids(self, ids, /):
        return super().get_by_ids([str(id) for id in ids])

    def max_marginal_relevance_search(self, *asked, **options):
        try:
            return super().max_marginal_relevance_search(*asked, **options)
        except TrivetError as error:
            raise QdrantVectorStoreError(str(error)) from error

    def _scored(self, *asked, filter=None, **options):
        found = super()._scored(*asked, filter=self._renamed(filter), **options)
        return [self._marked(each) for each in found]

    def _beside(self, *asked, filter=None, **options):
        return self._marked(super()._beside(*asked, filter=self._renamed(filter), **options))

    def _marked(self, found):
        """With the metadata that langchain-qdrant adds."""
        added = {"_collection_name": self._name}
        return [
            (
                Document(
                    id=document.id,
                    page_content=document.page_content,
                    metadata={**document.metadata, "_id": document.id, **added},
                ),
                score,
            )
            for document, score in found
        ]

    def _renamed(self, filter: models.Filter | None) -> models.Filter | None:
        """With the keys of our payload."""
        if filter is None:
            return None
        conditions = []
        for condition in filter.must:
            first, dot, rest = condition.key.partition(".")
            key = f"{self._keys.get(first, first)}{dot}{rest}"
            conditions.append(condition.model_copy(update={"key": key}))
        return models.Filter(must=conditions)


langchain_qdrant.QdrantVectorStore = QdrantVectorStore
langchain_qdrant.qdrant.QdrantVectorStore = QdrantVectorStore
