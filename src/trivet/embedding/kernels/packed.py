"""Linear layers that oneDNN computes in one step with what follows, from weights in its layout."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.activations import GELUActivation

_CHECKED_ROWS = 4
_TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 0.03}  # relative, and of components near 0


class PackedLinear(nn.Module):
    """A linear layer that holds its weight in oneDNN's blocked layout only.

    Args:
        linear: the layer; its weight is copied.
        activation: that follows: "none", or "gelu" in its exact form.
    """

    def __init__(self, linear: nn.Linear, activation: str = "none") -> None:
        super().__init__()
        weight = linear.weight.detach()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        self.bias = None if linear.bias is None else linear.bias.detach()
        self.activation = activation

    def forward(self, rows: Tensor) -> Tensor:
        """The map of (..., in) to (..., out), in the weight's own precision."""
        # The last "none": GELU by the error function, not by tanh.
        made: Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self.packed, self.bias, self.activation, [], "none"
        )
        return made


def has_packing() -> bool:
    """Whether this torch has the operators, and oneDNN is not switched off."""
    operators = ("_reorder_linear_weight", "_linear_pointwise")
    if not torch._C._has_mkldnn or not torch.backends.mkldnn.enabled:
        return False
    return all(hasattr(torch.ops.mkldnn, name) for name in operators)


def pack(model: nn.Module) -> None:
    """Replace the linear layers of a model of our own by packed ones; the old weights go."""
    for name, child in list(model.named_children()):
        made = packed_form(child)
        if made is None:
            pack(child)
        else:
            setattr(model, name, made)


def packed_form(module: nn.Module) -> PackedLinear | None:
    """What computes the same as a module in one step; None for a kind that is not known."""
    if type(module) is nn.Linear:
        return PackedLinear(module)
    # The names of transformers' BERT, which its descendants share; other code may mean other
    # things by them, so the results are compared.
    parts = dict(module.named_children())
    if set(parts) != {"dense", "intermediate_act_fn"}:
        return None
    linear, activation = parts["dense"], parts["intermediate_act_fn"]
    if type(linear) is not nn.Linear or not _is_gelu(activation):
        return None
    made = PackedLinear(linear, "gelu")
    return made if _agree(module, made, linear) else None


def _is_gelu(activation: nn.Module) -> bool:
    """Whether an activation is GELU in its exact form, by torch's own function."""
    return type(activation) is GELUActivation and activation.act is nn.functional.gelu


@torch.inference_mode()
def _agree(old: nn.Module, new: nn.Module, linear: nn.Linear) -> bool:
    """Whether two modules that hold one linear layer make the same of the same rows."""
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(_CHECKED_ROWS, linear.in_features, generator=draw).to(linear.weight.dtype)
    try:
        expected, got = old(rows).float(), new(rows).float()
    except (AttributeError, RuntimeError, TypeError):  # it asks for more than rows
        return False
    tolerance = _TOLERANCE[linear.weight.dtype]
    return torch.allclose(got, expected, rtol=tolerance, atol=tolerance)
