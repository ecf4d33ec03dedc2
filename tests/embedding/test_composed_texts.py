"""What each part of a composed embedder is given to read, and how its tokens are counted."""

from __future__ import annotations

import pytest
from layouts import build_splade

import trivet
from trivet import Embedder, Query
from trivet.errors import (
    InstructionError,
    InvalidInputError,
    SpaceMismatchError,
    TextTooLongError,
    UnknownTaskError,
)

from .composing import assert_same, hosted


@pytest.fixture(scope="module")
def splade(tmp_path_factory):
    return build_splade(tmp_path_factory.mktemp("splade") / "splade")


def test_a_text_that_one_part_cannot_read_is_refused(tiny_model, splade):
    short = hosted(max_tokens=5, count_tokens=lambda text: len(text.split()))
    composed = Embedder.compose(dense=short, sparse=splade)
    assert composed.max_tokens == 5
    with pytest.raises(TextTooLongError, match="at most 5 tokens, got 6 at position 1"):
        composed.embed_documents(["anchor", "a b c d e f"])
    assert len(composed.embed_documents(["a b c d e f"], truncate=True)) == 1


def test_tokens_are_those_of_the_part_that_counts_most(tiny_model):
    counts = {"anchor": 9, "a kedge is a light anchor": 2, "": 1}
    part = hosted(count_tokens=lambda text: counts[text])
    composed = Embedder.compose(dense=part, multi=tiny_model)
    alone = Embedder.load(tiny_model).count_tokens(list(counts))
    expected = [max(pair) for pair in zip(alone, counts.values(), strict=True)]
    assert composed.count_tokens(list(counts)) == expected
    assert expected[0] == 9
    assert expected[1:] == alone[1:]
    with pytest.raises(InvalidInputError, match="2 titles, got 1"):
        composed.count_tokens(["a", "b"], titles=["c"])


def test_pieces_of_a_long_text_fit_every_part(checkpoint):
    """One part splits words that the other knows, which writes more around a text."""
    cased = checkpoint("cased", cased=True)
    prompted = checkpoint("prompted", prompts={"document": "the long text is here: "})
    composed = Embedder.compose(dense=cased, multi=prompted)
    text = "Anchor And Kedge ARE light. Ropes hold the SHIP; " * 30
    with trivet.open(
        ":memory:", model=composed, settings=trivet.Settings(chunk_tokens=40)
    ) as index:
        index.add([trivet.Document(text, id="long")])
        assert index.get(["long"])[0].text == text
    (empty,) = composed.count_tokens([""])
    pieces = [piece for _, piece in composed.text_splitter(40 - empty).chunk_indices(text)]
    assert "".join(pieces) == text
    for part in (cased, prompted):
        assert max(Embedder.load(part).count_tokens(pieces)) <= 40


def test_an_instruction_goes_to_the_parts_that_have_a_place_for_it(tiny_model, splade):
    dense = Embedder.load(
        tiny_model, modes=["dense"], prompts={"query": "find {instruction}: {text}"}
    )
    composed = Embedder.compose(dense=dense, sparse=splade)
    query = Query("anchor", instruction="food")
    made = composed.embed_queries([query, "kedge"])
    assert_same(dense.embed_queries([query, "kedge"]), made, ["dense"])
    assert_same(Embedder.load(splade).embed_queries(["anchor", "kedge"]), made, ["sparse"])
    assert composed.render(query) == "dense: find food: anchor\nsparse: anchor"


def test_a_task_goes_to_the_parts_that_know_it(tiny_model, splade):
    dense = Embedder.load(tiny_model, modes=["dense"], profile="llm-embedder", task="tool")
    composed = Embedder.compose(dense=dense, sparse=splade)
    made = composed.embed_queries(["anchor"], task="tool")
    assert_same(dense.embed_queries(["anchor"]), made, ["dense"])
    assert composed.task == "tool"
    assert composed.tasks == ("search",)
    with pytest.raises(SpaceMismatchError, match="written for the task 'tool'"):
        composed.embed_queries(["anchor"], task="qa")


def test_what_no_part_has_a_place_for_is_refused(tiny_model, splade):
    composed = Embedder.compose(dense=tiny_model, sparse=splade)
    with pytest.raises(UnknownTaskError, match="out of search"):
        composed.embed_queries([Query("anchor", task="tool")])
    with pytest.raises(InstructionError, match="no instruction"):
        composed.embed_queries([Query("anchor", instruction="food")])
    with pytest.raises(InstructionError, match="no examples"):
        composed.render(Query("anchor", examples=(trivet.Example("a", "b"),)))
    with pytest.raises(InstructionError, match="no title"):
        composed.embed_documents(["anchor"], titles=["kedge"])
    with pytest.raises(InvalidInputError, match="position 1"):
        composed.embed_documents(["anchor", ""])
    assert not composed.takes_titles


def test_a_title_is_read_before_the_text_where_a_part_has_no_place_for_it(tiny_model, splade):
    dense = Embedder.load(tiny_model, modes=["dense"], prompts={"document": "{title} | {text}"})
    composed = Embedder.compose(dense=dense, sparse=splade)
    assert composed.takes_titles
    texts, titles = ["a light anchor", "leeway"], ["kedge", ""]
    made = composed.embed_documents(texts, titles=titles)
    assert_same(dense.embed_documents(texts, titles=titles), made, ["dense"])
    joined = Embedder.load(splade).embed_documents(["kedge a light anchor", "leeway"])
    assert_same(joined, made, ["sparse"])
    shown = composed.render_document("a light anchor", title="kedge")
    assert shown == "dense: kedge | a light anchor\nsparse: kedge a light anchor"


def test_one_rendering_is_shown_where_all_parts_read_the_same(tiny_model, splade):
    composed = Embedder.compose(dense=tiny_model, sparse=splade)
    assert composed.render("anchor") == composed.render_document("anchor") == "anchor"
