"""Trained linear layers, read from their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from trivet.embedding.spec import Projection
from trivet.errors import CheckpointError


def load_layers(projections: Sequence[Projection]) -> nn.Module:
    """Load a chain of layers, each with its activation; no layer gives what comes.

    Raises:
        CheckpointError: weights are missing, damaged or of another shape.
    """
    layers: list[nn.Module] = []
    for projection in projections:
        layers += [load_linear(projection), getattr(nn, projection.activation)()]
    return nn.Sequential(*layers).eval()


def load_linear(projection: Projection) -> nn.Linear:
    """Load one linear layer.

    Raises:
        CheckpointError: weights are missing, damaged or of another shape.
    """
    linear = nn.Linear(projection.in_features, projection.out_features, bias=projection.bias)
    file, prefix = projection.weights_file, projection.prefix
    stored = read_tensors(file, prefix)
    try:
        linear.load_state_dict({name[len(prefix) :]: stored[name].float() for name in stored})
    except RuntimeError as error:
        raise CheckpointError(
            f"expected {prefix}weight of {projection.out_features} × {projection.in_features} in "
            f"{file}, got {error}: fetch the checkpoint anew"
        ) from error
    return linear.eval()


def tensor_names(file: Path) -> list[str]:
    """The names of all tensors of a file.

    Raises:
        CheckpointError: the file is damaged, or holds more than tensors.
    """
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as opened:
                return list(opened.keys())
        return list(torch.load(file, map_location="meta", weights_only=True))
    except Exception as error:  # as below
        raise _damaged(file, error) from error


def read_tensors(file: Path, prefix: str) -> dict[str, Tensor]:
    """The tensors of a file whose names begin so.

    Raises:
        CheckpointError: the file is damaged, or holds more than tensors.
    """
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as opened:
                names = [name for name in opened.keys() if name.startswith(prefix)]  # noqa: SIM118
                return {name: opened.get_tensor(name) for name in names}
        stored: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
        return {name: tensor for name, tensor in stored.items() if name.startswith(prefix)}
    except Exception as error:  # safetensors, pickle and torch each raise their own
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"expected tensors in {file}, got {type(error).__name__} ({error}): fetch the checkpoint "
        "anew"
    )
