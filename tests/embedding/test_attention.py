"""A decoder's attention is what profile and checkpoint say, or the checkpoint is refused."""

from __future__ import annotations

import numpy as np
import pytest
from decoders import build_decoder, states_by_hand, unit
from layouts import change

from trivet.embedding import Embedder
from trivet.embedding.profile import Profile
from trivet.errors import CheckpointError

TEXTS = [
    "a kedge is a light anchor",
    "leeway",
    "what keeps a ship in place? " * 2,
    "drift of a ship",
]
FAMILIES = ["qwen2", "qwen3", "llama", "mistral"]


def test_attention_is_part_of_the_space_where_the_config_says_otherwise(tmp_path):
    folder = build_decoder(tmp_path / "m", "qwen2", ends="</s>", pooling="mean")
    plain = Embedder.load(folder).spaces["dense"]
    causal = Embedder.load(folder, profile=Profile("c", attention="causal")).spaces["dense"]
    both = Embedder.load(folder, profile=Profile("b", attention="bidirectional")).spaces["dense"]
    assert plain == causal
    assert both.facts["attention"] == "bidirectional"
    assert both != plain


def test_a_backbone_that_does_not_obey_its_attention_is_refused(tmp_path, monkeypatch):
    from trivet.embedding.kernels import torch as kernel

    monkeypatch.setattr(kernel, "loading_arguments", lambda spec: {})
    folder = build_decoder(tmp_path / "m", "qwen2", ends="</s>", pooling="mean")
    embedder = Embedder.load(folder, profile=Profile("mine", attention="bidirectional"))
    with pytest.raises(CheckpointError, match="expected bidirectional attention"):
        embedder.load_weights()


LIFTED = {"is_causal": False}
STATED = {
    "config.json": {"config.json": LIFTED},
    "both": {
        "config.json": {"is_causal": True},
        "sentence_bert_config.json": {"config_args": LIFTED},
    },
    "config_args": {"sentence_bert_config.json": {"config_args": LIFTED}},
    "config_kwargs": {"sentence_bert_config.json": {"config_kwargs": LIFTED}},
}


@pytest.mark.parametrize("stated", STATED)
@pytest.mark.parametrize("family", FAMILIES)
def test_attention_that_the_checkpoint_itself_lifts_is_bidirectional(tmp_path, family, stated):
    from sentence_transformers import SentenceTransformer

    folder = build_decoder(tmp_path / "m", family, ends="</s>", pooling="mean")
    causal = Embedder.load(folder)
    before = causal.embed_documents(TEXTS).dense.values
    for file, values in STATED[stated].items():
        change(folder / file, **values)
    embedder = Embedder.load(folder)
    made = embedder.embed_documents(TEXTS).dense.values
    for row, text in zip(made, TEXTS, strict=True):
        states = states_by_hand(folder, embedder.tokenizer.encode(text).ids, causal=False)
        np.testing.assert_allclose(row, unit(states.numpy().mean(axis=0)), atol=1e-5)
    if "config.json" in STATED[stated]:  # else transformers drops the keyword without a word
        theirs = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        np.testing.assert_allclose(made, theirs.encode_document(TEXTS), atol=1e-5)
    assert np.abs(made - before).max() > 0.01
    assert embedder.spaces != causal.spaces


@pytest.mark.parametrize("stated", STATED)
def test_a_backbone_that_does_not_obey_its_checkpoint_is_refused(tmp_path, monkeypatch, stated):
    """As transformers before 5.2 reads past is_causal."""
    from transformers import Qwen2Config

    folder = build_decoder(tmp_path / "m", "qwen2", ends="</s>", pooling="mean")
    for file, values in STATED[stated].items():
        change(folder / file, **values)
    read_past = property(lambda self: True, lambda self, value: None)
    monkeypatch.setattr(Qwen2Config, "is_causal", read_past, raising=False)
    with pytest.raises(CheckpointError, match="expected bidirectional attention"):
        Embedder.load(folder).load_weights()


def test_a_profile_goes_before_the_attention_of_the_checkpoint(tmp_path):
    folder = build_decoder(tmp_path / "m", "qwen2", ends="</s>", pooling="mean")
    before = Embedder.load(folder).embed_documents(TEXTS).dense.values
    change(folder / "sentence_bert_config.json", config_args={"is_causal": False})
    causal = Embedder.load(folder, profile=Profile("mine", attention="causal"))
    np.testing.assert_array_equal(causal.embed_documents(TEXTS).dense.values, before)
