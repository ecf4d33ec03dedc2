"""Decoders embed as a computation by hand does, whatever their padding; none is silently wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from decoders import build_decoder, build_nv_embed, states_by_hand, unit
from layouts import change

from trivet.embedding import Embedder
from trivet.embedding.profile import Profile
from trivet.errors import CheckpointError
from trivet.query import Example, Query

TEXTS = [
    "a kedge is a light anchor",
    "leeway",
    "what keeps a ship in place? " * 2,
    "drift of a ship",
]
LONG = "wind and water " * 100
FAMILIES = ["qwen2", "qwen3", "llama", "mistral", "gemma3"]


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize("pooling", ["lasttoken", "mean"])
@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_equal_those_of_an_explicit_mask_and_a_pooling_by_hand(
    tmp_path, family, pooling, attention
):
    folder = build_decoder(tmp_path / "m", family, ends="</s>", side="left", pooling=pooling)
    embedder = Embedder.load(folder, profile=Profile("mine", attention=attention, eos="</s>"))
    made = embedder.embed_documents(TEXTS).dense.values
    for row, text in zip(made, TEXTS, strict=True):
        ids = embedder.tokenizer.encode(text).ids
        assert ids[-1] == 2
        states = states_by_hand(folder, ids, causal=attention == "causal").numpy()
        by_hand = states[-1] if pooling == "lasttoken" else states.mean(axis=0)
        np.testing.assert_allclose(row, unit(by_hand), atol=1e-5)
    alone = np.concatenate([embedder.embed_documents([text]).dense.values for text in TEXTS])
    backwards = embedder.embed_documents(TEXTS[::-1]).dense.values[::-1]
    np.testing.assert_allclose(made, alone, atol=1e-5)
    np.testing.assert_allclose(made, backwards, atol=1e-5)


def test_the_padding_side_of_the_checkpoint_changes_nothing(tmp_path):
    folders = [
        build_decoder(
            tmp_path / side, "qwen3", ends="<|endoftext|>", side=side, pooling="lasttoken"
        )
        for side in ("left", "right")
    ]
    left, right = (Embedder.load(folder, profile="qwen3-embedding") for folder in folders)
    np.testing.assert_array_equal(
        left.embed_queries(TEXTS).dense.values, right.embed_queries(TEXTS).dense.values
    )
    assert left.spaces == right.spaces


def test_a_bare_decoder_is_pooled_by_its_last_token(tmp_path):
    folder = build_decoder(tmp_path / "m", "qwen2", ends="<|endoftext|>")
    embedder = Embedder.load(folder)
    made = embedder.embed_documents(TEXTS).dense.values
    for row, text in zip(made, TEXTS, strict=True):
        states = states_by_hand(folder, embedder.tokenizer.encode(text).ids, causal=True)
        np.testing.assert_allclose(row, states[-1].numpy(), atol=1e-5)


@pytest.mark.parametrize("begins", [None, "<s>"])
@pytest.mark.parametrize("stated", ["profile", "tokenizer_config"])
def test_a_lost_end_token_is_put_back(tmp_path, begins, stated):
    """e5-mistral's tokenizer_config.json asks for it, its tokenizer.json does not give it."""
    whole = build_decoder(
        tmp_path / "a", "mistral", begins=begins, ends="</s>", pooling="lasttoken"
    )
    lost = build_decoder(tmp_path / "b", "mistral", begins=begins, pooling="lasttoken")
    profile = Profile("mine", eos="</s>") if stated == "profile" else None
    if stated == "tokenizer_config":
        change(lost / "tokenizer_config.json", add_eos_token=True)
    right, repaired, wrong = (
        Embedder.load(whole),
        Embedder.load(lost, profile=profile),
        Embedder.load(lost, profile=Profile("none")) if profile else None,
    )
    texts = [*TEXTS, LONG]
    expected = right.embed_documents(texts, truncate=True).dense.values
    made = repaired.embed_documents(texts, truncate=True).dense.values
    np.testing.assert_allclose(made, expected, atol=1e-6)
    assert repaired.count_tokens(TEXTS) == right.count_tokens(TEXTS)
    assert repaired.tokenizer.encode("a").tokens[-1] == "</s>"
    if begins:
        assert repaired.tokenizer.encode("a").tokens[0] == begins
    if wrong is not None:  # so that the repair is seen to change the vectors and the space
        assert np.abs(wrong.embed_documents(TEXTS).dense.values - made[:4]).max() > 0.01
        assert wrong.spaces != repaired.spaces


def test_an_end_token_that_cannot_be_put_is_refused(tmp_path):
    folder = build_decoder(tmp_path / "m", "mistral", ends="</s>", pooling="lasttoken")
    with pytest.raises(CheckpointError, match=r"'<end>', which shall end every text"):
        Embedder.load(folder, profile=Profile("mine", eos="<end>"))
    message = r"expected texts that end with '<\|endoftext\|>' .* got '</s>'"
    with pytest.raises(CheckpointError, match=message):
        Embedder.load(folder, profile=Profile("mine", eos="<|endoftext|>"))


def test_a_tokenizer_of_another_kind_that_ends_texts_otherwise_is_refused(tmp_path):
    folder = build_decoder(tmp_path / "m", "mistral", pooling="lasttoken")
    stored = json.loads((folder / "tokenizer.json").read_text())
    stored["post_processor"] = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1],
                                "trim_offsets": True, "add_prefix_space": False}  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(stored))
    with pytest.raises(CheckpointError, match="got '</s>': correct the profile"):
        Embedder.load(folder, profile=Profile("mine", eos="<pad>"))


def test_bge_en_icl_keeps_its_suffix_behind_an_over_long_query(tmp_path):
    folder = build_decoder(
        tmp_path / "m", "mistral", begins="<s>", ends="</s>", pooling="lasttoken"
    )
    embedder = Embedder.load(folder, profile="bge-en-icl")
    asked = Query(LONG, instruction="find", examples=(Example("a ship", "a boat"),))
    made = embedder.embed_queries([asked], truncate=True).dense.values[0]
    before, after = embedder.render(asked).split(LONG)
    assert before == "<instruct>find\n<query>a ship\n<response>a boat\n\n<instruct>find\n<query>"
    assert after == "\n<response>"
    tokenizer = embedder.tokenizer
    whole = tokenizer.encode(before + LONG + after).ids
    suffix = tokenizer.encode(" " + after, add_special_tokens=False).ids[1:]
    assert whole[-1 - len(suffix) : -1] == suffix
    ids = whole[: 120 - 1 - len(suffix)] + suffix + whole[-1:]
    states = states_by_hand(folder, ids, causal=True).numpy()
    np.testing.assert_allclose(made, unit(states[-1]), atol=1e-5)


def latent_by_hand(weights, states, heads):
    """Token by token and head by head, as the checkpoint's own code says."""
    import torch
    from torch.nn import functional as f

    w = {n.removeprefix("latent_attention_model."): t for n, t in weights.items()}
    first, second = "cross_attend_blocks.0.", "cross_attend_blocks.1."
    h = states.shape[-1]

    def norm(x, name):
        return f.layer_norm(x, (h,), w[name + ".weight"], w[name + ".bias"])

    table = norm(w["latents"], first + "norm_context") @ w[first + "fn.to_kv.weight"].T
    keys, values = table.chunk(2, dim=-1)
    asking = norm(states, first + "norm") @ w[first + "fn.to_q.weight"].T
    size = asking.shape[-1] // heads
    rows = []
    for token in asking:
        parts = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = torch.softmax(keys[:, part] @ token[part] / size**0.5, dim=0)
            parts.append(scores @ values[:, part])
        rows.append(torch.cat(parts))
    a = states + torch.stack(rows) @ w[first + "fn.to_out.weight"].T
    fed = norm(a, second + "norm") @ w[second + "fn.net.0.weight"].T + w[second + "fn.net.0.bias"]
    x, gate = fed.chunk(2, dim=-1)
    return a + (x * f.gelu(gate)) @ w[second + "fn.net.2.weight"].T + w[second + "fn.net.2.bias"]


def test_nv_embed_pools_by_latent_attention_without_its_instruction(tmp_path):
    from safetensors.torch import load_file

    folder = build_nv_embed(tmp_path / "m")
    embedder = Embedder.load(folder, profile="nv-embed")
    stored = load_file(folder / "model.safetensors")
    weights = {n: t for n, t in stored.items() if n.startswith("latent_attention_model.")}

    def by_hand(text, skipped):
        ids = embedder.tokenizer.encode(text).ids
        assert (ids[0], ids[-1]) == (1, 2)
        states = states_by_hand(folder, ids, causal=False, prefix="embedding_model.")
        rows = latent_by_hand(weights, states, heads=2).numpy()
        return unit(rows[skipped:].mean(axis=0))

    made = embedder.embed_documents(TEXTS).dense.values
    expected = [by_hand(text, 0) for text in TEXTS]
    np.testing.assert_allclose(made, expected, atol=1e-5)
    asked = Query("leeway", instruction="find")
    # The blank before the first word is a part of its token, and no token of the instruction.
    tokens = embedder.tokenizer.encode("Instruct: find\nQuery: leeway").tokens
    before = len(tokens) - 1 - len(embedder.tokenizer.encode(" leeway").ids[1:-1])
    assert tokens[before - 1 : before + 1] == [":", "Ġl"]
    query = embedder.embed_queries([asked, *TEXTS]).dense.values[0]
    np.testing.assert_allclose(query, by_hand(embedder.render(asked), before), atol=1e-5)


def test_nv_embed_without_a_weight_of_its_head_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = build_nv_embed(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    del weights["latent_attention_model.latents"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"latent_attention_model\.latents"):
        Embedder.load(folder, profile="nv-embed").load_weights()


def test_a_bidirectional_llama_of_its_own_code_runs_as_a_llama(tmp_path):
    folder = build_decoder(tmp_path / "m", "llama", begins="<s>", pooling="mean")
    change(
        folder / "config.json",
        model_type="llama_bidirec",
        architectures=["LlamaBidirectionalModel"],
        auto_map={"AutoModel": "llama_bidirectional_model.LlamaBidirectionalModel"},
    )
    with pytest.raises(CheckpointError, match="code of its own"):
        Embedder.load(folder)
    embedder = Embedder.load(folder, profile="llama-embed-nemotron")
    made = embedder.embed_documents(TEXTS).dense.values
    for row, text in zip(made, TEXTS, strict=True):
        states = states_by_hand(folder, embedder.tokenizer.encode(text).ids, causal=False)
        np.testing.assert_allclose(row, unit(states.numpy().mean(axis=0)), atol=1e-5)


CODE = """
from transformers import Qwen2Model

class Reversed(Qwen2Model):
    def forward(self, *arguments, **named):
        made = super().forward(*arguments, **named)
        made.last_hidden_state = -made.last_hidden_state
        return made
"""


def test_code_of_a_checkpoint_runs_only_where_it_is_trusted(tmp_path, monkeypatch):
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = build_decoder(tmp_path / "m", "qwen2", ends="</s>", pooling="mean")
    plain = Embedder.load(folder)
    expected = -plain.embed_documents(TEXTS).dense.values
    (folder / "modeling_reversed.py").write_text(CODE)
    change(folder / "config.json", auto_map={"AutoModel": "modeling_reversed.Reversed"})
    with pytest.raises(CheckpointError, match="pass trust_remote_code=True"):
        Embedder.load(folder)
    trusted = Embedder.load(folder, trust_remote_code=True)
    made = trusted.embed_documents(TEXTS).dense.values
    np.testing.assert_allclose(made, expected, atol=1e-6)
    assert trusted.spaces["dense"] != plain.spaces["dense"]
    (folder / "modeling_reversed.py").write_text(CODE + "\n# changed\n")
    assert Embedder.load(folder, trust_remote_code=True).spaces != trusted.spaces


@pytest.mark.parametrize(
    ("setting", "value"), [("hidden_activation", "silu"), ("query_pre_attn_scalar", 4)]
)
def test_what_gemma_computes_with_beside_its_weights_is_part_of_the_space(tmp_path, setting, value):
    folder = build_decoder(tmp_path / "m", "gemma3", pooling="mean")
    first = Embedder.load(folder)
    vectors = first.embed_documents(TEXTS).dense.values
    change(folder / "config.json", **{setting: value})
    other = Embedder.load(folder)
    assert abs(other.embed_documents(TEXTS).dense.values - vectors).max() > 1e-3
    assert other.spaces["dense"] != first.spaces["dense"]
