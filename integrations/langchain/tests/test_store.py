"""The vector store: what LangChain's suite leaves open, and what must be refused."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.indexing import InMemoryRecordManager
from langchain_core.indexing import index as run_indexing
from langchain_trivet import TrivetEmbeddings, TrivetRetriever, TrivetVectorStore
from loops import Gate

import trivet
from trivet.errors import (
    EmbeddingError,
    InvalidDocumentError,
    InvalidFilterError,
    InvalidInputError,
    InvalidPlanError,
    SpaceMismatchError,
    UnknownKeywordError,
    UnknownModeError,
)

LONG = " ".join(f"sentence {i} of a long story about ships." for i in range(60))
DOCUMENTS = [
    Document(id="kedge", page_content="A kedge is a light anchor.", metadata={"part": "gear"}),
    Document(id="a/b c", page_content="Leeway is sideways drift.", metadata={"n": [1, 2.5, None]}),
    Document(page_content="A fathom is six feet.", metadata={"deep": {"er": True}}),
    Document(id="long", page_content=LONG),
]


@pytest.fixture
def store(index: trivet.Index) -> TrivetVectorStore:
    made = TrivetVectorStore(index=index)
    made.add_documents(copy.deepcopy(DOCUMENTS))
    return made


class Directions(Embeddings):
    """Unit vectors in a plane, at the angle (degrees) that a text names."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        # What names no angle is a text that the index knows its model again by.
        angles = [np.deg2rad(float(text) if text.isdigit() else len(text)) for text in texts]
        return [[float(np.cos(angle)), float(np.sin(angle))] for angle in angles]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def test_documents_come_back_whole_and_equal(store: TrivetVectorStore) -> None:
    before = copy.deepcopy(DOCUMENTS)
    ids = store.add_documents(before)
    assert before == DOCUMENTS
    assert ids[:2] == ["kedge", "a/b c"]
    assert store.index.count() == 4
    expected = {d.id or ids[2]: (d.page_content, d.metadata) for d in DOCUMENTS}
    found = store.similarity_search("a long story about ships", k=10)
    assert {d.id: (d.page_content, d.metadata) for d in found} == expected
    assert {d.id: (d.page_content, d.metadata) for d in store.get_by_ids(ids)} == expected


def test_the_core_reads_what_langchain_wrote_and_back(store: TrivetVectorStore) -> None:
    (document,) = store.index.get(["kedge"])
    assert document == trivet.Document(
        "A kedge is a light anchor.", "kedge", metadata={"part": "gear"}
    )
    store.index.add(["The bilge collects water."], ids=["bilge"], metadatas=[{"part": "hull"}])
    assert store.get_by_ids(["bilge"]) == [
        Document(id="bilge", page_content="The bilge collects water.", metadata={"part": "hull"})
    ]


def test_documents_without_ids_are_told_apart_by_their_metadata(index: trivet.Index) -> None:
    store = TrivetVectorStore(index=index)
    same = [Document(page_content="Copyright.", metadata={"page": page}) for page in (1, 2, 1)]
    ids = store.add_documents(same)
    assert ids[0] == ids[2] != ids[1]
    assert index.count() == 2
    assert store.add_texts(["Copyright."], [{"page": 1}]) == ids[:1]
    assert index.count() == 2


def test_ids_that_are_given_go_before_the_documents_own(index: trivet.Index) -> None:
    store = TrivetVectorStore(index=index)
    ids = store.add_documents(copy.deepcopy(DOCUMENTS[:3]), ids=["x", None, "y"])
    assert ids == ["x", "a/b c", "y"]
    assert [d.id for d in store.get_by_ids(ids)] == ids


@pytest.mark.parametrize("key_encoder", ["sha256", "blake2b"])
def test_langchains_indexing_adds_skips_and_cleans_up(
    index: trivet.Index, key_encoder: str
) -> None:
    store, records = TrivetVectorStore(index=index), InMemoryRecordManager(namespace="n")
    records.create_schema()

    def run(texts: list[str]) -> dict:
        documents = [Document(page_content=t, metadata={"source": t}) for t in texts]
        return run_indexing(
            documents, records, store, cleanup="full", source_id_key="source",
            key_encoder=key_encoder, batch_size=2,
        )  # fmt: skip

    assert run(["one", "two", "three"])["num_added"] == 3
    again = run(["one", "two", "four"])
    assert (again["num_added"], again["num_skipped"], again["num_deleted"]) == (1, 2, 1)
    assert index.count() == 3


def test_scores_and_filters_reach_the_search(store: TrivetVectorStore) -> None:
    expected = [(hit.id, hit.score) for hit in store.index.search("anchor", k=3)]
    found = store.similarity_search_with_score("anchor", k=3)
    assert [(d.id, score) for d, score in found] == expected
    only = store.similarity_search("anchor", k=10, filter={"part": "gear"})
    assert [d.id for d in only] == ["kedge"]
    dense = store.similarity_search_with_score("anchor", k=2, modes=["dense"])
    assert [score for _, score in dense] == [
        hit.score for hit in store.index.search("anchor", k=2, modes=["dense"])
    ]


async def test_asynchronous_searches_find_the_same(store: TrivetVectorStore) -> None:
    assert await store.asimilarity_search("anchor", k=3) == store.similarity_search("anchor", k=3)
    scored = store.similarity_search_with_score("anchor", k=3)
    assert await store.asimilarity_search_with_score("anchor", k=3) == scored
    relevant = store.similarity_search_with_relevance_scores("anchor", k=3, score_threshold=0.1)
    assert relevant == await store.asimilarity_search_with_relevance_scores(
        "anchor", k=3, score_threshold=0.1
    )
    diverse = store.max_marginal_relevance_search("anchor", k=2, lambda_mult=0.3)
    assert diverse == await store.amax_marginal_relevance_search("anchor", k=2, lambda_mult=0.3)
    assert await store.aadd_documents([Document(id="x", page_content="new")]) == ["x"]
    assert [d.id for d in await store.aget_by_ids(["x"])] == ["x"]
    assert await store.adelete(["x"])
    assert await store.aget_by_ids(["x"]) == []


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


def test_scores_that_are_not_calibrated_have_no_threshold(store: TrivetVectorStore) -> None:
    for keywords in ({"plan": "rrf"}, {"plan": "dbsf"}, {"modes": ["sparse"]}):
        with pytest.raises(InvalidPlanError, match="whatever else is found"):
            store.similarity_search_with_relevance_scores("anchor", **keywords)
    found = store.similarity_search_with_relevance_scores("anchor", k=4)
    assert all(0 <= score <= 1 for _, score in found)


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


def test_from_texts_and_from_documents_fill_a_store() -> None:
    fake = DeterministicFakeEmbedding(size=6)
    store = TrivetVectorStore.from_texts(["a", "b"], fake, ids=["1", "2"], location=":memory:")
    assert store.index.count() == 2
    store.close()
    made = TrivetVectorStore.from_documents(DOCUMENTS, fake, location=":memory:")
    assert made.index.count() == 4
    made.close()


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


def test_unknown_keywords_are_refused(store: TrivetVectorStore) -> None:
    calls: list[Callable[..., object]] = [
        lambda **k: store.add_documents([], **k),
        lambda **k: store.add_texts([], **k),
        lambda **k: store.delete([], **k),
        lambda **k: store.similarity_search("a", **k),
        lambda **k: store.similarity_search_with_score("a", **k),
        lambda **k: store.similarity_search_with_relevance_scores("a", **k),
        lambda **k: store.max_marginal_relevance_search("a", **k),
        lambda **k: store.as_retriever().invoke("a", **k),
        lambda **k: store.as_retriever().batch(["a"], **k),
    ]
    for call in calls:
        with pytest.raises(UnknownKeywordError, match="filer"):
            call(filer={"part": "gear"})


@pytest.mark.parametrize(
    ("search_type", "unknown"),
    [
        ("similarity", "score_threshold"),
        ("similarity", "lambda_mult"),
        ("mmr", "score_threshold"),
        ("similarity_score_threshold", "fetch_k"),
    ],
)
def test_a_keyword_of_another_search_type_is_refused(store, search_type, unknown) -> None:
    wanted = {"score_threshold": 0.1} if search_type == "similarity_score_threshold" else {}
    retriever = store.as_retriever(
        search_type=search_type,
        search_kwargs={**wanted, unknown: 9 if unknown == "fetch_k" else 0.9},
    )
    for ask in (retriever.invoke, lambda query: retriever.batch([query])):
        with pytest.raises(UnknownKeywordError, match=unknown):
            ask("anchor")


async def test_a_search_type_that_does_not_exist_is_refused(store: TrivetVectorStore) -> None:
    assert store.search("anchor", "similarity") == await store.asearch("anchor", "similarity")
    for ask in (store.search, store.search_many_by_type):
        with pytest.raises(InvalidInputError, match="search_type"):
            ask("anchor", "hybrid")
    with pytest.raises(InvalidInputError, match="search_type"):
        await store.asearch("anchor", "hybrid")


def test_values_of_another_kind_are_refused_by_what_was_expected(store: TrivetVectorStore) -> None:
    circular: dict[str, object] = {}
    circular["itself"] = circular
    calls: list[Callable[[], object]] = [
        lambda: store.add_texts("anchor"),
        lambda: store.add_texts(["a", None]),
        lambda: store.add_texts(["a"], [None]),
        lambda: store.add_texts(["a"], [{1: 2, "b": 3}]),
        lambda: store.add_texts(["a"], [circular]),
        lambda: store.similarity_search_by_vector("anchor"),
        lambda: store.similarity_search_by_vector(["a", "b"]),
        lambda: store.similarity_search_by_vector([[1.0, 2.0], [3.0]]),
        lambda: store.similarity_search_with_relevance_scores("a", score_threshold="0.5"),
        lambda: store.similarity_search_with_relevance_scores("a", score_threshold=2),
        lambda: store.max_marginal_relevance_search("a", fetch_k=0),
        lambda: store.max_marginal_relevance_search("a", fetch_k="20"),
    ]
    before = store.index.count()
    for call in calls:
        with pytest.raises(InvalidInputError, match="expected"):
            call()
    assert store.index.count() == before


def test_a_search_does_not_count_the_index(store: TrivetVectorStore, monkeypatch) -> None:
    def counted(index: trivet.Index) -> None:
        raise AssertionError("a search reads sizes that nobody asked for")

    vector = store.index.vectors(["kedge"]).dense.values[0].tolist()
    monkeypatch.setattr(trivet.Index, "describe", counted)
    assert store.as_retriever().invoke("anchor")
    assert store.similarity_search_by_vector(vector, k=1)[0].id == "kedge"


def test_what_cannot_mean_anything_is_refused(store: TrivetVectorStore) -> None:
    before = store.index.count()
    twice = [Document(id="x", page_content=text) for text in "ab"]
    with pytest.raises(InvalidInputError, match="distinct"):
        store.add_documents(twice, batch_size=1)
    with pytest.raises(InvalidInputError, match="as many ids"):
        store.add_texts(["a", "b"], ids=["1"])
    with pytest.raises(InvalidInputError, match="as many metadatas"):
        store.add_texts(["a", "b"], [{}])
    with pytest.raises(InvalidInputError, match="batch_size"):
        store.add_texts(["a"], batch_size=0)
    with pytest.raises(InvalidDocumentError):
        store.add_texts(["a"], [{"when": object()}])
    with pytest.raises(InvalidInputError, match="name them"):
        store.delete()
    assert store.index.count() == before
    with pytest.raises(UnknownModeError):
        store.similarity_search("a", modes=["hybrid"])
    with pytest.raises(UnknownModeError):
        store.similarity_search("a", modes=["multi"])
    with pytest.raises(InvalidFilterError):
        store.similarity_search("a", filter="part = gear")
    with pytest.raises(ValueError, match="search_type"):
        store.as_retriever(search_type="hybrid")
    assert store.similarity_search("anchor", k=3, filter={"no such field": 1}) == []


def test_an_empty_store_finds_nothing(index: trivet.Index) -> None:
    store = TrivetVectorStore(index=index)
    assert store.similarity_search("anchor", k=50) == []
    assert store.add_texts([]) == []
    assert store.as_retriever().batch([]) == []


def test_one_of_location_and_index_is_given(index: trivet.Index) -> None:
    with pytest.raises(InvalidInputError, match="neither"):
        TrivetVectorStore()
    with pytest.raises(InvalidInputError, match="both"):
        TrivetVectorStore(location=":memory:", index=index)
    with pytest.raises(InvalidInputError, match="beside an index"):
        TrivetVectorStore(index=index, modes=["dense"])
    with pytest.raises(InvalidInputError, match="LangChain Embeddings"):
        TrivetVectorStore(location=":memory:", embedding="model")


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


def test_repr_is_short(store: TrivetVectorStore) -> None:
    assert repr(store) == f"TrivetVectorStore({store.index!r})"
    assert "page_content" not in repr(store.as_retriever())
