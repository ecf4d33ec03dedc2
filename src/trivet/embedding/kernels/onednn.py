"""A backbone whose layers run on oneDNN, where that is faster than torch's own choice."""

from __future__ import annotations

import logging
from functools import partial

import torch
from torch import Tensor, nn

from trivet.embedding.kernels import attention
from trivet.embedding.kernels.hardware import choose_device, choose_dtype
from trivet.embedding.kernels.packed import PackedLinear, has_packing, pack, packed_form
from trivet.embedding.kernels.probing import best_times
from trivet.embedding.kernels.torch import Backbone, load_backbone
from trivet.embedding.spec import EncoderSpec

logger = logging.getLogger(__name__)

# torch gives float32 to MKL, which reaches 42 % of oneDNN's speed on AMD and about the same on
# Intel: so the choice is measured, on a layer of the model itself, and must pay for the change.
_WORTHWHILE = 1.1
_PROBE_OPERATIONS = 50_000_000  # about a millisecond a round
_PARITY = 1e-4
_COSINE_PARITY = 1e-3
_PARITY_TOKENS = (16, 11)  # of two texts, so that one is padded


def load_fastest(
    spec: EncoderSpec, precision: str = "float32", device: torch.device | None = None
) -> Backbone:
    """Load a checkpoint with the faster kernel, and with the reference one where in doubt.

    Args:
        spec: the checkpoint.
        precision: "float32", "bfloat16", or "auto".
        device: that computes; None = the best one.

    Raises:
        CheckpointError: weights are missing, damaged or of an unknown architecture.
    """
    device = choose_device() if device is None else device
    dtype = choose_dtype(precision, device)
    backbone = load_backbone(spec, dtype=dtype, device=device)
    if device.type != "cpu" or not _is_worthwhile(backbone.model):
        return backbone
    ids = torch.arange(max(_PARITY_TOKENS)).repeat(len(_PARITY_TOKENS), 1)
    mask = (ids < torch.tensor(_PARITY_TOKENS).unsqueeze(1)).long()
    try:
        reference = backbone.states(ids, mask)
        pack(backbone.model)
        if dtype == torch.bfloat16:
            attention.install(backbone.model)
        states = backbone.states(ids, mask)
    except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError) as error:
        logger.info("the oneDNN kernel does not run this model (%s): using torch's own", error)
        return load_backbone(spec, dtype=dtype)
    seen = mask.bool()
    difference = _difference(states[seen], reference[seen], dtype)
    if not difference <= _PARITY:  # also for NaN
        logger.warning("the oneDNN kernel differs by %g: using torch's own", difference)
        return load_backbone(spec, dtype=dtype)
    return backbone


def _difference(states: Tensor, reference: Tensor, dtype: torch.dtype) -> float:
    """The largest of a component; with few digits, the largest angle of a token by its cosine."""
    if dtype == torch.float32:
        return float((states - reference).abs().max())
    cosines = nn.functional.cosine_similarity(states, reference, dim=-1)
    return _PARITY * float((1 - cosines).max()) / _COSINE_PARITY


def _is_worthwhile(model: nn.Module) -> bool:
    """Whether oneDNN is there and beats torch on the model's largest linear layer.

    The activation behind the layer counts where oneDNN computes it in the same step.
    """
    linears = [module for module in model.modules() if type(module) is nn.Linear]
    if not linears or not has_packing():
        return False
    largest = max(linears, key=lambda linear: linear.weight.numel())
    plain, made = _with_what_follows(model, largest)
    count = min(512, max(16, _PROBE_OPERATIONS // largest.weight.numel()))
    rows = torch.ones(count, largest.in_features, dtype=largest.weight.dtype)
    usual, packed = best_times([partial(plain, rows), partial(made, rows)])
    return packed * _WORTHWHILE < usual


def _with_what_follows(model: nn.Module, linear: nn.Linear) -> tuple[nn.Module, PackedLinear]:
    """The part of a model that is packed together with a layer, and what it is packed to."""
    for owner in model.modules():
        made = packed_form(owner) if linear in owner.children() else None
        if made is not None:
            return owner, made
    return linear, PackedLinear(linear)
