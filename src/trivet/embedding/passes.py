"""Batches through a model, in halves where memory runs out, and their results in order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from trivet.embedding.job import Made
from trivet.embedding.kernels.hardware import is_out_of_memory
from trivet.embedding.tokenizing import TokenisedText
from trivet.errors import EmbeddingError

logger = logging.getLogger(__name__)

Pass = Callable[[Sequence[TokenisedText]], Made]


def in_batches(
    texts: Sequence[TokenisedText],
    batches: Sequence[Sequence[int]],
    forward: Pass,
    folder: Path,
) -> Made:
    """Run every batch, and put the legs back in the order of the texts.

    Args:
        texts: n ≥ 1 texts.
        batches: the positions of the texts in each batch, each position once.
        forward: makes the legs of a batch.
        folder: of the checkpoint, for the message.

    Raises:
        EmbeddingError: the model failed on a batch.
    """
    parts = [made for batch in batches for made in _run([texts[i] for i in batch], forward, folder)]
    return Made.joined(parts, batches)


def _run(texts: Sequence[TokenisedText], forward: Pass, folder: Path) -> list[Made]:
    """The legs of a batch; one that memory does not suffice for goes in halves."""
    try:
        return [forward(texts)]
    except Exception as error:  # whatever the model's code raises
        if len(texts) == 1 or not is_out_of_memory(error):
            raise EmbeddingError(
                f"expected vectors from {folder}, got {type(error).__name__} ({error}) for a "
                f"batch of {len(texts)} texts of up to {max(len(text.ids) for text in texts)} "
                "tokens: check the checkpoint, and that there is memory"
            ) from error
        logger.info("halving a batch of %d texts: %s", len(texts), error)
    # Only here, where the error has let go of the failed batch's memory.
    middle = len(texts) // 2
    return _run(texts[:middle], forward, folder) + _run(texts[middle:], forward, folder)
