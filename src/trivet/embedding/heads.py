"""Token states become vectors: pure tensor functions, all in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_TINY = 1e-9


def pool(states: Tensor, mask: Tensor, modes: Sequence[str], *, skip: int = 0) -> Tensor:
    """One vector per text.

    Args:
        states: (n, t, h) float32, padded on the right.
        mask: (n, t), 1 where there is a token.
        modes: names out of `POOLING_MODES`; their vectors are concatenated.
        skip: tokens at the start that belong to the prompt and stay out.

    Returns:
        (n, h · modes) float32.
    """
    if skip:
        mask = mask.clone()
        mask[:, :skip] = 0
    return torch.cat([_POOLINGS[mode](states, mask) for mode in modes], dim=-1)


def normalise(vectors: Tensor) -> Tensor:
    """Scale (n, d) vectors to length 1."""
    return torch.nn.functional.normalize(vectors, p=2, dim=-1)


def _cls(states: Tensor, mask: Tensor) -> Tensor:
    first = mask.to(torch.int32).argmax(dim=1)
    return states[torch.arange(len(states)), first]


def _last_token(states: Tensor, mask: Tensor) -> Tensor:
    positions = torch.arange(1, mask.shape[1] + 1)
    last = (mask * positions).argmax(dim=1)
    return states[torch.arange(len(states)), last]


def _max(states: Tensor, mask: Tensor) -> Tensor:
    return states.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(dim=1)


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    return _weighted_sum(states, mask) / _total(mask)


def _mean_sqrt(states: Tensor, mask: Tensor) -> Tensor:
    return _weighted_sum(states, mask) / _total(mask).sqrt()


def _weighted_mean(states: Tensor, mask: Tensor) -> Tensor:
    weights = mask * torch.arange(1, mask.shape[1] + 1)
    return _weighted_sum(states, weights) / _total(weights)


def _weighted_sum(states: Tensor, weights: Tensor) -> Tensor:
    return (states * weights.unsqueeze(-1).to(states.dtype)).sum(dim=1)


def _total(weights: Tensor) -> Tensor:
    return weights.sum(dim=1, keepdim=True).to(torch.float32).clamp(min=_TINY)


_POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cls": _cls,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt,
    "weightedmean": _weighted_mean,
    "lasttoken": _last_token,
}
