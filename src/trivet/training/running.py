"""The training itself, by sentence-transformers' trainer."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.base.sampler import BatchSamplers
from sentence_transformers.sentence_transformer.training_args import (
    SentenceTransformerTrainingArguments,
)
from torch import Tensor
from transformers import PrinterCallback, TrainerCallback

from trivet.errors import TrainingPairsError
from trivet.training.loss import DistilledContrastiveLoss
from trivet.training.pairs import COLUMNS, TrainingPair, columns_of
from trivet.training.report import StepLoss
from trivet.training.settings import TrainingSettings
from trivet.training.student import Wordings

Watcher: TypeAlias = "Callable[[StepLoss, int, int], None]"


def train(
    student: SentenceTransformer,
    pairs: Sequence[TrainingPair],
    teacher: tuple[Tensor, ...],
    settings: TrainingSettings,
    wordings: Wordings,
    scratch: Path,
    watcher: Watcher | None,
) -> tuple[StepLoss, ...]:
    """Train a model in place.

    Args:
        student: the model.
        pairs: all that batches are drawn from.
        teacher: the old model's vectors of them, column by column.
        settings: how.
        wordings: that go before queries and documents.
        scratch: a folder that the trainer may write to.
        watcher: called after each step, with its loss, its number and the number of steps.

    Returns:
        The loss of each step.

    Raises:
        TrainingPairsError: too many queries or documents are the same to fill the batches.
        TrainingError: the loss is not finite.
    """
    columns = columns_of(pairs)
    steps = settings.steps_of(len(pairs))
    longest = student.max_seq_length
    student.max_seq_length = min(longest or settings.max_tokens, settings.max_tokens)
    try:
        with _drawn_by(settings.seed):
            loss = DistilledContrastiveLoss(student, settings, teacher)
            trainer = _Trainer(
                model=student,
                args=_arguments(settings, steps, wordings, scratch),
                train_dataset=Dataset.from_dict({**columns, "label": list(range(len(pairs)))}),
                loss=loss,
                callbacks=[_Watching(loss, steps, watcher)],
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()
    finally:
        student.max_seq_length = longest
    if len(loss.history) != steps:
        raise TrainingPairsError(
            f"expected batches of {settings.batch_size} pairs without a text twice, got pairs for "
            f"none more after step {len(loss.history)}: lower the batch size"
        )
    student.eval()
    return tuple(loss.history)


class _Trainer(SentenceTransformerTrainer):  # type: ignore[misc,unused-ignore]
    """Without a model card, which asks the hub about every name."""

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """No."""


class _Watching(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Tells of each step."""

    def __init__(self, loss: DistilledContrastiveLoss, steps: int, watcher: Watcher | None) -> None:
        self._loss = loss
        self._steps = steps
        self._watcher = watcher

    def on_step_end(self, *_: object, **__: object) -> None:
        """The optimiser has made its step."""
        if self._watcher is not None:
            self._watcher(self._loss.history[-1], len(self._loss.history), self._steps)


def _arguments(
    settings: TrainingSettings, steps: int, wordings: Wordings, scratch: Path
) -> SentenceTransformerTrainingArguments:
    prompts = dict.fromkeys(COLUMNS[1:], wordings.document)
    return SentenceTransformerTrainingArguments(
        output_dir=str(scratch),
        max_steps=steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=round(settings.warmup * steps),
        lr_scheduler_type="linear",
        seed=settings.seed,
        data_seed=settings.seed,
        # Of two pairs with one text in a batch, each would be the other's wrong answer.
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        prompts={"query": wordings.query, **prompts} if wordings != Wordings("", "") else None,
        dataloader_drop_last=True,
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


@contextmanager
def _drawn_by(seed: int) -> Iterator[None]:
    """Whatever is drawn in the body is drawn by the seed, and nobody else notices."""
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002 - what the trainer draws from
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])  # noqa: NPY002 - as above
