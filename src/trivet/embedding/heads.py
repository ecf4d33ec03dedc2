"""Token states become vectors: pure tensor functions, all in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from trivet.embedding.spec import VocabularyWeights

_TINY = 1e-9


def pool(
    states: Tensor, mask: Tensor, modes: Sequence[str], *, skip: int | Sequence[int] = 0
) -> Tensor:
    """One vector per text.

    Args:
        states: (n, t, h) float32, padded on the right.
        mask: (n, t), 1 where there is a token.
        modes: names out of `POOLING_MODES`; their vectors are concatenated.
        skip: tokens at the start that belong to the prompt and stay out, of all or of each text.

    Returns:
        (n, h · modes) float32.
    """
    skips = [skip] * len(mask) if isinstance(skip, int) else skip
    if any(skips):
        mask = mask.clone()
        for row, count in enumerate(skips):
            mask[row, :count] = 0
    return torch.cat([_POOLINGS[mode](states, mask) for mode in modes], dim=-1)


def normalise(vectors: Tensor) -> Tensor:
    """Scale (n, d) vectors to length 1."""
    return torch.nn.functional.normalize(vectors, p=2, dim=-1)


def token_weights(states: Tensor, linear: nn.Linear) -> Tensor:
    """The weight of each token of (n, t, h) states: (n, t) float32, none below 0."""
    weights: Tensor = linear(states)
    return weights.squeeze(-1).relu()


def vocabulary_weights(logits: Tensor, lengths: Sequence[int], head: VocabularyWeights) -> Tensor:
    """The weight of each vocabulary entry: max or sum over tokens of log(1 + relu(logit)).

    Args:
        logits: (n, t, vocabulary), padded on the right.
        lengths: tokens of each text.
        head: says how.

    Returns:
        (n, vocabulary) float32, none below 0.
    """
    if head.pooling == "max":  # which a logarithm does not reorder
        largest = [logits[row, :length].amax(dim=0) for row, length in enumerate(lengths)]
        weights = _activate(torch.stack(largest).float(), head.activation)
    else:
        sums = [
            _activate(logits[row, :length].float(), head.activation).sum(dim=0)
            for row, length in enumerate(lengths)
        ]
        weights = torch.stack(sums)
    if head.max_active is None or head.max_active >= weights.shape[1]:
        return weights
    top = weights.topk(head.max_active, dim=1)
    return torch.zeros_like(weights).scatter_(1, top.indices, top.values)


def token_vectors(
    states: Tensor, kept: Tensor, layers: nn.Module, *, dims: int, unit: bool
) -> Tensor:
    """The vectors of the tokens that are kept, text after text.

    Args:
        states: (n, t, h) float32.
        kept: (n, t) bool.
        layers: over token states.
        dims: components that stay, the first.
        unit: whether vectors are scaled to length 1.

    Returns:
        (tokens kept, dims) float32.
    """
    vectors: Tensor = layers(states[kept])[:, :dims]
    return normalise(vectors) if unit else vectors


def _activate(logits: Tensor, activation: str) -> Tensor:
    weights = logits.relu().log1p()
    return weights.log1p() if activation == "log1p_relu" else weights


def _cls(states: Tensor, mask: Tensor) -> Tensor:
    first = mask.to(torch.int32).argmax(dim=1)
    return states[torch.arange(len(states), device=states.device), first]


def _last_token(states: Tensor, mask: Tensor) -> Tensor:
    last = (mask * _places(mask)).argmax(dim=1)
    return states[torch.arange(len(states), device=states.device), last]


def _max(states: Tensor, mask: Tensor) -> Tensor:
    return states.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(dim=1)


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    return _weighted_sum(states, mask) / _total(mask)


def _mean_sqrt(states: Tensor, mask: Tensor) -> Tensor:
    return _weighted_sum(states, mask) / _total(mask).sqrt()


def _weighted_mean(states: Tensor, mask: Tensor) -> Tensor:
    weights = mask * _places(mask)
    return _weighted_sum(states, weights) / _total(weights)


def _places(mask: Tensor) -> Tensor:
    return torch.arange(1, mask.shape[1] + 1, device=mask.device)


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
