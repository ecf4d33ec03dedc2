"""Search against an oracle that computes cosine, BM25 and their fusion by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest

import trivet
from trivet import Document

WORDS = "anchor sail wind wave tide storm harbour rope chain mast deck crew captain port".split()


def corpus(n: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(3, 12))) + f" number {i}" for i in range(n)]


def oracle_bm25(query: str, texts: list[str], average: float) -> np.ndarray:
    """BM25 with Qdrant's IDF, over words that no stemmer or stop list touches."""
    documents = [text.split() for text in texts]
    scores = np.zeros(len(texts))
    for term in set(query.split()):
        having = sum(term in document for document in documents)
        idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        for i, document in enumerate(documents):
            tf = document.count(term)
            norm = 1 - 0.75 + 0.75 * len(document) / average
            scores[i] += idf * tf * 2.2 / (tf + 1.2 * norm) if tf else 0.0
    return scores


def oracle_dense(query: str, texts: list[str], embedder: trivet.Embedder) -> np.ndarray:
    documents = embedder.embed_documents(texts).dense.values.astype(np.float64)
    vector = embedder.embed_queries([query]).dense.values[0].astype(np.float64)
    return documents @ vector / np.linalg.norm(documents, axis=1) / np.linalg.norm(vector)


QUERIES = ["anchor", "wind wave", "captain deck rope", "storm 17", "zebra crossing"]
# Stemming leaves these words as they are or maps them one to one; "number" and digits likewise.


@pytest.mark.parametrize("query", QUERIES)
def test_scores_are_those_of_the_oracle(
    index: trivet.Index, tiny_embedder: trivet.Embedder, query: str
) -> None:
    texts = corpus(60)
    index.add(texts, ids=[str(i) for i in range(60)])
    average = np.mean([len(text.split()) for text in texts])
    index.search(query)  # which finds the floor
    floor = index.describe().dense_floor
    cosine = oracle_dense(query, texts, tiny_embedder)
    bm25 = oracle_bm25(query, texts, round(float(average), 2))
    hybrid = 0.59 * np.maximum(cosine, floor) + 0.01 * cosine + 0.4 * bm25 / (bm25 + 10)
    for modes, expected in ((["dense"], cosine), (["sparse"], bm25), (None, hybrid)):
        hits = index.search(query, k=10, modes=modes)
        best = np.sort(expected[expected > 0])[::-1][:10]
        assert len(hits) == len(best)
        np.testing.assert_allclose([hit.score for hit in hits], best, atol=2e-4)
        for hit in hits:
            assert expected[int(hit.id)] == pytest.approx(hit.score, abs=2e-4)
            assert hit.scores.get("dense", cosine[int(hit.id)]) == pytest.approx(
                cosine[int(hit.id)], abs=2e-4
            )
            assert hit.scores.get("sparse", bm25[int(hit.id)]) == pytest.approx(
                bm25[int(hit.id)], abs=2e-4
            )
            found = bm25[int(hit.id)] > 0
            if modes != ["dense"]:
                assert ("sparse" in hit.scores) == found


def test_k_counts_documents_though_each_has_many_chunks(index: trivet.Index) -> None:
    index.add(
        [Document(f"anchor and sail of ship {n}. " * 120, str(n)) for n in range(6)]
        + [Document("a lonely wave", "last")]
    )
    hits = index.search("anchor sail ship", k=7)
    assert sorted(hit.id for hit in hits) == ["0", "1", "2", "3", "4", "5", "last"]
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
    assert len(index.search("anchor sail ship", k=7, chunks=True)) == 7
    assert len(index.search("anchor", k=3)) == 3


def test_chunks_are_read_beyond_k_where_documents_have_several(index: trivet.Index) -> None:
    asked: list[int] = []
    query = index._store.query

    def recorded(requests):
        asked.append(requests[0].limit)
        return query(requests)

    index._store.query = recorded
    index.add([Document(f"a wave number {n}", str(n)) for n in range(50)])
    index.search("anchor", k=10)
    assert asked == [18 if index._store.engine.is_near else 30]
    index.add([Document("anchor of a ship. " * 40, "long")])
    assert index.describe().chunks < 1.1 * 51
    assert "long" in [hit.id for hit in index.search("anchor wave", k=3)]
    assert len({hit.id for hit in index.search("anchor wave", k=10)}) == 10
    index.add([Document(f"anchor and wave {n}. " * 250, f"long {n}") for n in range(5)])
    before = len(asked)
    index.search("anchor", k=10)
    assert asked[before] == 30


def test_search_many_equals_search(index: trivet.Index) -> None:
    index.add(corpus(50))
    together = index.search_many(QUERIES, k=5)
    for query, hits in zip(QUERIES, together, strict=True):
        alone = index.search(trivet.Query(query), k=5)
        assert [hit.id for hit in hits] == [hit.id for hit in alone]
        np.testing.assert_allclose(
            [hit.score for hit in hits], [hit.score for hit in alone], atol=1e-5
        )
    assert index.search_many([]) == []


def test_filters_reach_every_leg(index: trivet.Index) -> None:
    from qdrant_client import models

    texts = corpus(40)
    metadatas = [{"n": i, "odd": bool(i % 2)} for i in range(40)]
    index.add(texts, metadatas=metadatas)
    own = models.Filter(must=[models.FieldCondition(key="metadata.n", range=models.Range(gte=30))])
    for modes in (None, ["dense"], ["sparse"]):
        hits = index.search("anchor wind number", k=40, filter={"odd": True}, modes=modes)
        assert hits
        assert all(hit.metadata["odd"] for hit in hits)
        hits = index.search("anchor wind number", k=40, filter=own, modes=modes)
        assert {hit.metadata["n"] for hit in hits} == set(range(30, 40))


def test_an_empty_index_answers_nothing(index: trivet.Index) -> None:
    assert index.search("anchor") == []


def test_a_query_of_stop_words_still_searches_the_dense_leg(index: trivet.Index) -> None:
    index.add(["the anchor", "a sail"])
    assert len(index.search("the of and", k=2)) == 2
    assert index.search("the of and", k=2, modes=["sparse"]) == []


def test_an_index_of_one_leg(open_index: Callable[..., trivet.Index]) -> None:
    index = open_index(modes=["sparse"])
    index.add(["the anchor", "a sail"], ids=["a", "b"])
    assert [hit.id for hit in index.search("anchors")] == ["a"]
    with pytest.raises(trivet.errors.UnknownModeError):
        index.search("anchor", modes=["dense"])


def test_a_dense_index_has_no_bm25(open_index: Callable[..., trivet.Index]) -> None:
    index = open_index(modes=["dense"])
    index.add(["the anchor", "a sail"], ids=["a", "b"])
    assert len(index.search("anchors")) == 2
    assert [space.mode for space in index.describe().spaces] == ["dense"]


def test_a_title_counts_twice_in_bm25_and_stands_before_every_chunk(index: trivet.Index) -> None:
    index.add(
        [
            Document("sail wind", "twice", "anchor"),
            Document("anchor sail wind", "once"),
            Document("wave tide " * 200, "long", "harbour"),
        ]
    )
    scores = {h.id: h.score for h in index.search("anchor", k=3, modes=["sparse"])}
    average, _ = state(index)
    idf = math.log(1 + (index.describe().chunks - 2 + 0.5) / (2 + 0.5))
    for id, tf, length in (("twice", 2, 4), ("once", 1, 3)):
        norm = 0.25 + 0.75 * length / average
        assert scores[id] == pytest.approx(idf * tf * 2.2 / (tf + 1.2 * norm), abs=1e-3)
    chunks = index.search("harbour", k=50, modes=["sparse"], chunks=True)
    assert len(chunks) == index.describe().chunks - 2 > 3


def state(index: trivet.Index) -> tuple[float, int]:
    lexical = index._store.manifest.lexical
    return lexical.average_tokens, lexical.documents


def test_the_average_length_follows_the_index(index: trivet.Index) -> None:
    index.add(["anchor sail wind wave"], ids=["first"])
    assert state(index) == (4.0, 1)
    index.add([f"anchor sail{i}" for i in range(3)])
    assert state(index) == (2.5, 4)
    # Short documents first, then long ones: the first thousand are no fair sample.
    index.add([f"anchor sail{i}" for i in range(3, 1300)])
    assert state(index)[0] == pytest.approx(2.0, abs=0.01)
    index.add([f"storm{i} " * 8 + "rope mast" for i in range(700)])
    average, documents = state(index)
    assert documents == index.count() == 2001
    assert average == pytest.approx((4 + 1300 * 2 + 700 * 10) / 2001, abs=0.01)
    spaces = {space.mode: space for space in index.describe().spaces}
    assert spaces["sparse"].facts["average_tokens"] == average
    # Everything stored before carries the new weights.
    (hit,) = index.search("wave", k=3, modes=["sparse"])
    idf = math.log(1 + (2001 - 1 + 0.5) / (1 + 0.5))
    assert hit.score == pytest.approx(idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 4 / average)), abs=1e-3)
    # One more document changes nothing that could be measured, and nothing is written anew.
    index.add(["one more anchor"])
    assert state(index) == (average, documents)
