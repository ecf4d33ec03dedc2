"""bfloat16 is near float32 in the same space, and memory that runs out halves a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trivet.embedding import Embedder
from trivet.embedding.kernels import hardware, onednn
from trivet.embedding.kernels.packed import PackedLinear
from trivet.errors import EmbeddingError

TEXTS = ["a kedge is a light anchor", "leeway is sideways drift", "what keeps a ship in place?"]


@pytest.mark.parametrize("packed", [False, True])
def test_bfloat16_is_near_float32_and_of_the_same_space(tiny_model, monkeypatch, packed):
    exact = Embedder.load(tiny_model)
    expected = exact.embed_documents(TEXTS)
    monkeypatch.setattr(onednn, "_is_worthwhile", lambda _: packed)
    rough = Embedder.load(tiny_model, precision="bfloat16")
    made = rough.embed_documents(TEXTS)
    assert rough.spaces == exact.spaces
    assert made.dense.values.dtype == np.float32
    cosines = (made.dense.values * expected.dense.values).sum(axis=1)
    assert cosines.min() >= 0.999  # 32 dims of random weights; MiniLM's are nearer
    assert np.abs(made.dense.values - expected.dense.values).max() > 1e-5
    np.testing.assert_allclose(np.linalg.norm(made.dense.values, axis=1), 1, atol=1e-6)
    backbone = rough.weights.runner().backbone.model
    kinds = {type(module) for module in backbone.modules()}
    assert (PackedLinear in kinds) is packed


@pytest.mark.parametrize("has", [True, False])
def test_auto_is_bfloat16_where_the_hardware_has_it(monkeypatch, has):
    monkeypatch.setattr(hardware, "_has_bfloat16", lambda _: has)
    device = torch.device("cpu")
    expected = torch.bfloat16 if has else torch.float32
    assert hardware.choose_dtype("auto", device) == expected
    assert hardware.choose_dtype("float32", device) == torch.float32
    assert hardware.choose_dtype("bfloat16", device) == torch.bfloat16


@pytest.mark.parametrize(("seconds", "pays"), [((1.0, 0.5), True), ((1.0, 0.95), False)])
def test_instructions_for_bfloat16_count_only_where_they_are_faster(monkeypatch, seconds, pays):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    taken = iter(seconds)
    monkeypatch.setattr(hardware, "best_times", lambda ways: [next(taken)] * len(ways))
    hardware._pays.cache_clear()
    try:
        assert hardware._has_bfloat16(torch.device("cpu")) is pays
        assert hardware._has_bfloat16(torch.device("cpu")) is pays  # measured once
    finally:
        hardware._pays.cache_clear()


def test_a_processor_without_the_instructions_is_not_measured(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(hardware, "_pays", lambda: pytest.fail("measured"))
    assert not hardware._has_bfloat16(torch.device("cpu"))


def test_the_precisions_are_measured_on_the_same_products():
    for dtype in (torch.float32, torch.bfloat16):
        for product in hardware._products(dtype):
            with torch.inference_mode():
                assert product().shape == (256, 768)
                assert product().dtype == dtype


def test_a_gpu_is_used_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert hardware.choose_device().type == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert hardware.choose_device().type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert hardware.choose_device().type == "cuda"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_a_batch_that_runs_out_of_memory_is_halved(tiny_model, monkeypatch, error):
    embedder = Embedder.load(tiny_model)
    texts = [*TEXTS, *["ship and sail " * 2] * 8]
    expected = embedder.embed_documents(texts)
    backbone, sizes = embedder.weights.runner().backbone, []
    states = backbone.states

    def scarce(ids, mask):
        sizes.append(len(ids))
        if len(ids) > 3:
            raise error
        return states(ids, mask)

    monkeypatch.setattr(backbone, "states", scarce)
    made = embedder.embed_documents(texts)
    assert sizes[0] == len(texts)
    np.testing.assert_allclose(made.dense.values, expected.dense.values, atol=1e-6)
    for rows, others in zip(made.multi.values, expected.multi.values, strict=True):
        np.testing.assert_allclose(rows, others, atol=1e-6)


@pytest.mark.parametrize(("kind", "batches"), [("cpu", 2), ("cuda", 1)])
def test_only_a_processor_pays_for_less_padding_with_more_batches(
    tiny_model, monkeypatch, kind, batches
):
    embedder = Embedder.load(tiny_model, modes=["dense"])
    backbone, sizes = embedder.weights.runner().backbone, []
    states = backbone.states

    def counting(ids, mask):
        sizes.append(len(ids))
        monkeypatch.setattr(backbone, "device", torch.device("cpu"))
        made = states(ids, mask)
        monkeypatch.setattr(backbone, "device", torch.device(kind))
        return made

    monkeypatch.setattr(backbone, "device", torch.device(kind))
    monkeypatch.setattr(backbone, "states", counting)
    embedder.embed_documents(["ship " * 50, "sail " * 5, "mast " * 5])
    assert len(sizes) == batches


def test_one_text_that_memory_does_not_suffice_for_is_an_error(tiny_model, monkeypatch):
    embedder = Embedder.load(tiny_model)

    def full(ids, mask):
        raise MemoryError

    monkeypatch.setattr(embedder.weights.runner().backbone, "states", full)
    with pytest.raises(EmbeddingError, match="a batch of 1 texts"):
        embedder.embed_documents(TEXTS)


def test_another_error_is_not_tried_again(tiny_model, monkeypatch):
    embedder, calls = Embedder.load(tiny_model), []

    def broken(ids, mask):
        calls.append(1)
        raise RuntimeError("broken")

    monkeypatch.setattr(embedder.weights.runner().backbone, "states", broken)
    with pytest.raises(EmbeddingError, match="broken"):
        embedder.embed_documents(TEXTS)
    assert len(calls) == 1
