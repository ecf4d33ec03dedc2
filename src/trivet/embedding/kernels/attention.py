"""Attention in bfloat16 on a processor, each length by the way that is fastest there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from trivet.embedding.kernels.probing import best_times

# (b, heads, t, d) queries, keys, values; (b, 1, t, t), True where a token is seen, or None for
# everywhere; the factor of the scores. Returns (b, t, heads, d).
Way: TypeAlias = Callable[[Tensor, Tensor, Tensor, "Tensor | None", float], Tensor]

_NAME = "trivet"
_WORTHWHILE = 1.1
_PROBE_TOKENS = 512
_LONGEST = 512  # longer texts are as fast one way as the other by then, and scores take memory
# Arguments of transformers that change what attention is; with one of them it is left alone.
_UNKNOWN = ("position_bias", "softcap", "cache", "s_aux")


def install(model: nn.Module) -> None:
    """Let a model of transformers choose its attention by length; others stay as they are."""
    if not isinstance(model, PreTrainedModel) or model.config._attn_implementation != "sdpa":
        return
    if not model._can_set_attn_implementation():  # it would be told so in a warning
        return
    AttentionInterface.register(_NAME, attend)
    AttentionMaskInterface.register(_NAME, sdpa_mask)
    model.set_attn_implementation(_NAME)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **others: Any,  # noqa: ANN401 - what transformers passes to any attention
) -> tuple[Tensor, None]:
    """As transformers' `sdpa_attention_forward`, which does what is not done faster here."""
    length = query.shape[2]
    causal = others.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    plain = (
        query.shape == key.shape == value.shape
        and length <= _LONGEST
        and (attention_mask is not None or not causal)
        and (attention_mask is None or attention_mask.dtype == torch.bool)
        and all(others.get(name) is None for name in _UNKNOWN)
    )
    if plain:
        way = fastest(query.shape[1], query.shape[3], _probed(length))
        factor = query.shape[3] ** -0.5 if scaling is None else scaling
        return way(query, key, value, attention_mask, factor), None
    made: tuple[Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, scaling=scaling, **others
    )
    return made


def fused(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, factor: float) -> Tensor:
    """By torch's own kernel."""
    made = nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=seen, scale=factor
    )
    return made.transpose(1, 2).contiguous()


def widened(
    query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, factor: float
) -> Tensor:
    """By torch's own kernel in float32, whose small products are faster on some processors."""
    wide = fused(query.float(), key.float(), value.float(), seen, factor)
    return wide.to(query.dtype)


def stepwise(
    query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, factor: float
) -> Tensor:
    """By scores, softmax and sum one after another, as products of all heads at once."""
    count, heads, length, dims = query.shape
    rows = [part.reshape(count * heads, length, dims) for part in (query, key, value)]
    scores = torch.baddbmm(
        query.new_empty(()), rows[0], rows[1].transpose(1, 2), beta=0, alpha=factor
    )
    if seen is not None:
        by_text = scores.view(count, heads, length, length)
        by_text.masked_fill_(seen.logical_not(), torch.finfo(scores.dtype).min)
    made = torch.bmm(scores.softmax(-1), rows[2])
    return made.view(count, heads, length, dims).transpose(1, 2).contiguous()


WAYS: tuple[Way, ...] = (fused, widened, stepwise)


@cache
def fastest(heads: int, dims: int, length: int) -> Way:
    """The fastest way for bfloat16 of a shape, measured once a process; torch's own where alike."""
    shape = (max(1, _PROBE_TOKENS // length), length, heads, dims)
    rows = torch.ones(shape, dtype=torch.bfloat16).transpose(1, 2)
    seen = torch.ones(shape[0], 1, length, length, dtype=torch.bool)
    own, *times = best_times([partial(way, rows, rows, rows, seen, 1.0) for way in WAYS])
    best = min(times)
    return WAYS[1 + times.index(best)] if best * _WORTHWHILE < own else fused


def _probed(length: int) -> int:
    """The length that stands for those between two powers of two.

    It is odd, as most are: torch's own kernel is up to half as fast again at multiples of 16.
    """
    return 3 * max(16, 1 << (length - 1).bit_length()) // 4 + 1
