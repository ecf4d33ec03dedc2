"""What a query says of its task and instruction reaches the model, and no other collection."""

from __future__ import annotations

import numpy as np
import pytest

import trivet
from trivet.errors import InstructionError, SpaceMismatchError, UnknownTaskError

DOCUMENTS = [
    trivet.Document("a kedge is a light anchor", id="kedge"),
    trivet.Document("bread and milk are food", id="bread"),
]


def test_an_instruction_changes_what_is_searched_with(tiny_model):
    embedder = trivet.Embedder.load(tiny_model, prompts={"query": "find {instruction}: {text}"})
    with trivet.open(":memory:", model=embedder, modes=["dense"]) as index:
        index.add(DOCUMENTS)
        asked = [trivet.Query("anchor"), trivet.Query("anchor", instruction="food and bread")]
        plain, instructed = index.search_many(asked, k=2)
    expected = embedder.embed_queries(asked).dense.values
    documents = embedder.embed_documents([d.text for d in DOCUMENTS]).dense.values
    for hits, query in zip((plain, instructed), expected, strict=True):
        scores = {hit.id: hit.score for hit in hits}
        by_hand = dict(zip(("kedge", "bread"), documents @ query, strict=True))
        assert scores == pytest.approx(by_hand, abs=1e-3)
    assert np.abs(expected[0] - expected[1]).max() > 0.01


def test_a_query_without_its_place_in_the_model_is_refused(tiny_model):
    with trivet.open(":memory:", model=trivet.Embedder.load(tiny_model)) as index:
        index.add(DOCUMENTS)
        with pytest.raises(UnknownTaskError, match="out of search"):
            index.search(trivet.Query("anchor", task="tool"))
        with pytest.raises(InstructionError, match="no instruction"):
            index.search(trivet.Query("anchor", instruction="find"))
        with pytest.raises(InstructionError, match="no examples"):
            index.search(trivet.Query("anchor", examples=(trivet.Example("a", "b"),)))


def test_a_collection_of_one_task_is_not_asked_under_another(tiny_model, tmp_path):
    tools = trivet.Embedder.load(tiny_model, profile="llm-embedder", task="tool")
    with trivet.open(tmp_path / "tools", model=tools) as index:
        index.add(DOCUMENTS)
        assert index.search(trivet.Query("anchor", task="tool"), k=1)[0].id == "kedge"
        with pytest.raises(SpaceMismatchError, match="written for the task 'tool'"):
            index.search(trivet.Query("anchor", task="qa"))
    chat = trivet.Embedder.load(tiny_model, profile="llm-embedder", task="chat")
    with pytest.raises(SpaceMismatchError, match="document_prompt"):
        trivet.open(tmp_path / "tools", model=chat)
    with trivet.open(tmp_path / "tools") as index:  # the task is kept with the index
        assert index.search(trivet.Query("anchor", task="tool"), k=1)[0].id == "kedge"
