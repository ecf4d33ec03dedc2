"""NV-Embed's latent attention: token states look up a learned table before they are pooled."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from trivet.embedding.layers import read_tensors
from trivet.embedding.spec import LatentAttention
from trivet.errors import CheckpointError

# Its weights, under the names of the checkpoint's own code.
_ATTEND, _FEED = "cross_attend_blocks.0.", "cross_attend_blocks.1."
_NORMED = (f"{_ATTEND}norm", f"{_ATTEND}norm_context", f"{_FEED}norm")
_BIASED = (*_NORMED, f"{_FEED}fn.net.0", f"{_FEED}fn.net.2")
_UNBIASED = tuple(f"{_ATTEND}fn.{layer}" for layer in ("to_q", "to_kv", "to_out"))
_NAMES = (
    "latents",
    *(f"{layer}.weight" for layer in (*_BIASED, *_UNBIASED)),
    *(f"{layer}.bias" for layer in _BIASED),
)


class LatentLayer(nn.Module):
    """Cross-attention of tokens to latents and a gated feed-forward layer, both with residuals.

    Args:
        weights: by the names in the checkpoint.
        heads: of the attention.
    """

    def __init__(self, weights: dict[str, Tensor], heads: int) -> None:
        super().__init__()
        self._weights = weights
        self._heads = heads

    def forward(self, states: Tensor) -> Tensor:
        """(n, t, h) float32 to (n, t, h); no token sees another."""
        states = states + self._attended(states)
        weights = self._weights
        rows = self._normed(states, f"{_FEED}norm")
        rows = functional.linear(
            rows, weights[f"{_FEED}fn.net.0.weight"], weights[f"{_FEED}fn.net.0.bias"]
        )
        values, gates = rows.chunk(2, dim=-1)
        fed = functional.linear(
            values * functional.gelu(gates),
            weights[f"{_FEED}fn.net.2.weight"],
            weights[f"{_FEED}fn.net.2.bias"],
        )
        return states + fed

    def _attended(self, states: Tensor) -> Tensor:
        weights = self._weights
        asking = functional.linear(
            self._normed(states, f"{_ATTEND}norm"), weights[f"{_ATTEND}fn.to_q.weight"]
        )
        table = self._normed(weights["latents"], f"{_ATTEND}norm_context")
        keys, values = functional.linear(table, weights[f"{_ATTEND}fn.to_kv.weight"]).chunk(2, -1)
        heads = [self._split(part) for part in (asking, keys.unsqueeze(0), values.unsqueeze(0))]
        n = len(states)
        found = functional.scaled_dot_product_attention(
            heads[0], heads[1].expand(n, -1, -1, -1), heads[2].expand(n, -1, -1, -1)
        )
        joined = found.transpose(1, 2).flatten(2)
        return functional.linear(joined, weights[f"{_ATTEND}fn.to_out.weight"])

    def _split(self, rows: Tensor) -> Tensor:
        return rows.reshape(*rows.shape[:-1], self._heads, -1).transpose(1, 2)

    def _normed(self, rows: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(rows, (rows.shape[-1],), weight, bias)


def load_latent(head: LatentAttention, device: torch.device) -> LatentLayer:
    """Load the layer.

    Args:
        head: where it is.
        device: that computes.

    Raises:
        CheckpointError: weights are missing, damaged or of another shape.
    """
    stored: dict[str, Tensor] = {}
    for file in head.weights_files:
        for name, tensor in read_tensors(file, head.prefix).items():
            stored[name[len(head.prefix) :]] = tensor.float().to(device)
    missing = [name for name in _NAMES if name not in stored]
    if missing:
        raise CheckpointError(
            f"expected {head.prefix}{missing[0]} in {head.weights_files[0].parent}, got none: "
            "fetch the checkpoint anew"
        )
    layer = LatentLayer(stored, head.heads)
    try:
        with torch.inference_mode():
            layer(torch.zeros(1, 1, head.hidden, device=device))
    except RuntimeError as error:
        raise CheckpointError(
            f"expected latent attention over states of {head.hidden} numbers in "
            f"{head.weights_files[0].parent}, got {error}: fetch the checkpoint anew"
        ) from error
    return layer
