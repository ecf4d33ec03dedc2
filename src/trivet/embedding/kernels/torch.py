"""The reference backbone: transformers on torch, in inference mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import transformers
from torch import Tensor, nn
from transformers.utils import logging as transformers_logging

from trivet.embedding.kernels.loading import loading_arguments, require_attention
from trivet.embedding.spec import EncoderSpec, VocabularyWeights
from trivet.errors import CheckpointError

# The extra layer that some BERTs put on [CLS]: absent from many checkpoints, and never read here.
_UNREAD = "pooler."
_PROCESSOR = torch.device("cpu")


class Backbone:
    """A transformer that turns token ids into token states, or into logits.

    Args:
        model: of transformers.
        output: what is taken of its result.
        device: that computes.
    """

    def __init__(
        self,
        model: nn.Module,
        output: str = "last_hidden_state",
        device: torch.device = _PROCESSOR,
    ) -> None:
        self.model = model.to(device)
        self.device = device
        self._output = output

    @torch.inference_mode()
    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Run the backbone.

        Args:
            ids: (n, t) token ids, padded on the right.
            mask: (n, t), 1 where there is a token.

        Returns:
            (n, t, h) float32, the last layer's states; (n, t, vocabulary) of a language model.
        """
        ids, mask = ids.to(self.device), mask.to(self.device)
        states: Tensor = getattr(self.model(input_ids=ids, attention_mask=mask), self._output)
        return states.float()


def load_backbone(
    spec: EncoderSpec,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device = _PROCESSOR,
) -> Backbone:
    """Load a checkpoint's weights.

    Args:
        spec: the checkpoint.
        dtype: of the computation; what comes out is float32 all the same.
        device: that computes.

    Raises:
        CheckpointError: weights are missing, damaged or of an unknown architecture.
    """
    speaks = isinstance(spec.sparse, VocabularyWeights)
    kind = transformers.AutoModelForMaskedLM if speaks else transformers.AutoModel
    try:
        with quietly():
            model, report = kind.from_pretrained(
                spec.folder,
                dtype=dtype,
                local_files_only=True,
                output_loading_info=True,
                **loading_arguments(spec),
            )
    except Exception as error:  # transformers raises what its many parts raise
        raise CheckpointError(
            f"expected a checkpoint that transformers {transformers.__version__} loads, got "
            f"{type(error).__name__} for {spec.folder} ({error}): fetch the checkpoint anew, "
            "or choose one that needs no code of its own"
        ) from error
    missing = sorted(key for key in report["missing_keys"] if not key.startswith(_UNREAD))
    if missing:
        raise CheckpointError(
            f"expected weights for every layer in {spec.folder}, got none for {missing[0]} and "
            f"{len(missing) - 1} more: fetch the checkpoint anew"
        )
    _keep_layers(model, spec.layers, spec)
    backbone = Backbone(model.eval(), "logits" if speaks else "last_hidden_state", device)
    require_attention(backbone, spec)
    return backbone


def _keep_layers(model: transformers.PreTrainedModel, kept: int, spec: EncoderSpec) -> None:
    """Drop the layers of a model of our own behind the first ones."""
    total = getattr(model.config, "num_hidden_layers", kept)
    if kept == total:
        return
    lists = [
        (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.ModuleList) and len(child) == total
    ]
    if len(lists) != 1:
        raise CheckpointError(
            f"expected a backbone with one list of {total} layers in {spec.folder}, got "
            f"{len(lists)}: leave layers out, or choose a checkpoint of another architecture"
        )
    parent, name = lists[0]
    setattr(parent, name, getattr(parent, name)[:kept])
    model.config.num_hidden_layers = kept


@contextmanager
def quietly() -> Iterator[None]:
    """Without a progress bar and without a report on weights, which are checked here."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if shown:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
