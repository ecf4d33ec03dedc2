"""Thoughts in LangChain: of any chat model, in the retriever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_trivet import LangChainThinker, TrivetRetriever

import trivet
from trivet.thinking import Given, Thinking, ThinkRequest

TEXTS = ["a light anchor keeps the boat in place", "the bread and the oven are hot"]
QUERY = "what holds a ship"
PASSAGE = "An anchor and its chain hold the ship in place in the harbour."
ANSWER = f"PASSAGE: {PASSAGE}\nKEYWORDS: anchor, chain, harbour"


@pytest.fixture
def index(tiny_embedder: trivet.Embedder) -> Iterator[trivet.Index]:
    with trivet.open(":memory:", model=tiny_embedder) as made:
        made.add(TEXTS, ids=["a", "b"])
        yield made


async def test_any_chat_model_is_a_thinker() -> None:
    thinker = LangChainThinker(FakeListChatModel(responses=[ANSWER]))
    for result in (thinker.think(ThinkRequest(QUERY)), await thinker.athink(ThinkRequest(QUERY))):
        assert [thought.text for thought in result.thoughts] == [PASSAGE, "anchor, chain, harbour"]
        assert result.status == "ok"
        assert result.usage.output_tokens == -(-len(ANSWER) // 4)
    other = LangChainThinker(FakeListChatModel(responses=["another"]))
    assert other.fingerprint != thinker.fingerprint
    assert LangChainThinker(FakeListChatModel(responses=["x"]), name="m").fingerprint.startswith(
        "m|"
    )


class Failing(FakeListChatModel):
    def _call(self, *args, **kwargs) -> str:
        raise ConnectionError("no route to the model")


async def test_a_model_that_fails_is_a_result() -> None:
    thinker = LangChainThinker(Failing(responses=[]))
    for result in (thinker.think(ThinkRequest(QUERY)), await thinker.athink(ThinkRequest(QUERY))):
        assert result.status == "error"
        assert "no route" in result.reason


async def test_a_retriever_thinks(index: trivet.Index) -> None:
    told = []
    thinker = LangChainThinker(FakeListChatModel(responses=[ANSWER]))
    thinking = Thinking(thinker, guard=-1.0, deadline_s=60.0, tell=told.append)
    retriever = TrivetRetriever(index=index, details=True, thinker=thinking)
    expected = [hit.score for hit in index.search(QUERY, think=thinking)]
    given = Thinking(Given([PASSAGE]), guard=-1.0, deadline_s=60.0, tell=told.append)
    answers = [retriever.invoke(QUERY), await retriever.ainvoke(QUERY), retriever.batch([QUERY])[0]]
    for documents in answers:
        found = [document.metadata["_trivet"]["score"] for document in documents]
        assert found == pytest.approx(expected, abs=1e-5)
    retriever.invoke(QUERY, thinker=given)
    assert all(report.used for report in told)
    assert len(told) == 5
    plain = [hit.score for hit in index.search(QUERY)]
    assert plain != pytest.approx(expected, abs=1e-5)
