"""What transformers is told about a backbone beyond its folder."""

from __future__ import annotations

import json
import re
from typing import Any, Protocol

import torch
import transformers
from torch import Tensor

from trivet.embedding.readers import kinds
from trivet.embedding.readers.decoders import unwrapped
from trivet.embedding.readers.files import read_object
from trivet.embedding.spec import EncoderSpec, Loading
from trivet.errors import CheckpointError

# What says how a checkpoint's own code is found, and must not reach the class that replaces it.
_OF_OWN_CODE = ("model_type", "auto_map", "architectures", "text_config", "_name_or_path")


class _Runs(Protocol):
    def states(self, ids: Tensor, mask: Tensor) -> Tensor: ...


def loading_arguments(spec: EncoderSpec) -> dict[str, Any]:
    """Arguments for `from_pretrained`; none where the folder says all."""
    loading = spec.loading
    if loading == Loading():
        return {}
    if loading.architecture is None:
        config = transformers.AutoConfig.from_pretrained(
            spec.folder, local_files_only=True, trust_remote_code=loading.remote_code
        )
    else:
        stored = unwrapped(read_object(spec.folder / "config.json", kinds.BACKBONE))
        stated = {key: value for key, value in stored.items() if key not in _OF_OWN_CODE}
        config = transformers.AutoConfig.for_model(loading.architecture, **stated)
    if loading.causal is not None:
        config.is_causal = loading.causal
        if hasattr(config, "use_bidirectional_attention"):  # Gemma's name for it
            config.use_bidirectional_attention = not loading.causal
    arguments: dict[str, Any] = {"config": config}
    if loading.remote_code:
        arguments["trust_remote_code"] = True
    if loading.weights_prefix:
        arguments["key_mapping"] = {f"^{re.escape(loading.weights_prefix)}": ""}
    return arguments


def require_attention(backbone: _Runs, spec: EncoderSpec) -> None:
    """Refuse a backbone that does not obey the attention it was told.

    Raises:
        CheckpointError: tokens see the ones behind them, or not, against what was stated.
    """
    causal = spec.loading.causal
    if causal is None and json.loads(spec.backbone).get("is_causal") is False:
        causal = False  # by the config itself, which older transformers read past
    if causal is None:
        return
    ids = torch.tensor([[1, 2, 3], [1, 2, 4]])
    first, other = backbone.states(ids, torch.ones_like(ids))[:, 0]
    if torch.equal(first, other) is not causal:
        wanted = "causal" if causal else "bidirectional"
        raise CheckpointError(
            f"expected {wanted} attention from {spec.folder}, which transformers "
            f"{transformers.__version__} does not give: install transformers 5.2 or later"
        )
