"""The vector store over any embeddings: cosines, vectors, batches, and what fails in them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_trivet import TrivetEmbeddings, TrivetRetriever, TrivetVectorStore
from loops import Gate

import trivet
from trivet.errors import EmbeddingError, InvalidInputError, SpaceMismatchError, UnknownKeywordError


class Directions(Embeddings):
    """Unit vectors in a plane, at the angle (degrees) that a text names."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        # What names no angle is a text that the index knows its model again by.
        angles = [np.deg2rad(float(text) if text.isdigit() else len(text)) for text in texts]
        return [[float(np.cos(angle)), float(np.sin(angle))] for angle in angles]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@pytest.fixture
def plane(location: str) -> Iterator[TrivetVectorStore]:
    """Directions at 10, 12 and 60 degrees from the query "0"."""
    store = TrivetVectorStore(location=location, embedding=Directions(), modes=["dense"])
    store.add_texts(["10", "12", "60"], ids=["10", "12", "60"])
    yield store
    store.close()


def test_mmr_is_the_right_way_round(plane: TrivetVectorStore) -> None:
    def chosen(lambda_mult: float) -> list[str | None]:
        found = plane.max_marginal_relevance_search("0", k=2, fetch_k=3, lambda_mult=lambda_mult)
        return [document.id for document in found]

    assert chosen(1.0) == ["10", "12"]  # the most relevant alone
    assert chosen(0.1) == ["10", "60"]  # the most different


def test_a_vector_finds_what_its_text_finds(plane: TrivetVectorStore) -> None:
    # As long as it likes: only its direction counts.
    vector = [3.0, 0.0]
    assert plane.similarity_search_by_vector(vector, k=2) == plane.similarity_search("0", k=2)
    found = plane.similarity_search_with_score_by_vector(vector, k=3)
    cosines = [np.cos(np.deg2rad(angle)) for angle in (10, 12, 60)]
    assert [score for _, score in found] == pytest.approx(cosines, abs=1e-5)
    diverse = plane.max_marginal_relevance_search_by_vector(vector, k=2, lambda_mult=0.1)
    assert [document.id for document in diverse] == ["10", "60"]
    assert plane.similarity_search_by_vector(vector, filter={"no such": 1}) == []
    for wrong in ([1.0], [1.0, 2.0, 3.0], [0.0, 0.0], [float("nan"), 1.0], [[1.0, 0.0]]):
        with pytest.raises(InvalidInputError):
            plane.similarity_search_by_vector(wrong)
    with pytest.raises(UnknownKeywordError):
        plane.similarity_search_by_vector(vector, modes=["dense"])


def test_a_threshold_is_the_cosines(plane: TrivetVectorStore) -> None:
    found = plane.similarity_search_with_relevance_scores("0", k=3, score_threshold=0.9)
    assert [document.id for document, _ in found] == ["10", "12"]
    cosines = [np.cos(np.deg2rad(angle)) for angle in (10, 12)]
    assert [score for _, score in found] == pytest.approx(cosines, abs=1e-5)
    opposite = plane.similarity_search_with_relevance_scores("180", k=1, filter=None)
    assert all(0 <= score <= 1 for _, score in opposite)


def test_any_embeddings_are_known_again(location: str) -> None:
    store = TrivetVectorStore(location=location, embedding=DeterministicFakeEmbedding(size=6))
    store.add_texts(["foo"], ids=["foo"])
    assert isinstance(store.embeddings, DeterministicFakeEmbedding)
    store.close()
    if location != ":memory:":
        again = TrivetVectorStore(location=location, embedding=DeterministicFakeEmbedding(size=6))
        assert [d.id for d in again.similarity_search("foo")] == ["foo"]
        again.close()
        with pytest.raises(SpaceMismatchError):
            TrivetVectorStore(location=location, embedding=DeterministicFakeEmbedding(size=7))


def test_trivets_own_embeddings_bring_all_their_legs(tiny_embedder: trivet.Embedder) -> None:
    embedding = TrivetEmbeddings(model=tiny_embedder)
    store = TrivetVectorStore(location=":memory:", embedding=embedding)
    store.add_texts(["A kedge is a light anchor."])
    assert [space.mode for space in store.index.describe().spaces] == ["dense", "sparse", "multi"]
    store.close()


@pytest.mark.parametrize("search_type", ["similarity", "mmr", "similarity_score_threshold"])
def test_a_batch_is_one_pass(location: str, search_type: str) -> None:
    embedding = Directions()
    store = TrivetVectorStore(location=location, embedding=embedding, modes=["dense"])
    store.add_texts(["10", "50", "90"], ids=["10", "50", "90"])
    retriever = store.as_retriever(
        search_type=search_type,
        search_kwargs={"k": 1, **({"score_threshold": 0.5} if "threshold" in search_type else {})},
    )
    one_by_one = [retriever.invoke(query) for query in ("9", "88")]
    asked = []
    search_many = store.index.search_many
    store.index.search_many = lambda queries, **options: (
        asked.append(list(queries)) or search_many(queries, **options)
    )
    assert retriever.batch(["9", "88"]) == one_by_one
    assert len(asked) == 1
    store.close()


class Slow(Directions):
    """Waits at a gate over 9 and over 30."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if texts[0] in ("9", "30"):
            self._gate()
        return super().embed_documents(texts)


async def test_a_slow_search_leaves_the_event_loop_ticking(location: str) -> None:
    gate = Gate()
    store = TrivetVectorStore(location=location, embedding=Slow(gate), modes=["dense"])
    store.add_texts(["10", "50"], ids=["10", "50"])
    retriever = TrivetRetriever(index=store.index)
    searches = [
        lambda: store.asimilarity_search("9"),
        lambda: store.asimilarity_search_with_score("9"),
        lambda: store.amax_marginal_relevance_search("9"),
        lambda: store.as_retriever().ainvoke("9"),
        lambda: store.as_retriever().abatch(["9"]),
        lambda: retriever.ainvoke("9"),
        lambda: retriever.abatch(["9"]),
        lambda: store.aadd_documents([Document(id="30", page_content="30")]),
    ]
    for search in searches:
        assert await gate.passed_by(search())
    store.close()


class Failing(Directions):
    """Fails for good at the third text."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if "30" in texts:
            raise ValueError("wrong key")
        return super().embed_documents(texts)


def test_an_embedder_that_fails_in_the_middle_loses_nothing(location: str) -> None:
    embedding = Failing()
    store = TrivetVectorStore(location=location, embedding=embedding, modes=["dense"])
    store.add_texts(["10", "20"], ids=["a", "b"])
    with pytest.raises(EmbeddingError, match="wrong key"):
        store.add_texts(["11", "30", "40"], ids=["a", "b", "c"], batch_size=1)
    assert [(d.id, d.page_content) for d in store.get_by_ids(["a", "b", "c"])] == [
        ("a", "11"),
        ("b", "20"),
    ]
    store.close()


def test_embeddings_that_cannot_be_called_are_named(location: str) -> None:
    class Broken(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise ValueError("no key")

        def embed_query(self, text: str) -> list[float]:
            raise ValueError("no key")

    with pytest.raises(EmbeddingError, match=r"Broken.*no key"):
        TrivetVectorStore(location=location, embedding=Broken())


def test_a_cache_that_takes_queries_for_documents_is_refused() -> None:
    class Cached(Directions):
        """As LangChain's CacheBackedEmbeddings keeps its stores."""

        def __init__(self, documents: object, queries: object) -> None:
            self.document_embedding_store = documents
            self.query_embedding_store = queries

    one = object()
    with pytest.raises(InvalidInputError, match="one cache for both"):
        TrivetVectorStore(location=":memory:", embedding=Cached(one, one))
    for queries in (None, object()):
        TrivetVectorStore(location=":memory:", embedding=Cached(one, queries)).close()
