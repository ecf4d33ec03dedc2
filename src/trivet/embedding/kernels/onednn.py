"""A backbone whose linear layers run on oneDNN, where that is faster than torch's own choice."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from trivet.embedding.kernels.hardware import choose_device, choose_dtype
from trivet.embedding.kernels.torch import Backbone, load_backbone
from trivet.embedding.spec import EncoderSpec

logger = logging.getLogger(__name__)

# torch gives float32 to MKL, which reaches 42 % of oneDNN's speed on AMD and about the same on
# Intel: so the choice is measured, on a layer of the model itself, and must pay for the change.
_WORTHWHILE = 1.1
_PROBE_ROUNDS = 5
_PROBE_OPERATIONS = 50_000_000  # about a millisecond a round
_PARITY = 1e-4
_COSINE_PARITY = 1e-3
_PARITY_TOKENS = 16


class PackedLinear(nn.Module):
    """A linear layer that holds its weight in oneDNN's blocked layout only."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, rows: Tensor) -> Tensor:
        """The linear map of (..., in) to (..., out), in the weight's own precision."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self.packed, self.bias, "none", [], ""
        )
        return product


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
    ids = torch.arange(_PARITY_TOKENS).unsqueeze(0)
    mask = torch.ones_like(ids)
    try:
        reference = backbone.states(ids, mask)
        pack_linears(backbone.model)
        difference = _difference(backbone.states(ids, mask), reference, dtype)
    except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError) as error:
        logger.info("the oneDNN kernel does not run this model (%s): using torch's own", error)
        return load_backbone(spec, dtype=dtype)
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


def pack_linears(model: nn.Module) -> None:
    """Replace every linear layer of a model of our own by a packed one; the old weights go."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, PackedLinear(child))


def _is_worthwhile(model: nn.Module) -> bool:
    """Whether oneDNN is there and beats torch on the model's largest linear layer."""
    operators = ("_reorder_linear_weight", "_linear_pointwise")
    if not torch._C._has_mkldnn or not torch.backends.mkldnn.enabled:
        return False
    if not all(hasattr(torch.ops.mkldnn, name) for name in operators):
        return False
    linears = [module for module in model.modules() if type(module) is nn.Linear]
    if not linears:
        return False
    largest = max(linears, key=lambda linear: linear.weight.numel())
    count = min(512, max(16, _PROBE_OPERATIONS // largest.weight.numel()))
    rows = torch.ones(count, largest.in_features, dtype=largest.weight.dtype)
    with torch.inference_mode():
        plain, packed = _best_times(largest, PackedLinear(largest), rows)
    return packed * _WORTHWHILE < plain


def _best_times(
    plain: Callable[[Tensor], Tensor], packed: Callable[[Tensor], Tensor], rows: Tensor
) -> tuple[float, float]:
    """The shortest of several runs of each, in seconds, taken in turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_PROBE_ROUNDS + 1):  # the first round warms both up
        for layer, taken in zip((plain, packed), times, strict=True):
            start = time.perf_counter()
            layer(rows)
            taken.append(time.perf_counter() - start)
    return min(times[0][1:]), min(times[1][1:])
