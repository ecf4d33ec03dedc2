"""Token ids become vectors: batches through the backbone, its states through the heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from trivet.embedding import heads
from trivet.embedding.batching import pad, plan_batches, restore_order
from trivet.embedding.kernels.onednn import load_fastest
from trivet.embedding.kernels.torch import Backbone
from trivet.embedding.spec import EncoderSpec, Projection
from trivet.errors import CheckpointError, EmbeddingError
from trivet.types import Vectors


@dataclass(frozen=True, eq=False)
class Runner:
    """A checkpoint with its weights loaded; it may be used by several threads at once.

    Attributes:
        spec: the checkpoint.
        backbone: token ids to token states.
        projections: the layers after the pooling.
    """

    spec: EncoderSpec
    backbone: Backbone
    projections: nn.Sequential

    def dense(self, token_ids: Sequence[Sequence[int]], *, skip: int) -> Vectors:
        """Embed n ≥ 1 texts.

        Args:
            token_ids: ids of each text, at most `spec.max_tokens`, special tokens included.
            skip: tokens at the start of each that stay out of the pooling.

        Returns:
            (n, d) float32, row i of text i.

        Raises:
            EmbeddingError: the model failed on a batch.
        """
        batches = plan_batches([len(ids) for ids in token_ids])
        parts = [self._batch([token_ids[i] for i in batch], skip) for batch in batches]
        return restore_order(parts, batches)

    def _batch(self, token_ids: Sequence[Sequence[int]], skip: int) -> Vectors:
        try:
            return self._forward(token_ids, skip)
        except Exception as error:  # whatever the model's code raises
            raise EmbeddingError(
                f"expected vectors from {self.spec.folder}, got {type(error).__name__} ({error}) "
                f"for a batch of {len(token_ids)} texts of up to {len(token_ids[0])} tokens: "
                "check the checkpoint, and that there is memory"
            ) from error

    @torch.inference_mode()
    def _forward(self, token_ids: Sequence[Sequence[int]], skip: int) -> Vectors:
        ids, mask = map(torch.from_numpy, pad(token_ids, self.spec.pad_id))
        states = self.backbone.states(ids, mask)
        vectors: Tensor = self.projections(heads.pool(states, mask, self.spec.pooling, skip=skip))
        if self.spec.normalise:
            vectors = heads.normalise(vectors)
        # A cut that the checkpoint asks for comes last, as in sentence-transformers.
        kept: Vectors = vectors[:, : self.spec.dims].numpy()
        return kept


def load_runner(spec: EncoderSpec) -> Runner:
    """Load a checkpoint's weights.

    Raises:
        CheckpointError: weights are missing, damaged or of an unknown architecture.
    """
    layers: list[nn.Module] = []
    for projection in spec.projections:
        layers += [_load_projection(projection), getattr(nn, projection.activation)()]
    return Runner(spec, load_fastest(spec), nn.Sequential(*layers).eval())


def _load_projection(projection: Projection) -> nn.Linear:
    linear = nn.Linear(projection.in_features, projection.out_features, bias=projection.bias)
    file = projection.weights_file
    try:
        if file.suffix == ".safetensors":
            stored = load_file(file)
        else:
            stored = torch.load(file, map_location="cpu", weights_only=True)
        state = {name.removeprefix("linear."): tensor.float() for name, tensor in stored.items()}
        linear.load_state_dict(state)
    except Exception as error:  # safetensors, pickle and torch each raise their own
        raise CheckpointError(
            f"expected linear.weight of {projection.out_features} × {projection.in_features} in "
            f"{file}, got {type(error).__name__} ({error}): fetch the checkpoint anew"
        ) from error
    return linear
