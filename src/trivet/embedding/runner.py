"""Token ids become vectors: batches through the backbone, its states through the heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from trivet.embedding import heads
from trivet.embedding.batching import PASS_TOKENS, TOKEN_BUDGET, pad, plan_batches
from trivet.embedding.job import Job, Made, Represents
from trivet.embedding.kernels.hardware import choose_device
from trivet.embedding.kernels.onednn import load_fastest
from trivet.embedding.kernels.torch import Backbone
from trivet.embedding.latent import load_latent
from trivet.embedding.layers import load_layers, load_linear
from trivet.embedding.passes import in_batches
from trivet.embedding.preparing import kept_tokens
from trivet.embedding.ragged import above_zero, split_rows, strongest_by_id
from trivet.embedding.spec import EncoderSpec, TokenWeights, VocabularyWeights
from trivet.embedding.token_pooling import pool_tokens
from trivet.embedding.tokenizing import TokenisedText
from trivet.types import Mode, SparseVector, Vectors

# Logits of one batch, which a language model's head makes for every token and vocabulary entry:
# 256 MiB of float32.
_LOGITS_BUDGET = 1 << 26


@dataclass(frozen=True, eq=False)
class Runner:
    """A checkpoint with its weights loaded; it may be used by several threads at once.

    Attributes:
        spec: the checkpoint.
        backbone: token ids to token states, or to logits where a sparse leg needs those.
        projections: the layers after the pooling.
        weigher: token state to sparse weight, where the checkpoint has such a head.
        token_layers: the layers over token states, for the multi-vector leg.
        latent: the layer between token states and pooling.
    """

    spec: EncoderSpec
    backbone: Backbone
    projections: nn.Module
    weigher: nn.Linear | None
    token_layers: nn.Module
    latent: nn.Module

    def represent(self, texts: Sequence[TokenisedText], job: Job) -> Made:
        """Embed n ≥ 1 texts in one pass.

        Args:
            texts: as the model reads them.
            job: what is wanted.

        Raises:
            EmbeddingError: the model failed on a batch.
        """
        # Elsewhere than on a processor a batch costs about the same, however many tokens it has.
        worth = self._budget if self.gains_by_company else PASS_TOKENS
        lengths = [len(text.ids) for text in texts]
        batches = plan_batches(lengths, budget=self._budget, pass_tokens=worth)
        return in_batches(texts, batches, partial(self._forward, job=job), self.spec.folder)

    @property
    def gains_by_company(self) -> bool:
        """Whether calls that share a pass are faster: off the processor."""
        return self.backbone.device.type != "cpu"

    @property
    def _budget(self) -> int:
        """The most padded tokens of a batch."""
        if not isinstance(self.spec.sparse, VocabularyWeights):
            return TOKEN_BUDGET
        return min(TOKEN_BUDGET, max(1, _LOGITS_BUDGET // self.spec.sparse.vocabulary))

    @torch.inference_mode()
    def _forward(self, texts: Sequence[TokenisedText], job: Job) -> Made:
        padded = pad([text.ids for text in texts], self.spec.pad_id)
        attended = [text.attended for text in texts]
        ids, mask = (torch.from_numpy(array) for array in padded)
        for row, count in enumerate(attended):
            mask[row, count:] = 0
        states = self.backbone.states(ids, mask)
        mask = mask.to(states.device)
        return Made(
            dense=self._dense(states, mask, texts) if "dense" in job.modes else None,
            sparse=self._sparse(states, ids, mask, attended) if "sparse" in job.modes else None,
            multi=self._multi(states, texts, job) if "multi" in job.modes else None,
        )

    def _dense(self, states: Tensor, mask: Tensor, texts: Sequence[TokenisedText]) -> Vectors:
        pooled = heads.pool(
            self.latent(states), mask, self.spec.pooling, skip=[text.skip for text in texts]
        )
        vectors: Tensor = self.projections(pooled)
        if self.spec.cut_first:
            vectors = vectors[:, : self.spec.dims]
        if self.spec.normalise:
            vectors = heads.normalise(vectors)
        # A cut that the checkpoint asks for comes last, as in sentence-transformers.
        return _array(vectors[:, : self.spec.dims])

    def _sparse(
        self, states: Tensor, ids: Tensor, mask: Tensor, attended: Sequence[int]
    ) -> list[SparseVector]:
        head = self.spec.sparse
        if isinstance(head, TokenWeights) and self.weigher is not None:
            weights = heads.token_weights(states, self.weigher)
            rows = ids.numpy()
            kept = mask.cpu().numpy().astype(bool) & ~np.isin(rows, head.dropped_ids)
            return strongest_by_id(rows, _array(weights), kept)
        assert isinstance(head, VocabularyWeights)  # a mode that the checkpoint holds
        return above_zero(_array(heads.vocabulary_weights(states, attended, head)))

    def _multi(self, states: Tensor, texts: Sequence[TokenisedText], job: Job) -> list[Vectors]:
        head = self.spec.multi
        assert head is not None  # a mode that the checkpoint holds
        kept = kept_tokens(self.spec, texts, states.shape[1], role=job.role, ends=job.ends)
        shown = torch.from_numpy(kept).to(states.device)
        rows = heads.token_vectors(
            states, shown, self.token_layers, dims=head.dims, unit=head.normalise
        )
        vectors = split_rows(_array(rows), kept.sum(axis=1))
        if head.pooling is None or job.role not in head.pooling.roles:
            return vectors
        return [pool_tokens(rows, head.pooling) for rows in vectors]


def load_runner(
    spec: EncoderSpec,
    modes: Sequence[Mode],
    precision: str = "float32",
    device: str | None = None,
    backbone: Backbone | None = None,
) -> Represents:
    """Load a checkpoint's weights.

    Args:
        spec: the checkpoint.
        modes: the legs whose heads are loaded.
        precision: of the backbone; heads compute in float32.
        device: that computes; None = the best one.
        backbone: the same checkpoint's, where it is loaded already.

    Raises:
        CheckpointError: weights are missing, damaged or of an unknown architecture.
        InvalidInputError: torch finds no such device here.
    """
    chosen = choose_device(device)
    if spec.chain is not None:
        # The door to sentence-transformers, which is an extra.
        from trivet.embedding.chain import load_chain

        return load_chain(spec, precision, chosen)
    sparse = spec.sparse if "sparse" in modes else None
    multi = spec.multi if "multi" in modes else None
    weigher = load_linear(sparse.projection) if isinstance(sparse, TokenWeights) else None
    projections = load_layers(spec.projections if "dense" in modes else ())
    token_layers = load_layers(() if multi is None else multi.projections)
    backbone = load_fastest(spec, precision, chosen) if backbone is None else backbone
    return Runner(
        spec,
        backbone,
        projections=projections.to(backbone.device),
        weigher=None if weigher is None else weigher.to(backbone.device),
        token_layers=token_layers.to(backbone.device),
        latent=_latent(spec, backbone) if "dense" in modes else nn.Identity(),
    )


def _latent(spec: EncoderSpec, backbone: Backbone) -> nn.Module:
    if spec.latent is None:
        return nn.Identity()
    return load_latent(spec.latent, backbone.device)


def _array(tensor: Tensor) -> Vectors:
    array: Vectors = tensor.cpu().numpy()
    return array
