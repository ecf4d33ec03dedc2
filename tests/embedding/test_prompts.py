"""Prompts reach the model: each role takes its own, and what is written around a text stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trivet.embedding import Embedder
from trivet.embedding.resolving import prompt_for
from trivet.embedding.spec import EncoderSpec
from trivet.errors import (
    CheckpointError,
    InstructionError,
    InvalidInputError,
    InvalidQueryError,
    SpaceMismatchError,
    TextTooLongError,
    UnknownTaskError,
)
from trivet.query import Example, Query

LONG = "wind and water " * 40


@pytest.mark.parametrize(
    ("prompts", "default", "query", "document"),
    [
        ({}, None, "", ""),
        ({"query": "q ", "document": "d "}, None, "q ", "d "),
        ({"query": "q ", "passage": "p "}, None, "q ", "p "),
        ({"query": "q ", "corpus": "c "}, None, "q ", "c "),
        ({"corpus": "c ", "passage": "p ", "document": "d "}, None, "", "d "),
        ({"query": "q ", "document": "", "passage": "p "}, None, "q ", "p "),
        ({"query": "", "s2p_query": "s "}, None, "s ", ""),
        ({"retrieval.query": "q ", "retrieval.passage": "p "}, None, "q ", "p "),
        ({"search_query": "q ", "search_document": "d "}, None, "q ", "d "),
        ({"query": "q ", "document": ""}, "query", "q ", ""),
        ({"query": "q "}, "query", "q ", ""),
        ({"passage": "p "}, "passage", "", "p "),
        ({"query": "q ", "any": "a "}, "any", "q ", "a "),
        ({"any": "a "}, "any", "a ", "a "),
        ({"any": "a "}, None, "", ""),
    ],
)
def test_a_role_takes_its_own_prompt_then_the_default(prompts, default, query, document):
    spec = EncoderSpec(Path(), (), 4, 8, prompts=prompts, default_prompt=default)
    assert prompt_for(spec, "query") == query
    assert prompt_for(spec, "document") == document


def test_a_passage_prompt_beside_an_empty_document_prompt_is_used(checkpoint):
    """As sentence-transformers saves it, and then ignores it."""
    prompts = {"query": "the question: ", "document": "", "passage": "the answer: "}
    prompted, plain = Embedder.load(checkpoint(prompts=prompts)), Embedder.load(checkpoint("plain"))
    made = prompted.embed_documents(["an anchor"]).dense.values
    expected = plain.embed_documents(["the answer: an anchor"]).dense.values
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_another_prompt_of_the_checkpoint_is_a_task(checkpoint):
    folder = checkpoint(prompts={"query": "the question: ", "map": "the map: "})
    assert Embedder.load(folder).tasks == ("map", "search")
    embedder = Embedder.load(folder, task="map")
    assert (embedder.render("a"), embedder.render_document("b")) == ("the map: a", "the map: b")
    with pytest.raises(SpaceMismatchError, match="for the task 'search'"):
        Embedder.load(folder).embed_queries([Query("a", task="map")])
    with pytest.raises(UnknownTaskError, match="out of map, search"):
        Embedder.load(folder, task="tool")


@pytest.mark.parametrize("prompt", [" ", "\t\n", "\u200b"])
def test_a_declared_prompt_that_changes_no_token_is_refused(checkpoint, prompt):
    with pytest.raises(CheckpointError, match="which its tokenizer drops"):
        Embedder.load(checkpoint(prompts={"query": prompt}))


def test_a_suffix_that_changes_no_token_is_refused(tiny_model):
    with pytest.raises(CheckpointError, match="which its tokenizer drops"):
        Embedder.load(tiny_model, prompts={"query": "find {text} "})


def test_prefix_and_suffix_survive_the_cut_of_an_over_long_text(tiny_model):
    prompts = {"query": "the question {text} and the answer", "document": "the text {text}"}
    embedder = Embedder.load(tiny_model, prompts=prompts)
    plain = Embedder.load(tiny_model)
    for words in (5, 57, 58, 200):
        text = " ".join(["anchor"] * words)
        made = embedder.embed_queries([text], truncate=True).dense.values
        # [CLS] and [SEP], two words before and three behind, of 64
        whole = f"the question {' '.join(['anchor'] * min(words, 57))} and the answer"
        expected = plain.embed_queries([whole]).dense.values
        np.testing.assert_allclose(made, expected, atol=1e-6)
    with pytest.raises(TextTooLongError, match="at most 64 tokens, got 65"):
        embedder.embed_queries([" ".join(["anchor"] * 58)])


def test_words_of_the_suffix_in_the_text_are_cut_like_others(tiny_model):
    embedder = Embedder.load(tiny_model, prompts={"query": "{text} the answer"})
    made = embedder.embed_queries(["the answer " * 100], truncate=True).dense.values
    whole = "the answer " * 30 + "the answer"
    expected = Embedder.load(tiny_model).embed_queries([whole]).dense.values
    np.testing.assert_allclose(made, expected, atol=1e-6)


@pytest.mark.parametrize("truncate", [True, False])
def test_an_over_long_instruction_is_refused(tiny_model, truncate):
    embedder = Embedder.load(tiny_model, prompts={"query": "find {instruction}: {text}"})
    asked = Query("anchor", instruction=LONG)
    with pytest.raises(InstructionError, match="to leave room for a text in 64 tokens"):
        embedder.embed_queries(["anchor", asked], truncate=truncate)


def test_queries_of_one_call_may_differ_in_their_instruction(tiny_model):
    embedder = Embedder.load(tiny_model, prompts={"query": "find {instruction}: {text}"})
    asked = [Query("anchor", instruction="boats"), "anchor", Query("anchor", instruction="a lake")]
    made = embedder.embed_queries(asked).dense.values
    alone = [embedder.embed_queries([query]).dense.values[0] for query in asked]
    np.testing.assert_allclose(made, alone, atol=1e-6)
    plain = Embedder.load(tiny_model).embed_queries(["find boats: anchor"]).dense.values
    np.testing.assert_allclose(made[:1], plain, atol=1e-6)
    assert np.abs(made[0] - made[2]).max() > 0.01


def test_a_masked_prompt_stays_out_of_the_mean_of_each_query(checkpoint):
    folder = checkpoint(include_prompt=False, normalise=False)
    embedder = Embedder.load(folder, prompts={"query": "find {instruction}: {text}"})
    asked = [Query("wind water", instruction="boats"), Query("anchor", instruction="a long lake")]
    made = embedder.embed_queries(asked)
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    for row, query, skipped in zip(made.dense.values, asked, (4, 6), strict=True):
        ids = torch.tensor([embedder.tokenizer.encode(embedder.render(query)).ids])
        with torch.no_grad():
            states = model(input_ids=ids).last_hidden_state[0].numpy()
        np.testing.assert_allclose(row, states[skipped:].mean(axis=0), atol=1e-5)


def test_titles_go_into_their_field(tiny_model):
    embedder = Embedder.load(tiny_model, prompts={"document": "title {title} text {text}"})
    made = embedder.embed_documents(["holds", "keeps"], titles=["anchor", ""]).dense.values
    whole = ["title anchor text holds", "title none text keeps"]
    expected = Embedder.load(tiny_model).embed_documents(whole).dense.values
    np.testing.assert_allclose(made, expected, atol=1e-6)
    with pytest.raises(InvalidInputError, match="expected 1 titles, got 2"):
        embedder.embed_documents(["holds"], titles=["a", "b"])
    with pytest.raises(InstructionError, match="no title"):
        Embedder.load(tiny_model).embed_documents(["holds"], titles=["anchor"])


@pytest.mark.parametrize(
    ("prompts", "error"),
    [
        ({"query": "q: "}, InstructionError),
        ({"query": "{text} {text}"}, InstructionError),
        ({"passage": "p: {text}"}, InvalidInputError),
        ({"query": None}, InvalidInputError),
        ({"query": "\ud800 {text}"}, InvalidInputError),
        ("query: {text}", InvalidInputError),
        (["query: {text}"], InvalidInputError),
    ],
)
def test_an_override_that_is_no_wording_is_refused(tiny_model, prompts, error):
    with pytest.raises(error):
        Embedder.load(tiny_model, prompts=prompts)


def test_a_query_is_checked_when_it_is_made():
    for made in (
        lambda: Query("a", task=" "),
        lambda: Query("a", instruction=""),
        lambda: Query("a", instruction=3),
        lambda: Query("a", examples="b"),
        lambda: Query("a", examples=[("b", "c")]),
        lambda: Example("a", ""),
        lambda: Example("a", "b", instruction=" "),
    ):
        with pytest.raises(InvalidQueryError):
            made()
    assert Query("a", examples=[Example("b", "c")]).examples == (Example("b", "c"),)


@pytest.mark.parametrize("titles", [[None], [5], ["\ud800"], "a", 5, ["a", "b"], []])
@pytest.mark.parametrize("method", ["embed_documents", "count_tokens"])
def test_titles_that_are_no_list_of_as_many_texts_are_refused(tiny_model, method, titles):
    embedder = Embedder.load(tiny_model, prompts={"document": "{title}: {text}"})
    with pytest.raises(InvalidInputError):
        getattr(embedder, method)(["leeway"], titles=titles)


def test_a_title_that_is_no_text_is_not_rendered(tiny_model):
    embedder = Embedder.load(tiny_model, prompts={"document": "{title}: {text}"})
    with pytest.raises(InvalidInputError, match="expected a text at position 0, got int"):
        embedder.render_document("leeway", title=5)


def test_a_task_that_is_no_name_is_refused(tiny_model):
    with pytest.raises(InvalidInputError, match="expected a task's name"):
        Embedder.load(tiny_model, task=["search"])


def test_a_text_that_the_tokenizer_leaves_nothing_of_is_its_end_token_behind_a_masked_prompt(
    checkpoint,
):
    embedder = Embedder.load(checkpoint(include_prompt=False, prompts={"document": "text: "}))
    [vector] = embedder.embed_documents(["\u200b"]).dense.values
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
