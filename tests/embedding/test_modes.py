"""The legs of one embedder: which there are, which are made, and that one pass makes them all."""

from __future__ import annotations

import numpy as np
import pytest

import trivet
from trivet.embedding import Embedder
from trivet.errors import MissingHeadError, UnknownModeError

TEXTS = ["a kedge is a light anchor", "leeway", "wind and water " * 15, "[SEP] the anchor [MASK]"]


def states_of(folder, ids):
    """Last states of one text alone, by transformers itself."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_token_vectors_are_the_last_states_of_the_text_alone_without_special_tokens(tiny_model):
    embedder = Embedder.load(tiny_model)
    made = embedder.embed_documents(TEXTS).multi
    assert made.space == embedder.spaces["multi"]
    assert made.space.dims == 32
    for text, rows in zip(TEXTS, made.values, strict=True):
        ids = embedder.tokenizer.encode(text).ids
        np.testing.assert_allclose(rows, unit(states_of(tiny_model, ids)[1:-1]), atol=1e-5)
        assert rows.dtype == np.float32


def test_token_vectors_depend_on_no_other_text_of_the_call(tiny_model):
    embedder = Embedder.load(tiny_model, modes=["multi"])
    texts = [*TEXTS, *["ship and sail " * n for n in range(1, 15)]]
    together = embedder.embed_documents(texts).multi.values
    backwards = embedder.embed_documents(texts[::-1]).multi.values[::-1]
    for text, rows, again in zip(texts, together, backwards, strict=True):
        alone = embedder.embed_documents([text]).multi.values[0]
        np.testing.assert_allclose(rows, alone, atol=1e-6)
        np.testing.assert_allclose(rows, again, atol=1e-6)


def test_a_text_without_a_token_has_no_token_vector(tiny_model):
    made = Embedder.load(tiny_model).embed_documents(["\u200b\u200b", "a"])
    assert made.multi.values[0].shape == (0, 32)
    assert made.multi.values[1].shape == (1, 32)


def test_a_prompt_that_stays_out_of_the_pooling_has_no_token_vectors(checkpoint):
    folder = checkpoint(prompts={"query": "what is"}, include_prompt=False)
    made = Embedder.load(folder).embed_queries([" anchor"]).multi
    assert made.values[0].shape == (1, 32)


def test_one_pass_makes_all_legs(tiny_model, monkeypatch):
    embedder = Embedder.load(tiny_model)
    runner = embedder.weights.runner()
    calls, states = [], runner.backbone.states
    monkeypatch.setattr(runner.backbone, "states", lambda *a: calls.append(1) or states(*a))
    made = embedder.embed_documents(TEXTS[:2])
    assert list(made.legs) == ["dense", "multi"]
    assert len(calls) == 1


@pytest.mark.parametrize("modes", [["dense"], ["multi"], ["multi", "dense"]])
def test_only_the_legs_that_are_asked_for_are_made_and_they_are_the_same(tiny_model, modes):
    every, some = Embedder.load(tiny_model), Embedder.load(tiny_model, modes=modes)
    assert set(some.modes) == set(modes)
    assert some.spaces == {mode: every.spaces[mode] for mode in modes}
    expected, made = every.embed_queries(TEXTS), some.embed_queries(TEXTS)
    assert set(made.legs) == set(modes)
    if "dense" in modes:
        np.testing.assert_array_equal(made.dense.values, expected.dense.values)
    if "multi" in modes:
        np.testing.assert_array_equal(made.multi.values[2], expected.multi.values[2])


def test_no_text_gives_empty_legs(tiny_model):
    made = Embedder.load(tiny_model).embed_documents([])
    assert (len(made), list(made.legs)) == (0, ["dense", "multi"])


def test_an_embedder_of_fewer_legs_shares_the_weights(tiny_model):
    every = Embedder.load(tiny_model)
    dense = every.only(["dense"])
    assert list(dense.embed_documents(TEXTS).legs) == ["dense"]
    assert every.is_loaded
    assert dense.weights is every.weights
    with pytest.raises(MissingHeadError, match="that makes multi vectors"):
        dense.only(["multi"])
    with pytest.raises(UnknownModeError):
        every.only([])


def test_the_legs_of_a_model_are_spaces_of_their_own(tiny_model, checkpoint):
    spaces = Embedder.load(tiny_model).spaces
    assert spaces["dense"] != spaces["multi"]
    projected = Embedder.load(checkpoint(dense=(8,), pooling=("cls",))).spaces
    assert projected["dense"] != spaces["dense"]
    assert projected["multi"] == spaces["multi"]  # neither changes a token's vector


@pytest.mark.parametrize("given", ["name", "embedder"])
def test_an_index_of_two_legs_makes_the_dense_leg_only(tiny_model, given, monkeypatch):
    from trivet.embedding.runner import Runner

    asked, represent = [], Runner.represent

    def recording(self, texts, job):
        asked.append(job.modes)
        return represent(self, texts, job)

    monkeypatch.setattr(Runner, "represent", recording)
    model = tiny_model if given == "name" else Embedder.load(tiny_model)
    with trivet.open(":memory:", model=model, modes=["dense", "sparse"]) as index:
        index.add(TEXTS)
        assert index.search("light anchor", k=1)[0].text == TEXTS[0]
        assert [space.mode for space in index.describe().spaces] == ["dense", "sparse"]
    assert set(asked) == {("dense",)}
