"""The command `trivet finetune` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trivet.cli.options import AsJson
from trivet.training.settings import TrainingSettings

_USUAL = TrainingSettings()
Model = Annotated[str, typer.Option(metavar="NAME", help="The model: a name or a folder.")]
Pairs = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        exists=True,
        help='JSONL: {"query": …, "positive": …}, maybe "negative".',
    ),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="For the new model: new, or empty.")]
Dev = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", exists=True, help="Pairs to measure on.", show_default="a tenth of --pairs"
    ),
]
Steps = Annotated[int | None, typer.Option(help="Batches to train on.", show_default="200")]
Epochs = Annotated[
    int | None,
    typer.Option(help="Rounds over all pairs, in place of --steps.", show_default="none"),
]
BatchSize = Annotated[int, typer.Option(help="Pairs in a batch.")]
LearningRate = Annotated[float, typer.Option(help="Learning rate at its highest.")]
Warmup = Annotated[float, typer.Option(help="Share of the steps in which the learning rate rises.")]
Temperature = Annotated[float, typer.Option(help="Temperature of the contrastive loss.")]
Distill = Annotated[
    float, typer.Option(metavar="W", help="Weight of staying near the old vectors; 0 = off.")
]
MaxTokens = Annotated[int, typer.Option(help="Tokens read of a text while training, at most.")]
Seed = Annotated[int, typer.Option(help="Seed of all that is drawn.")]


def finetune_command(
    model: Model,
    pairs: Pairs,
    out: Out,
    dev: Dev = None,
    steps: Steps = None,
    epochs: Epochs = None,
    batch_size: BatchSize = _USUAL.batch_size,
    learning_rate: LearningRate = _USUAL.learning_rate,
    warmup: Warmup = _USUAL.warmup,
    temperature: Temperature = _USUAL.temperature,
    distill: Distill = _USUAL.query_weight,
    max_tokens: MaxTokens = _USUAL.max_tokens,
    seed: Seed = _USUAL.seed,
    as_json: AsJson = False,
) -> None:
    """Train a model on your own pairs, and keep its vectors near those of your index.

    DIR becomes a checkpoint for `trivet upgrade plan --to DIR`; its folder "training" holds the
    drift map from the new model to the old one, and the report. Needs the extra `trivet[train]`.
    """
    from trivet.cli.finetuning import fine_tune_model

    settings = TrainingSettings(
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        warmup=warmup,
        temperature=temperature,
        query_weight=distill,
        document_weight=distill,
        max_tokens=max_tokens,
        seed=seed,
    )
    raise typer.Exit(fine_tune_model(model, pairs, out, dev, settings, as_json=as_json))
