"""The fast kernel is used only where it is faster and gives the same."""

from __future__ import annotations

import gc
import logging
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from trivet.embedding.kernels import onednn
from trivet.embedding.kernels.torch import load_backbone
from trivet.embedding.readers.families import read_checkpoint

IDS = torch.tensor([[2, 9, 30, 41, 3], [2, 77, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.fixture
def spec(tiny_model):
    return read_checkpoint(tiny_model)


def packed_layers(backbone):
    return [m for m in backbone.model.modules() if isinstance(m, onednn.PackedLinear)]


def test_packed_layers_give_the_states_of_the_reference(spec, monkeypatch):
    monkeypatch.setattr(onednn, "_is_worthwhile", lambda _: True)
    reference, fast = load_backbone(spec), onednn.load_fastest(spec)
    assert len(packed_layers(fast)) == 13  # six of each layer, and the pooler's
    expected = reference.states(IDS, MASK)
    np.testing.assert_allclose(fast.states(IDS, MASK), expected, atol=1e-5)
    assert expected.dtype == torch.float32
    assert not expected.requires_grad


def test_the_old_weights_are_let_go():
    model = nn.Sequential(nn.Linear(8, 8))
    old = weakref.ref(model[0].weight)
    onednn.pack_linears(model)
    gc.collect()
    assert old() is None


def test_a_layer_without_bias_is_packed():
    linear = nn.Linear(5, 7, bias=False)
    rows = torch.randn(2, 3, 5)
    with torch.inference_mode():
        packed = onednn.PackedLinear(linear)(rows)
    np.testing.assert_allclose(packed, linear(rows).detach(), atol=1e-6)


def test_kinds_of_linear_layer_that_others_reach_into_are_left_alone():
    model = nn.MultiheadAttention(8, 2)
    onednn.pack_linears(model)
    assert isinstance(model.out_proj, nn.Linear)


def test_the_reference_is_used_where_packing_does_not_pay(spec, monkeypatch):
    monkeypatch.setattr(onednn, "_best_times", lambda *_: (1.0, 0.95))
    assert packed_layers(onednn.load_fastest(spec)) == []


def test_packing_is_used_where_it_pays(spec, monkeypatch):
    monkeypatch.setattr(onednn, "_best_times", lambda *_: (1.0, 0.5))
    assert packed_layers(onednn.load_fastest(spec)) != []


def test_the_reference_is_used_where_onednn_is_switched_off(spec, monkeypatch):
    monkeypatch.setattr(onednn, "_best_times", lambda *_: (1.0, 0.5))
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert not torch.backends.mkldnn.enabled
    assert packed_layers(onednn.load_fastest(spec)) == []


def test_the_reference_is_used_for_a_model_without_linear_layers():
    assert not onednn._is_worthwhile(nn.Sequential(nn.Embedding(3, 4)))


def test_the_probe_times_both_ways_of_the_largest_layer(monkeypatch):
    seen, best_times = {}, onednn._best_times

    def times(plain, packed, rows):
        seen.update(plain=plain, rows=rows, both=best_times(plain, packed, rows))
        return 1.0, 0.5

    monkeypatch.setattr(onednn, "_best_times", times)
    small, large = nn.Linear(4, 4), nn.Linear(64, 256)
    assert onednn._is_worthwhile(nn.Sequential(small, large))
    assert seen["plain"] is large
    assert seen["rows"].shape == (512, 64)
    assert all(0 < seconds < 1 for seconds in seen["both"])


def test_a_kernel_that_differs_is_given_up_with_a_warning(spec, monkeypatch, caplog):
    class Wrong(onednn.PackedLinear):
        def forward(self, rows):
            return super().forward(rows) * 1.01

    monkeypatch.setattr(onednn, "_is_worthwhile", lambda _: True)
    monkeypatch.setattr(onednn, "PackedLinear", Wrong)
    with caplog.at_level(logging.WARNING, logger="trivet"):
        fast = onednn.load_fastest(spec)
    assert not any(isinstance(module, Wrong) for module in fast.model.modules())
    np.testing.assert_array_equal(fast.states(IDS, MASK), load_backbone(spec).states(IDS, MASK))
    assert "using torch's own" in caplog.text


def test_a_kernel_that_fails_is_given_up(spec, monkeypatch, caplog):
    def failing(_):
        raise RuntimeError("no such layout")

    monkeypatch.setattr(onednn, "_is_worthwhile", lambda _: True)
    monkeypatch.setattr(onednn, "pack_linears", failing)
    with caplog.at_level(logging.INFO, logger="trivet"):
        fast = onednn.load_fastest(spec)
    assert packed_layers(fast) == []
    assert "no such layout" in caplog.text
