"""The fast kernel is used only where it is faster and gives the same."""

from __future__ import annotations

import gc
import logging
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from transformers.activations import ACT2FN, GELUActivation

from trivet.embedding.kernels import onednn, packed
from trivet.embedding.kernels.packed import PackedLinear, pack
from trivet.embedding.kernels.probing import best_times
from trivet.embedding.kernels.torch import load_backbone
from trivet.embedding.readers.families import read_checkpoint

IDS = torch.tensor([[2, 9, 30, 41, 3], [2, 77, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.fixture
def spec(tiny_model):
    return read_checkpoint(tiny_model)


def packed_layers(backbone):
    return [m for m in backbone.model.modules() if isinstance(m, PackedLinear)]


def test_packed_layers_give_the_states_of_the_reference(spec, monkeypatch):
    monkeypatch.setattr(onednn, "_is_worthwhile", lambda _: True)
    reference, fast = load_backbone(spec), onednn.load_fastest(spec)
    assert len(packed_layers(fast)) == 13  # six of each layer, and the pooler's
    expected = reference.states(IDS, MASK)
    np.testing.assert_allclose(fast.states(IDS, MASK), expected, atol=1e-5)
    assert expected.dtype == torch.float32
    assert not expected.requires_grad


def test_the_same_texts_give_the_same_bits_at_every_call(spec, monkeypatch):
    monkeypatch.setattr(onednn, "_is_worthwhile", lambda _: True)
    fast = onednn.load_fastest(spec)
    np.testing.assert_array_equal(fast.states(IDS, MASK), fast.states(IDS, MASK))


class Intermediate(nn.Module):
    """Named as in transformers' BERT, with a forward pass of its own choice."""

    def __init__(self, activation, factor=1.0):
        super().__init__()
        self.dense, self.intermediate_act_fn, self.factor = nn.Linear(8, 16), activation, factor

    def forward(self, rows):
        return self.factor * self.intermediate_act_fn(self.dense(rows))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gelu_behind_a_layer_is_computed_with_it(dtype):
    model = nn.Sequential(Intermediate(GELUActivation())).to(dtype)
    weight, bias = (part.detach().double() for part in model[0].dense.parameters())
    rows = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(1)).to(dtype)
    pack(model)
    assert isinstance(model[0], PackedLinear)
    sums = rows.double() @ weight.T + bias
    expected = sums * 0.5 * (1 + torch.erf(sums / 2**0.5))
    tolerance = 1e-6 if dtype == torch.float32 else 0.01
    np.testing.assert_allclose(model(rows).double(), expected, atol=tolerance)


@pytest.mark.parametrize(
    "module",
    [
        Intermediate(nn.Tanh()),
        Intermediate(ACT2FN["gelu_new"]),
        Intermediate(GELUActivation(), factor=1.1),
    ],
)
def test_what_only_looks_like_a_layer_with_gelu_keeps_what_follows(module):
    model, rows = nn.Sequential(module), torch.randn(4, 8)
    with torch.inference_mode():
        expected = model(rows)
        pack(model)
        np.testing.assert_allclose(model(rows), expected, atol=1e-6)
    assert model[0] is module
    assert isinstance(module.dense, PackedLinear)


def test_the_old_weights_are_let_go():
    model = nn.Sequential(nn.Linear(8, 8))
    old = weakref.ref(model[0].weight)
    pack(model)
    gc.collect()
    assert old() is None


def test_a_layer_without_bias_is_packed():
    linear = nn.Linear(5, 7, bias=False)
    rows = torch.randn(2, 3, 5)
    with torch.inference_mode():
        packed = PackedLinear(linear)(rows)
    np.testing.assert_allclose(packed, linear(rows).detach(), atol=1e-6)


def test_kinds_of_linear_layer_that_others_reach_into_are_left_alone():
    model = nn.MultiheadAttention(8, 2)
    pack(model)
    assert isinstance(model.out_proj, nn.Linear)


def test_the_reference_is_used_where_packing_does_not_pay(spec, monkeypatch):
    monkeypatch.setattr(onednn, "best_times", lambda *_: [1.0, 0.95])
    assert packed_layers(onednn.load_fastest(spec)) == []


def test_packing_is_used_where_it_pays(spec, monkeypatch):
    monkeypatch.setattr(onednn, "best_times", lambda *_: [1.0, 0.5])
    assert packed_layers(onednn.load_fastest(spec)) != []


def test_the_reference_is_used_where_onednn_is_switched_off(spec, monkeypatch):
    monkeypatch.setattr(onednn, "best_times", lambda *_: [1.0, 0.5])
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert not torch.backends.mkldnn.enabled
    assert packed_layers(onednn.load_fastest(spec)) == []


def test_the_reference_is_used_for_a_model_without_linear_layers():
    assert not onednn._is_worthwhile(nn.Sequential(nn.Embedding(3, 4)))


def test_the_probe_times_both_ways_of_the_largest_layer(monkeypatch):
    seen = {}

    def times(ways):
        seen.update(ways=ways, taken=best_times(ways))
        return [1.0, 0.5]

    monkeypatch.setattr(onednn, "best_times", times)
    small, large = nn.Linear(4, 4), nn.Linear(64, 256)
    assert onednn._is_worthwhile(nn.Sequential(small, large))
    assert seen["ways"][0].func is large
    assert seen["ways"][0].args[0].shape == (512, 64)
    assert all(seconds > 0 for seconds in seen["taken"])


def test_the_probe_counts_the_activation_that_is_computed_in_the_same_step(spec, monkeypatch):
    seen = []
    monkeypatch.setattr(onednn, "best_times", lambda ways: seen.extend(ways) or [1.0, 0.5])
    model = load_backbone(spec).model
    assert onednn._is_worthwhile(model)
    assert seen[0].func is model.encoder.layer[0].intermediate
    assert seen[1].func.activation == "gelu"


def test_a_kernel_that_differs_is_given_up_with_a_warning(spec, monkeypatch, caplog):
    class Wrong(PackedLinear):
        def forward(self, rows):
            return super().forward(rows) * 1.01

    monkeypatch.setattr(onednn, "_is_worthwhile", lambda _: True)
    monkeypatch.setattr(packed, "PackedLinear", Wrong)
    with caplog.at_level(logging.WARNING, logger="trivet"):
        fast = onednn.load_fastest(spec)
    assert not any(isinstance(module, Wrong) for module in fast.model.modules())
    np.testing.assert_array_equal(fast.states(IDS, MASK), load_backbone(spec).states(IDS, MASK))
    assert "using torch's own" in caplog.text


def test_a_kernel_that_fails_is_given_up(spec, monkeypatch, caplog):
    def failing(_):
        raise RuntimeError("no such layout")

    monkeypatch.setattr(onednn, "_is_worthwhile", lambda _: True)
    monkeypatch.setattr(onednn, "pack", failing)
    with caplog.at_level(logging.INFO, logger="trivet"):
        fast = onednn.load_fastest(spec)
    assert packed_layers(fast) == []
    assert "no such layout" in caplog.text
