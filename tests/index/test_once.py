"""Queries and thoughts are embedded once, for both searches and for all who ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from waiting import PATIENCE_S, Arrivals, until

import trivet
from trivet.index.once import RecentVectors
from trivet.thinking import Given, Thinking, ThoughtReport

from .hits import assert_same

QUERY = "what holds a ship"
THOUGHT = "An anchor and its chain hold the ship in place against wind and tide in the harbour."
MODES = ["dense", "sparse", "multi"]


@pytest.fixture
def filled(tiny_embedder) -> Iterator[trivet.Index]:
    with trivet.open(":memory:", model=tiny_embedder, modes=MODES) as index:
        index.add([f"the {word} is near the harbour" for word in ("anchor", "boat", "storm")])
        yield index


@pytest.fixture
def embedded(filled, monkeypatch) -> list[tuple[str, list[str]]]:
    """What the model is given from here on."""
    model, seen = filled._model, []
    queries, documents = model.queries, model.documents
    filled.search(QUERY)  # whatever is done at the first search
    monkeypatch.setattr(
        model, "queries",
        lambda given, modes: seen.append(("query", [q.text for q in given])) or queries(given, modes),
    )  # fmt: skip
    monkeypatch.setattr(
        model, "documents",
        lambda given, modes: seen.append(("thought", list(given))) or documents(given, modes),
    )  # fmt: skip
    return seen


def thinking(*texts: str) -> Thinking:
    return Thinking(Given(list(texts)), guard=-1.0)


@pytest.mark.parametrize("modes", [["dense"], ["multi"], MODES])
async def test_a_query_is_embedded_once_for_both_its_searches(filled, embedded, modes) -> None:
    filled.search(QUERY, modes=modes, think=thinking(THOUGHT))
    assert embedded == [("query", [QUERY]), ("thought", [THOUGHT])] or (
        # The guard is a cosine of dense vectors, which a search of token vectors has none of.
        modes == ["multi"] and embedded[1:] == [("query", [QUERY]), ("thought", [THOUGHT])]
    )
    embedded.clear()
    await filled.asearch(QUERY, modes=["dense"], think=thinking("The boat is on the lake."))
    assert [what for what, _ in embedded] == ["query", "thought"]


def test_a_search_by_terms_embeds_its_query_for_the_guard_alone(filled, embedded) -> None:
    filled.search(QUERY, modes=["sparse"], think=Given([]))
    assert embedded == []
    filled.search(QUERY, modes=["sparse"], think=thinking(THOUGHT))
    assert embedded == [("query", [QUERY]), ("thought", [THOUGHT])]


def test_a_thought_that_comes_again_is_not_embedded_again(filled, embedded) -> None:
    told: list[ThoughtReport] = []
    chosen = Thinking(Given([THOUGHT]), guard=-1.0, tell=told.append)
    first = filled.search(QUERY, think=chosen)
    embedded.clear()
    again = filled.search(QUERY, think=chosen)
    assert embedded == [("query", [QUERY])]
    assert_same(again, first)
    assert told[0].thoughts == told[1].thoughts
    other = Thinking(Given([THOUGHT, "The boat is on the lake."]), guard=-1.0)
    filled.search(QUERY, think=other)
    assert embedded[-1] == ("thought", ["The boat is on the lake."])


def test_what_is_stored_since_does_not_hide_behind_kept_vectors(filled, embedded) -> None:
    filled.search(QUERY, think=thinking(THOUGHT))
    filled.add([THOUGHT], ids=["new"])
    hits = filled.search(QUERY, modes=["dense"], think=thinking(THOUGHT))
    assert "new" in {hit.id for hit in hits}


def test_recent_vectors_are_those_of_the_texts_and_no_more_than_fit(tiny_embedder) -> None:
    dense = tiny_embedder.only(["dense"])
    made: list[list[str]] = []

    def embed(texts):
        made.append(list(texts))
        return dense.embed_documents(list(texts))

    texts = ["the anchor", "a boat", "the storm"]
    expected = dict(zip(texts, dense.embed_documents(texts).dense.values, strict=True))
    one = expected["a boat"].nbytes
    recent, state = RecentVectors(max_bytes=2 * one), object()
    for asked in (["the anchor", "a boat"], ["a boat", "the storm", "a boat"], ["the anchor"]):
        found = recent.of(state, ["dense"], asked, embed)
        for text, vector in zip(asked, found.dense.values, strict=True):
            np.testing.assert_allclose(vector, expected[text], atol=1e-6)
    # The anchor had to go for the storm.
    assert made == [["the anchor", "a boat"], ["the storm"], ["the anchor"]]
    recent.of(object(), ["dense"], ["the anchor"], embed)  # another state of the index
    assert made[-1] == ["the anchor"]
    assert len(made) == 4


def test_searches_of_many_threads_that_think_share_their_passes(filled) -> None:
    worker = filled._shared.worker
    real, sizes = worker._answer_all, []
    begun, go_on = threading.Event(), threading.Event()

    def answer(asked):
        sizes.append(len(asked))
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return real(asked)

    worker._answer_all = answer
    chosen = Thinking(Given([]), guard=-1.0, deadline_s=PATIENCE_S)
    with ThreadPoolExecutor(40) as pool:
        first = pool.submit(filled.search, QUERY, think=chosen)
        assert begun.wait(PATIENCE_S)
        arrivals = Arrivals(worker)
        rest = [pool.submit(filled.search, f"{QUERY} {n}", think=chosen) for n in range(30)]
        until(lambda: arrivals.count == 30)
        go_on.set()
        assert first.result(PATIENCE_S)
        assert all(each.result(PATIENCE_S) for each in rest)
    assert sizes == [1, 30]


def test_searches_that_ask_the_same_are_one_request_and_have_hits_of_their_own(
    filled, monkeypatch
) -> None:
    plain, boat = filled.search(QUERY, k=2), filled.search("boat", k=2)
    real, sizes = filled._store.query, []
    monkeypatch.setattr(filled._store, "query", lambda r: sizes.append(len(r)) or real(r))
    filled.search(QUERY, k=2)
    one = sizes.pop()
    first, other, again = filled.search_many([QUERY, "boat", QUERY], k=2)
    assert sizes == [2 * one]
    assert first == again
    assert [hit.id for hit in first] == [hit.id for hit in plain]
    assert [hit.id for hit in other] == [hit.id for hit in boat]
    again[0].metadata["seen"] = True
    assert "seen" not in first[0].metadata


async def test_searches_that_ask_otherwise_or_thought_otherwise_share_nothing(filled) -> None:
    other = "The boat is on the lake near the harbour of the village."
    asked = [{}, {"k": 1}, {"think": thinking(THOUGHT)}, {"think": thinking(other)}]
    alone = [filled.search(QUERY, **each) for each in asked]
    found = await asyncio.gather(*(filled.asearch(QUERY, **each) for each in asked))
    for one, two in zip(alone, found, strict=True):
        assert [hit.id for hit in one] == [hit.id for hit in two]
        assert [h.score for h in one] == pytest.approx([h.score for h in two], abs=1e-5)
