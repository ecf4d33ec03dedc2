"""Attention in bfloat16 is the same by every way, and transformers' own wherever it may differ."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from trivet.embedding.kernels import attention, onednn
from trivet.embedding.kernels.attention import attend
from trivet.embedding.readers.families import read_checkpoint

ENCODER = SimpleNamespace(is_causal=False)
COUNTS = (7, 4)


@pytest.fixture(autouse=True)
def fresh():
    attention.fastest.cache_clear()
    yield
    attention.fastest.cache_clear()


def inputs(heads=3, key_heads=3):
    draw = torch.Generator().manual_seed(0)
    shapes = [(2, count, 7, 8) for count in (heads, key_heads, key_heads)]
    return [torch.randn(shape, generator=draw).bfloat16() for shape in shapes]


def padding():
    shown = torch.arange(7) < torch.tensor(COUNTS).unsqueeze(1)
    return shown[:, None, None].expand(2, 1, 7, 7)


def by_hand(query, key, value, counts, factor):
    """Softmax attention in float64, text by text and head by head."""
    made = np.zeros((2, 7, 3, 8))
    for text, count in enumerate(counts):
        for head in range(3):
            q, k, v = (part[text, head].double().numpy() for part in (query, key, value))
            weights = np.exp(q @ k[:count].T * factor)
            made[text, :, head] = weights / weights.sum(axis=1, keepdims=True) @ v[:count]
    return made


@pytest.mark.parametrize("way", attention.WAYS)
@pytest.mark.parametrize(("seen", "counts"), [(None, (7, 7)), (padding(), COUNTS)])
def test_every_way_is_softmax_attention(way, seen, counts):
    rows = inputs()
    made = way(*rows, seen, 0.3)
    assert made.dtype == torch.bfloat16
    expected = by_hand(*rows, counts, 0.3)
    np.testing.assert_allclose(made.float(), expected, atol=0.02)


@pytest.mark.parametrize("way", attention.WAYS)
def test_what_is_not_seen_changes_nothing(way):
    query, key, value = inputs()
    made = way(query, key, value, padding(), 0.3)
    key[1, :, 4:], value[1, :, 4:] = 100.0, -100.0
    torch.testing.assert_close(way(query, key, value, padding(), 0.3), made, rtol=0, atol=0)


@pytest.mark.parametrize("way", attention.WAYS)
def test_the_fastest_way_gives_what_transformers_gives(way, monkeypatch):
    monkeypatch.setattr(attention, "fastest", lambda *_: way)
    made, _ = attend(ENCODER, *inputs(), padding(), scaling=None)
    expected, _ = sdpa_attention_forward(ENCODER, *inputs(), padding(), scaling=None)
    torch.testing.assert_close(made, expected, rtol=0, atol=0.02)
    assert made.is_contiguous()


@pytest.mark.parametrize(
    ("module", "key_heads", "seen", "others"),
    [
        (SimpleNamespace(is_causal=True), 3, None, {}),
        (SimpleNamespace(), 3, None, {}),
        (ENCODER, 3, None, {"is_causal": True}),
        (SimpleNamespace(is_causal=False, num_key_value_groups=3), 1, padding(), {}),
        (ENCODER, 3, padding(), {"position_bias": torch.ones(1, 3, 7, 7).bfloat16()}),
        (ENCODER, 3, torch.zeros(2, 1, 7, 7).bfloat16(), {}),
    ],
)
def test_other_kinds_of_attention_are_left_to_transformers(
    module, key_heads, seen, others, monkeypatch
):
    monkeypatch.setattr(attention, "fastest", lambda *_: pytest.fail("not left alone"))
    rows = inputs(key_heads=key_heads)
    made, _ = attend(module, *rows, seen, **others)
    expected, _ = sdpa_attention_forward(module, *rows, seen, **others)
    torch.testing.assert_close(made, expected, rtol=0, atol=0)


def test_a_text_beyond_the_longest_is_left_to_transformers(monkeypatch):
    monkeypatch.setattr(attention, "_LONGEST", 6)
    monkeypatch.setattr(attention, "fastest", lambda *_: pytest.fail("not left alone"))
    assert attend(ENCODER, *inputs(), padding())[0].shape == (2, 7, 3, 8)


@pytest.mark.parametrize(
    ("times", "position"), [([1, 0.95, 0.99], 0), ([1, 0.8, 0.5], 2), ([1, 0.7, 0.9], 1)]
)
def test_another_way_is_taken_where_it_pays(times, position, monkeypatch):
    monkeypatch.setattr(attention, "best_times", lambda _: times)
    assert attention.fastest(3, 8, 13) is attention.WAYS[position]


def test_a_shape_is_measured_once_and_like_lengths_as_one(monkeypatch):
    measured = []
    monkeypatch.setattr(attention, "best_times", lambda ways: measured.append(ways) or [1, 2, 2])
    for length in (17, 20, 32):
        rows = torch.randn(1, 3, length, 8).bfloat16()
        attend(ENCODER, rows, rows, rows, None)
    assert len(measured) == 1
    shape = measured[0][0].args[0].shape
    assert shape == (512 // 25, 3, 25, 8)


@pytest.mark.parametrize(("precision", "name"), [("float32", "sdpa"), ("bfloat16", "trivet")])
def test_only_bfloat16_chooses_its_attention(tiny_model, monkeypatch, precision, name):
    monkeypatch.setattr(onednn, "_is_worthwhile", lambda _: True)
    backbone = onednn.load_fastest(read_checkpoint(tiny_model), precision)
    assert backbone.model.config._attn_implementation == name


def test_a_model_that_is_not_of_transformers_keeps_its_attention():
    attention.install(nn.Linear(2, 2))


def test_a_model_that_does_not_ask_for_its_attention_keeps_it(caplog):
    from transformers import MPNetConfig, MPNetModel

    model = MPNetModel(MPNetConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1))
    model.config._attn_implementation = "sdpa"  # as old code of a checkpoint's own says
    attention.install(model)
    assert model.config._attn_implementation == "sdpa"
    assert caplog.text == ""
