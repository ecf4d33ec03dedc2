"""Token ids become vectors: batches through the backbone, its states through the heads."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from trivet.embedding import heads
from trivet.embedding.batching import PADDING_BUDGET, TOKEN_BUDGET, pad, plan_batches, restore_order
from trivet.embedding.kernels.hardware import is_out_of_memory
from trivet.embedding.kernels.onednn import load_fastest
from trivet.embedding.kernels.torch import Backbone
from trivet.embedding.latent import load_latent
from trivet.embedding.layers import load_layers, load_linear
from trivet.embedding.preparing import kept_tokens
from trivet.embedding.prompts import Role
from trivet.embedding.ragged import above_zero, reordered, split_rows, strongest_by_id
from trivet.embedding.spec import EncoderSpec, TokenWeights, VocabularyWeights
from trivet.embedding.tokenizing import TokenisedText
from trivet.errors import EmbeddingError
from trivet.types import Mode, SparseVector, Vectors

logger = logging.getLogger(__name__)

# Logits of one batch, which a language model's head makes for every token and vocabulary entry:
# 256 MiB of float32.
_LOGITS_BUDGET = 1 << 26


@dataclass(frozen=True)
class Job:
    """What is wanted of the texts of one call.

    Attributes:
        modes: the legs to make.
        role: of the texts.
        ends: special tokens that the tokenizer puts before and behind every text.
    """

    modes: tuple[Mode, ...]
    role: Role
    ends: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Made:
    """The legs of n texts, without their spaces; a leg that was not wanted is None."""

    dense: Vectors | None = None
    sparse: Sequence[SparseVector] | None = None
    multi: Sequence[Vectors] | None = None


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
        lengths, budget = [len(text.ids) for text in texts], self._budget
        padding = PADDING_BUDGET if self.backbone.device.type == "cpu" else budget
        batches = plan_batches(lengths, budget=budget, padding=padding)
        parts = [made for batch in batches for made in self._batch([texts[i] for i in batch], job)]
        dense = [part.dense for part in parts if part.dense is not None]
        sparse = [part.sparse for part in parts if part.sparse is not None]
        multi = [part.multi for part in parts if part.multi is not None]
        return Made(
            dense=restore_order(dense, batches) if dense else None,
            sparse=reordered(sparse, batches) if sparse else None,
            multi=reordered(multi, batches) if multi else None,
        )

    @property
    def _budget(self) -> int:
        """The most padded tokens of a batch."""
        if not isinstance(self.spec.sparse, VocabularyWeights):
            return TOKEN_BUDGET
        return min(TOKEN_BUDGET, max(1, _LOGITS_BUDGET // self.spec.sparse.vocabulary))

    def _batch(self, texts: Sequence[TokenisedText], job: Job) -> list[Made]:
        """The legs of a batch; one that memory does not suffice for goes in halves."""
        try:
            return [self._forward(texts, job)]
        except Exception as error:  # whatever the model's code raises
            if len(texts) == 1 or not is_out_of_memory(error):
                raise EmbeddingError(
                    f"expected vectors from {self.spec.folder}, got {type(error).__name__} "
                    f"({error}) for a batch of {len(texts)} texts of up to {len(texts[0].ids)} "
                    "tokens: check the checkpoint, and that there is memory"
                ) from error
            logger.info("halving a batch of %d texts: %s", len(texts), error)
        # Only here, where the error has let go of the failed batch's memory.
        middle = len(texts) // 2
        return self._batch(texts[:middle], job) + self._batch(texts[middle:], job)

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
        return split_rows(_array(rows), kept.sum(axis=1))


def load_runner(spec: EncoderSpec, modes: Sequence[Mode], precision: str = "float32") -> Runner:
    """Load a checkpoint's weights.

    Args:
        spec: the checkpoint.
        modes: the legs whose heads are loaded.
        precision: of the backbone; heads compute in float32.

    Raises:
        CheckpointError: weights are missing, damaged or of an unknown architecture.
    """
    sparse = spec.sparse if "sparse" in modes else None
    multi = spec.multi if "multi" in modes else None
    weigher = load_linear(sparse.projection) if isinstance(sparse, TokenWeights) else None
    projections = load_layers(spec.projections if "dense" in modes else ())
    token_layers = load_layers(() if multi is None else multi.projections)
    backbone = load_fastest(spec, precision)
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
