"""Thoughts in LlamaIndex: of any LLM, and those that a query brings along."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from llama_index.core.llms import MockLLM
from llama_index.core.schema import QueryBundle, TextNode
from llama_index.retrievers.trivet import LlamaIndexThinker, TrivetRetriever
from llama_index.vector_stores.trivet import TrivetVectorStore

import trivet
from trivet.thinking import Given, Thinking, ThinkRequest

TEXTS = {
    "a": "a light anchor keeps the boat in place",
    "b": "the bread and the oven are hot",
    "c": "the storm drove the ship sideways",
}
QUERY = "what holds a ship"
THOUGHT = "An anchor and its chain hold the ship in place in the harbour."


@pytest.fixture
def store(tiny_embedder: trivet.Embedder) -> Iterator[TrivetVectorStore]:
    with trivet.open(":memory:", model=tiny_embedder) as index:
        made = TrivetVectorStore(index=index)
        made.add([TextNode(id_=id, text=text) for id, text in TEXTS.items()])
        yield made


def scores(nodes) -> dict[str, float]:
    return {node.node.node_id: node.score for node in nodes}


async def test_any_llm_is_a_thinker() -> None:
    thinker = LlamaIndexThinker(MockLLM())  # which repeats its prompt
    for result in (thinker.think(ThinkRequest(QUERY)), await thinker.athink(ThinkRequest(QUERY))):
        assert result.usage.calls == 1
        assert result.status in ("ok", "partial", "error")
    assert LlamaIndexThinker(MockLLM(max_tokens=5)).fingerprint != thinker.fingerprint


async def test_a_retriever_thinks(store: TrivetVectorStore) -> None:
    told = []
    thinking = Thinking(Given([THOUGHT]), guard=-1.0, deadline_s=60.0, tell=told.append)
    retriever = TrivetRetriever(store, thinker=thinking)
    expected = {hit.id: hit.score for hit in store.client.search(QUERY, k=2, think=thinking)}
    told.clear()
    answers = [
        retriever.retrieve(QUERY),
        await retriever.aretrieve(QUERY),
        retriever.batch([QUERY])[0],
    ]
    for nodes in answers:
        assert scores(nodes) == pytest.approx(expected, abs=1e-5)
    assert [report.used for report in told] == [True, True, True]
    assert expected != pytest.approx(scores(TrivetRetriever(store).retrieve(QUERY)), abs=1e-5)


async def test_custom_embedding_strings_are_thoughts(store: TrivetVectorStore) -> None:
    told = []
    never = Thinking(Given([]), guard=-1.0, deadline_s=60.0, tell=told.append)
    retriever = TrivetRetriever(store, thinker=never)
    bundle = QueryBundle(QUERY, custom_embedding_strs=[THOUGHT, QUERY, None])
    think = Thinking(Given([THOUGHT]), guard=-1.0, deadline_s=60.0)
    expected = {hit.id: hit.score for hit in store.client.search(QUERY, k=2, think=think)}
    plain = scores(TrivetRetriever(store).retrieve(QUERY))
    one, other = retriever.batch([bundle, QUERY])
    assert scores(one) == pytest.approx(expected, abs=1e-5)
    assert scores(other) == pytest.approx(plain, abs=1e-5)
    assert scores(await retriever.aretrieve(bundle)) == pytest.approx(expected, abs=1e-5)
    assert bundle.custom_embedding_strs == [THOUGHT, QUERY, None]
    assert sorted(report.used for report in told) == [False, True, True]
