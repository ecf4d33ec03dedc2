"""A part of a checkpoint: its first layers, the first components of its vectors."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from checkpoints import HIDDEN, seeded, vocabulary

from trivet.embedding import Embedder
from trivet.errors import InvalidInputError

TEXTS = ["a kedge is a light anchor", "leeway", "wind and water " * 15]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def states_of(folder, ids, layers, norm):
    """The states behind so many layers of one text alone, and what `norm` of the model makes."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        made = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
        states = made.hidden_states[layers]
        states = states if norm is None else getattr(model, norm)(states)
    return states[0].numpy()


def pre_norm(folder, tiny_model, family):
    """A backbone with a norm behind its last layer."""
    import torch
    import transformers

    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(vocabulary()),
        hidden_size=HIDDEN,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=0,
        **({"num_key_value_heads": 2} if family == "Qwen2" else {}),
    )
    model = seeded(getattr(transformers, f"{family}Model"), config)
    norm = getattr(model, "norm" if family == "Qwen2" else "final_norm")
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.2, 2, HIDDEN))
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_model / name, folder)
    return folder


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("dims", [5, 32])
def test_a_post_norm_model_gives_its_inner_states_pooled_cut_and_scaled(tiny_model, layers, dims):
    embedder = Embedder.load(tiny_model, layers=layers, dims=dims)
    made = embedder.embed_documents(TEXTS)
    assert [space.dims for space in embedder.spaces.values()] == [dims, dims]
    for position, text in enumerate(TEXTS):
        states = states_of(tiny_model, embedder.tokenizer.encode(text).ids, layers, None)
        expected = unit(states.mean(axis=0)[:dims])
        np.testing.assert_allclose(made.dense.values[position], expected, atol=1e-5)
        expected = unit(states[1:-1, :dims])
        np.testing.assert_allclose(made.multi.values[position], expected, atol=1e-5)


@pytest.mark.parametrize(("family", "norm"), [("Qwen2", "norm"), ("ModernBert", "final_norm")])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_pre_norm_model_has_its_last_norm_behind_the_last_layer_kept(
    tmp_path, tiny_model, family, norm, layers
):
    folder = pre_norm(tmp_path / family, tiny_model, family)
    embedder = Embedder.load(folder, layers=layers)
    made = embedder.embed_documents(TEXTS)
    for position, text in enumerate(TEXTS):
        states = states_of(folder, embedder.tokenizer.encode(text).ids, layers, norm)
        np.testing.assert_allclose(made.dense.values[position], states.mean(axis=0), atol=1e-5)


def test_the_whole_is_the_same_space_and_every_part_its_own(tiny_model):
    whole = Embedder.load(tiny_model)
    assert Embedder.load(tiny_model, layers=2, dims=32).spaces == whole.spaces
    sizes = [(1, 32), (2, 16), (1, 16), (2, 32)]
    parts = [Embedder.load(tiny_model, layers=k, dims=d).spaces for k, d in sizes]
    for mode in whole.modes:
        assert len({spaces[mode] for spaces in parts}) == len(sizes)


def test_a_cut_by_the_checkpoint_is_another_space(tiny_model, checkpoint):
    ours = Embedder.load(tiny_model, dims=10).spaces["dense"]
    theirs = Embedder.load(checkpoint(truncate_dim=10)).spaces["dense"]
    assert ours != theirs  # theirs is scaled before it is cut


@pytest.mark.parametrize("what", ["layers", "dims"])
@pytest.mark.parametrize("came", [0, -1, 33, True, 1.5])
def test_a_size_that_there_is_not_is_refused(tiny_model, what, came):
    with pytest.raises(InvalidInputError, match=f"expected {what} between 1 and"):
        Embedder.load(tiny_model, **{what: came})
