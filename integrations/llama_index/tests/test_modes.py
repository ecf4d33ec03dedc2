"""LlamaIndex's query modes: each works as it says, or raises."""

from __future__ import annotations

import numpy as np
import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from llama_index.embeddings.trivet import TrivetEmbedding
from llama_index.vector_stores.trivet import TrivetVectorStore

import trivet
from trivet.errors import InvalidInputError, InvalidPlanError, TrivetError, UnknownModeError

TEXTS = {
    "kedge": "A kedge is a light anchor.",
    "bower": "A bower is the main anchor of a ship.",
    "leeway": "Leeway is sideways drift.",
    "sheet": "A sheet is a rope that trims a sail.",
    "tide": "The tide turns twice a day.",
}
WORKING = {"default", "sparse", "text_search", "hybrid", "mmr"}


@pytest.fixture(scope="module")
def store(tiny_embedder: trivet.Embedder):
    made = TrivetVectorStore(location=":memory:", embedding=tiny_embedder.only(["dense"]))
    made.add([TextNode(id_=id, text=text) for id, text in TEXTS.items()])
    yield made
    made.close()


@pytest.fixture(scope="module")
def three_legs(tiny_embedder: trivet.Embedder):
    made = TrivetVectorStore(location=":memory:", embedding=TrivetEmbedding(tiny_embedder))
    assert [space.mode for space in made.client.spaces] == ["dense", "sparse", "multi"]
    made.add([TextNode(id_=id, text=text) for id, text in TEXTS.items()])
    yield made
    made.close()


def ask(mode: str, text: str = "anchor of a ship", k: int = 5, **more) -> VectorStoreQuery:
    return VectorStoreQuery(query_str=text, similarity_top_k=k, mode=mode, **more)


def cosines(embedder: trivet.Embedder, query: str) -> dict[str, float]:
    documents = embedder.embed_documents(list(TEXTS.values())).dense
    [asked] = embedder.embed_queries([query]).dense.values
    return dict(zip(TEXTS, (documents.values @ asked).tolist(), strict=True))


def by_value(values: dict[str, float]) -> list[str]:
    return sorted(values, key=lambda id: -values[id])


@pytest.mark.parametrize("mode", list(VectorStoreQueryMode))
async def test_every_mode_works_or_raises(store: TrivetVectorStore, mode) -> None:
    if mode.value in WORKING:
        assert store.query(ask(mode)).ids
        assert (await store.aquery(ask(mode))).ids == store.query(ask(mode)).ids
    else:
        with pytest.raises(UnknownModeError):
            store.query(ask(mode))
        with pytest.raises(UnknownModeError):
            await store.aquery(ask(mode))


def test_a_mode_that_does_not_exist_is_refused(store: TrivetVectorStore) -> None:
    with pytest.raises(UnknownModeError, match="fuzzy"):
        store.query(ask("fuzzy"))


def test_default_is_the_plan_of_the_index(store: TrivetVectorStore) -> None:
    hits = store.client.search("anchor of a ship", k=5)
    found = store.query(ask("default"))
    assert found.ids == [hit.id for hit in hits]
    assert found.similarities == [hit.score for hit in hits]


def test_sparse_and_text_search_find_words_alone(store: TrivetVectorStore) -> None:
    for mode in ("sparse", "text_search"):
        assert set(store.query(ask(mode, "anchor")).ids) == {"kedge", "bower"}


@pytest.mark.parametrize(("alpha", "leg"), [(0.0, "sparse"), (1.0, "dense")])
async def test_alpha_of_0_and_1_leaves_one_leg(store: TrivetVectorStore, alpha, leg) -> None:
    expected = [hit.id for hit in store.client.search("anchor of a ship", k=5, modes=[leg])]
    assert store.query(ask("hybrid", alpha=alpha)).ids == expected
    assert (await store.aquery(ask("hybrid", alpha=alpha))).ids == expected


def test_alpha_weighs_the_legs(store: TrivetVectorStore) -> None:
    found = store.query(ask("hybrid", "anchor", alpha=0.3))
    plan = trivet.Plan(weights={"dense": 0.3, "sparse": 0.7})
    expected = store.client.search("anchor", k=5, plan=plan)
    assert found.ids == [hit.id for hit in expected]
    np.testing.assert_allclose(found.similarities, [hit.score for hit in expected], rtol=1e-6)


def test_mmr_is_as_llama_index_defines_it(store, tiny_embedder: trivet.Embedder) -> None:
    query, threshold = "anchor of a ship", 0.4
    vectors = dict(
        zip(TEXTS, tiny_embedder.embed_documents(list(TEXTS.values())).dense.values, strict=True)
    )
    to_query = cosines(tiny_embedder, query)
    chosen: list[str] = []
    while len(chosen) < 4:
        left = [id for id in TEXTS if id not in chosen]

        def worth(id: str) -> float:
            near = max((float(vectors[id] @ vectors[other]) for other in chosen), default=0.0)
            return threshold * to_query[id] - (1 - threshold) * near

        chosen.append(max(left, key=worth))
    assert store.query(ask("mmr", query, 4, mmr_threshold=threshold)).ids == chosen
    by_keyword = store.query(ask("mmr", query, 4), mmr_threshold=threshold)
    assert by_keyword.ids == chosen
    assert store.query(ask("mmr", query, 4, mmr_threshold=1.0)).ids == by_value(to_query)[:4]


def test_semantic_hybrid_orders_by_token_vectors(three_legs, tiny_embedder) -> None:
    query = "anchor of a ship"
    [asked] = tiny_embedder.embed_queries([query]).multi.values
    documents = tiny_embedder.embed_documents(list(TEXTS.values())).multi.values
    maxsim = {
        id: float((asked @ tokens.T).max(axis=1).sum())
        for id, tokens in zip(TEXTS, documents, strict=True)
    }
    assert three_legs.query(ask("semantic_hybrid", query)).ids[0] == by_value(maxsim)[0]
    assert set(three_legs.query(ask("semantic_hybrid", query)).ids) == set(TEXTS)


def test_top_ks_of_the_legs_are_honoured(store: TrivetVectorStore) -> None:
    assert len(store.query(ask("hybrid", k=1, hybrid_top_k=3)).ids) == 3
    assert len(store.query(ask("sparse", "anchor", k=1, sparse_top_k=2)).ids) == 2
    assert len(store.query(ask("hybrid", k=2, sparse_top_k=1)).ids) == 2


MEANINGLESS = [
    (ask("default", alpha=0.5), InvalidInputError, "alpha"),
    (ask("mmr", alpha=0.5), InvalidInputError, "alpha"),
    (ask("default", sparse_top_k=5), InvalidInputError, "sparse_top_k"),
    (ask("sparse", hybrid_top_k=5), InvalidInputError, "hybrid_top_k"),
    (ask("default", mmr_threshold=0.5), InvalidInputError, "mmr_threshold"),
    (ask("hybrid", alpha=1.5), InvalidInputError, "alpha"),
    (ask("mmr", mmr_threshold=2.0), InvalidPlanError, "relevance"),
    (ask("default", k=0), InvalidInputError, "k"),
    (ask("hybrid", k=20_000), InvalidInputError, "20000"),
]


@pytest.mark.parametrize(("query", "error", "words"), MEANINGLESS)
def test_a_query_that_means_nothing_is_refused(
    store: TrivetVectorStore, query: VectorStoreQuery, error: type[TrivetError], words: str
) -> None:
    with pytest.raises(error, match=words):
        store.query(query)


def test_modes_of_a_store_choose_the_legs(store: TrivetVectorStore) -> None:
    narrow = TrivetVectorStore(index=store.client, modes=["sparse"])
    assert set(narrow.query(ask("default", "anchor")).ids) == {"kedge", "bower"}
    with pytest.raises(UnknownModeError):
        TrivetVectorStore(index=store.client, modes=["multi"]).query(ask("default"))


def test_modes_need_their_legs(tiny_embedder: trivet.Embedder) -> None:
    dense = TrivetVectorStore(location=":memory:", embedding=tiny_embedder, modes=["dense"])
    for mode in ("sparse", "text_search", "hybrid", "semantic_hybrid"):
        with pytest.raises(UnknownModeError, match="leg"):
            dense.query(ask(mode))
    assert dense.query(ask("mmr")).ids == []
    dense.close()
